"""No name leads out of the folder, hides, deceives, or overwrites another."""

from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import category, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.export.safe_paths import SafePaths, safe_component

ANYTHING = st.text(st.characters(codec=None), max_size=40)  # lone surrogates too
NASTY = st.text(st.sampled_from(list('./\\:*?"<>|\0\n\x1b\u202e\u2028\ud800 aA.nNuUlL1CcOo')), max_size=12)

DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789")}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (r"dir\report.docx", "share/dir/report.docx"),
        (r"\dir\\report.docx" + "\\", "share/dir/report.docx"),
        (r"..\..\etc\passwd", "share/__/__/etc/passwd"),
        ("/etc/passwd", "share/_etc_passwd"),
        (r"C:\Windows\x", "share/C_/Windows/x"),
        (r".\a", "share/_/a"),
        ("a.txt:stream:$DATA", "share/a.txt_stream_$DATA"),
        ("what? <*>|.txt", "share/what_ ____.txt"),
        ("a\x1b[2J\r\nb\0", "share/a_[2J__b_"),
        ("cod\u202egpj.exe", "share/cod_gpj.exe"),
        ("\u2066a\u2069\u200b", "share/_a__"),
        ("\ud800a", "share/_a"),
        ("a. . ", "share/a____"),
        ("NUL", "share/_NUL"),
        ("con.txt", "share/_con.txt"),
        ("Com1 .tar.gz", "share/_Com1 .tar.gz"),
        ("lpt\u00b2", "share/_lpt\u00b2"),
        ("conin$", "share/_conin$"),
        ("console", "share/console"),
        ("COM", "share/COM"),
        (".profile", "share/.profile"),
        ("\u3000ü 日本\u00a0語.txt", "share/\u3000ü 日本\u00a0語.txt"),
        ("", "share/_"),
        ("\\\\", "share/_"),
    ],
)
def test_a_name_becomes_a_path(name: str, path: str) -> None:
    assert SafePaths().claim("share", name) == path


@pytest.mark.parametrize(
    ("share", "folder"), [("IPC$", "IPC$"), ("..", "__"), ("", "_"), ("a/b", "a_b"), ("AUX", "_AUX"), ("D:", "D_")]
)
def test_a_share_is_one_folder(share: str, folder: str) -> None:
    assert SafePaths().claim(share, "a") == f"{folder}/a"


def test_names_that_some_system_takes_for_one_are_numbered() -> None:
    paths = SafePaths()
    names = ["a.txt", "a.txt", "A.TXT", "e\u0301", "\u00e9", "a (2).txt", ".rc", ".rc", "x.tar.gz", "x.tar.gz"]
    assert [paths.claim("s", name) for name in names] == [
        "s/a.txt", "s/a (2).txt", "s/A (3).TXT", "s/e\u0301", "s/\u00e9 (2)", "s/a (2) (2).txt", "s/.rc", "s/.rc (2)",
        "s/x.tar.gz", "s/x.tar (2).gz",
    ]  # fmt: skip


def test_a_folder_has_one_spelling() -> None:
    paths = SafePaths()
    names = (("Data", r"Sub\a"), ("DATA", r"sub\b"), ("data", r"SUB\A"))
    assert [paths.claim(*name) for name in names] == ["Data/Sub/a", "Data/Sub/b", "Data/Sub/A (2)"]


def test_a_file_and_a_folder_of_one_name_lie_side_by_side() -> None:
    paths = SafePaths("files.csv")
    assert paths.claim("s", "a") == "s/a"
    assert paths.claim("s", r"a\b") == "s/a (2)/b"
    assert paths.claim("s", r"A\c") == "s/a (2)/c"
    assert paths.claim("s", r"d\e") == "s/d/e"
    assert paths.claim("s", "D") == "s/D (2)"
    assert paths.claim("Files.CSV", "a") == "Files (2).CSV/a"


def test_long_names_are_cut_and_keep_their_suffix() -> None:
    assert SafePaths().claim("s", "x" * 300 + ".pdf") == f"s/{'x' * 196}.pdf"
    assert len(safe_component("日" * 300).encode()) <= 200
    assert safe_component("日" * 300) == "日" * 66
    assert safe_component("a." + "x" * 300) == "a." + "x" * 198
    assert safe_component("a" * 194 + " . b.pdf" + "c" * 9) == "a" * 187 + ".pdf" + "c" * 9


def test_deep_paths_keep_their_end() -> None:
    deep = "\\".join(f"d{number}" for number in range(5000))
    path = SafePaths().claim("s", deep)
    assert path.startswith("s/d4960/")
    assert path.endswith("/d4999")
    wide = SafePaths().claim("s", "\\".join(["w" * 200] * 30))
    assert wide.count("/") == 4
    assert len(wide.encode()) <= 1002


def test_very_many_of_one_name_take_no_more_time_each() -> None:
    paths = SafePaths()
    assert [paths.claim("s", "a") for _ in range(20_000)][-1] == "s/a (20000)"


@given(st.lists(st.tuples(ANYTHING | NASTY, ANYTHING | NASTY), max_size=12))
def test_any_names_give_different_paths_inside_of_the_folder(names: list[tuple[str, str]]) -> None:
    paths = SafePaths("files.csv")
    claimed = [paths.claim(share, name) for share, name in names]
    keys = {normalize("NFC", path).casefold() for path in claimed}
    assert len(keys) == len(names)
    for path in claimed:
        assert path.encode()
        assert all(character.isprintable() or category(character) == "Zs" for character in path)
        parts = path.split("/")
        assert len(parts) >= 2
        assert not PurePosixPath(path).is_absolute()
        windows = PureWindowsPath(path)
        assert (windows.drive, windows.root) == ("", "")
        assert windows.parts == tuple(parts)
        for part in parts:
            assert part not in {"", ".", ".."}
            assert part.split(".")[0].rstrip(" ").upper() not in DEVICES
            assert part == part.rstrip(". ")
            assert not set(part) & set('<>:"/\\|?*\0\x1b\n\u202e')
            assert len(part.encode()) <= 255
    every_folder = {"/".join(path.split("/")[:depth]) for path in claimed for depth in range(1, path.count("/") + 1)}
    assert not every_folder & set(claimed)
