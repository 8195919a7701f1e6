"""Files come out of captures as they went over the wire. Witnesses: digests noted when real captures were made."""

import csv
import hashlib
import resource
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.export.extract import LIST, Extraction, extract_files
from analyzer.export.output_folder import OutputFolder
from analyzer.tables.schema import EXTRACTED
from parsers import ntstatus
from parsers.capture.open import open_captures
from parsers.errors import UsageError
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.read_write import ReadResponse
from parsers.smb2.tree import ShareType
from tests.analyzer.export.share import Share
from tests.witness.known_keys import document_of, store_of

NO_KEYS = KeyStore()
TIB = 1 << 40


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def extract(share: Share, out: Path, *, cut: int = 0, pipes: bool = False) -> pd.DataFrame:
    """The list of what was extracted; it speaks of every file in the folder."""
    capture = share.capture(out.with_suffix(".pcapng"), cut=cut)
    table = extract_files(capture, NO_KEYS, out, pipes=pipes)
    assert contents(out).keys() == set(table.path.dropna())
    return table


def contents(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file() and path != out / LIST)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


# ------------------------------------------------------------------------------------ real captures


def samba_captures() -> list[str]:
    names = ("202_signed", "210_unsigned", "300_enc", "300_signed", "311_share_enc", "311_sign_aes-128-gmac",
             "311_sign_hmac-sha256", "311_unsigned", "311_enc_gcm_sign_aes-128-gmac", "311_enc_aes-128-gcm",
             "311_enc_5mb")  # fmt: skip
    pcaps = ("311_enc_aes-128-ccm", "311_enc_aes-256-ccm")
    return [*(f"ntlm_{name}.pcapng" for name in names), *(f"ntlm_{name}.pcap" for name in pcaps)]


@pytest.mark.parametrize("name", samba_captures())
def test_what_samba_moved_has_the_digests_that_were_written_down(shared: Path, out: Path, name: str) -> None:
    capture = shared / "captures/samba" / name
    document = document_of(capture)
    assert document is not None
    noted = document["transferred_files"]
    expected = sorted(
        (label.split()[0], direction, digest)
        for label, digest in noted.items()
        for direction, word in (("written", "put"), ("read", "get"))
        if word in label
    )
    table = extract_files(capture, store_of(shared, capture), out)
    assert table.complete.all()
    assert (table.unconfirmed.dropna() == 0).all()
    assert table.user.unique().tolist() == [r"CORPUS\alice"]
    assert set(table.share) <= {r"\\10.77.0.1\share", r"\\10.77.0.1\encshare"}
    moved = [name.partition("\\")[2].replace("\\", "/") for name in table.name]
    assert sorted(zip(moved, table.direction, table.md5, strict=True)) == expected
    for row in table.itertuples():
        content = (out / row.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row.bytes, row.sha256)


def test_no_capture_with_digests_is_left_out(shared: Path) -> None:
    folder = shared / "captures/samba"
    documents = {path: document_of(path) or {} for path in folder.iterdir() if ".pcap" in path.name}
    noted = {path.name for path, document in documents.items() if document.get("transferred_files")}
    assert {name for name in noted if not name.startswith("nt1_")} == set(samba_captures())


@pytest.mark.parametrize("name", [
    "impacket_300_enc", "impacket_311", "smbprotocol_202_sign", "smbprotocol_311_enc_aes-128-ccm",
    "smbprotocol_311_enc_aes-256-gcm",
])  # fmt: skip
def test_what_other_clients_moved_has_the_digest_that_they_wrote_down(shared: Path, out: Path, name: str) -> None:
    """Each writes one file and reads it again."""
    capture = shared / "captures/faults" / f"cli_{name}.pcapng"
    document = document_of(capture)
    assert document is not None
    table = extract_files(capture, store_of(shared, capture), out)
    moved = table[table.note != "named pipe"]
    assert moved.direction.tolist() == ["written", "read"]
    assert moved.complete.all()
    assert set(moved.md5) == {document["client_result"]["md5"]}
    assert {hashlib.md5((out / path).read_bytes()).hexdigest() for path in moved.path} == set(moved.md5)


@pytest.mark.parametrize(
    ("capture", "path", "direction", "size"),
    [  # sizes as Zeek (files.log) and Suricata (fileinfo) tell them
        ("zeek/smb/smb2.pcap", "smb2/WP_SMBPlugin.pdf", "written", 1_508_939),
        ("suricata/smb2-async-read/input.pcap", "moo/test.pkg", "read", 3_164_140),
        ("zeek/smb/smb2readwrite.pcap", "unknown share/pythonfile", "read", 16),
        ("zeek/smb/smb2readwrite.pcap", "unknown share/pythonfile2", "written", 7000),
        ("zeek/smb/smb_v2_only_non_zero_reserved1.pcap", "share/Test.txt", "read", 189),
    ],
)
def test_public_captures_hold_whole_files(
    shared: Path, out: Path, capture: str, path: str, direction: str, size: int
) -> None:
    table = extract_files(shared / "captures/public" / capture, NO_KEYS, out).set_index("path")
    row = table.loc[path]
    assert (row.direction, row.bytes, row["size"], row.complete) == (direction, size, size, True)


@pytest.mark.witness
@pytest.mark.parametrize(
    ("capture", "exported"),
    [
        ("public/zeek/smb/smb2.pcap", "%5cWP_SMBPlugin.pdf"),
        ("public/suricata/smb2-async-read/input.pcap", "%5ctest.pkg"),
        ("samba/ntlm_311_unsigned.pcapng", "%5cdir_ntlm_311_unsigned%5cbig_upload.bin"),
    ],
)
def test_tshark_exports_the_same_content(
    shared: Path, tshark: str, tmp_path: Path, capture: str, exported: str
) -> None:
    source = shared / "captures" / capture
    command = [tshark, "-r", str(source), "-q", "--export-objects", f"smb,{tmp_path / 'tshark'}"]
    subprocess.run(command, check=True, capture_output=True)
    expected = hashlib.sha256((tmp_path / "tshark" / exported).read_bytes()).hexdigest()
    table = extract_files(source, NO_KEYS, tmp_path / "out")
    name = exported.replace("%5c", "\\").removeprefix("\\")
    found = table[table.name == name]
    assert len(found) > 0
    assert set(found.sha256) == {expected}


def test_suricata_counts_the_same_files(shared: Path, tmp_path: Path) -> None:
    """facts/suricata__smb2-01.yaml: 51 fileinfo events; its variants lack a packet and two."""
    folder = shared / "captures/public/suricata"
    whole = extract_files(folder / "smb2-01/smb2-peter.pcap", NO_KEYS, tmp_path / "whole")
    holed = extract_files(
        folder / "smb2-frames-gap-payload-logging-02/smb2-peter-minus-p191-p192.pcap", NO_KEYS, tmp_path / "holed"
    )
    assert len(whole) == len(holed) == 51
    (changed,) = [place for place in range(51) if whole.md5[place] != holed.md5[place]]
    assert (whole.complete[changed], holed.complete[changed]) == (True, False)
    assert holed.missing[changed] == "2812-5855"
    begun = (tmp_path / "holed" / holed.path[changed]).read_bytes()
    assert begun == (tmp_path / "whole" / whole.path[changed]).read_bytes()[:2812]


def test_named_pipes_are_listed_and_written_on_request(shared: Path, tmp_path: Path) -> None:
    """tshark 4.0.17: two READ responses and two WRITE requests on srvsvc, of 92 and 116 bytes together."""
    capture = shared / "captures/public/zeek/smb/smb2.pcap"
    listed = extract_files(capture, NO_KEYS, tmp_path / "without")
    pipes = listed[listed.note == "named pipe"]
    assert pipes.path.isna().all()
    assert pipes.sha256.isna().all()
    assert not pipes.complete.any()
    written = extract_files(capture, NO_KEYS, tmp_path / "with", pipes=True)
    pipes = written[written.note == "named pipe"]
    assert pipes.path.str.startswith("IPC$/").all()
    for row in pipes.itertuples():
        content = (tmp_path / "with" / row.path).read_bytes()
        assert len(content) == row.bytes == row.size
        assert content[:3] == b"\x05\x00\x0c" if row.direction == "read" else b"\x05\x00\x0b"  # a bind (C706 12.6.3.1)


# ------------------------------------------------------------------------------------ what is there


def test_reads_out_of_order_and_over_one_another_make_the_file(out: Path) -> None:
    share = Share().connect()
    content = bytes(range(256)) * 40
    file = share.open(r"dir\a.bin", len(content))
    for start, end in ((8000, 10240), (0, 3000), (2000, 5000), (5000, 8001), (4999, 5001)):
        share.read(file, start, content[start:end])
    (row,) = extract(share, out).itertuples()
    assert contents(out) == {"share/dir/a.bin": content}
    assert (row.path, row.share, row.name, row.direction) == (
        "share/dir/a.bin", r"\\server\share", r"dir\a.bin", "read",
    )  # fmt: skip
    assert (row.bytes, row.size, row.complete, row.missing, row.note) == (10240, 10240, True, "", "")
    assert (row.sha256, row.md5) == (hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest())
    assert (row.session_id, row.file_id) == (5, f"{file.persistent:016x}:{1:016x}")
    assert pd.isna(row.unconfirmed)
    assert pd.isna(row.user)
    assert row.opened == pd.Timestamp("2023-11-14T22:13:20.000005Z")
    assert (row.first_frame, row.last_frame) == (9, 23)


def test_what_was_not_read_is_a_hole(out: Path) -> None:
    share = Share().connect()
    file = share.open("a", 5_000_000_000)
    share.read(file, 100, b"x" * 100)
    share.read(file, 4_000_000_000, b"y" * 50)
    (row,) = extract_files(share.capture(out.with_suffix(".pcapng")), NO_KEYS, out).itertuples()
    assert (row.bytes, row.size, row.complete) == (150, 5_000_000_000, False)
    assert row.missing == "0-99 200-3999999999 4000000050-4999999999"
    assert pd.isna(row.sha256)
    assert pd.isna(row.md5)
    state = (out / "share/a").stat()
    assert state.st_size == 4_000_000_050
    assert state.st_blocks * 512 < 100_000
    with (out / "share/a").open("rb") as file:
        assert file.read(300) == bytes(100) + b"x" * 100 + bytes(100)
        file.seek(4_000_000_000)
        assert file.read() == b"y" * 50


def test_what_one_open_reads_and_writes_are_two_files(out: Path) -> None:
    share = Share().connect()
    file = share.open("a", 4)
    share.read(file, 0, b"old!")
    share.write(file, 4, b"new")
    share.write(file, 0, b"new!")
    share.close(file)
    read, written = extract(share, out).itertuples()
    assert contents(out) == {"share/a": b"new!new", "share/a (2)": b"old!"}
    assert (written.path, written.direction, written.complete, written.unconfirmed) == ("share/a", "written", True, 0)
    assert (read.direction, read.size, read.complete, read.missing) == ("read", 7, False, "4-6")  # it had grown


def test_the_last_of_what_was_written_to_a_place_stays(out: Path) -> None:
    share = Share().connect()
    file = share.open("a")
    for data in (b"first", b"2nd"):
        share.write(file, 0, data)
    share.close(file)
    (row,) = extract(share, out).itertuples()
    assert contents(out) == {"share/a": b"2ndst"}
    assert (row.bytes, row.unconfirmed, row.complete) == (5, 0, True)


def test_complete_files_get_the_name_first(out: Path) -> None:
    share = Share().connect()
    for data in (b"ab", b"abc", b"abcd"):
        file = share.open("a", 4)
        share.read(file, 0, data)
        share.close(file)
    table = extract(share, out)
    assert table.path.tolist() == ["share/a (2)", "share/a (3)", "share/a"]
    assert table.first_frame.is_monotonic_increasing


# ------------------------------------------------------------------------------------ what is not whole


def test_a_stalled_upload_has_what_was_sent(out: Path) -> None:
    """The last request has begun, and never ends."""
    share = Share().connect()
    file = share.open("a")
    share.write(file, 0, b"a" * 5000)
    share.ask_write(file, 5000, b"b" * 5000)
    (row,) = extract(share, out, cut=3000).itertuples()
    assert contents(out) == {"share/a": b"a" * 5000 + b"b" * 2000}
    assert (row.bytes, row.size, row.unconfirmed, row.complete) == (7000, 7000, 2000, False)
    assert row.md5 == hashlib.md5(b"a" * 5000 + b"b" * 2000).hexdigest()


def test_a_download_that_was_cut_off_has_what_came(out: Path) -> None:
    share = Share().connect()
    file = share.open("a", 9000)
    share.read(file, 0, b"a" * 5000)
    share.read(file, 5000, b"b" * 4000)
    (row,) = extract(share, out, cut=1000).itertuples()
    assert (row.bytes, row.size, row.complete, row.missing) == (8000, 9000, False, "8000-8999")


@pytest.mark.parametrize(("status", "unconfirmed"), [(ntstatus.STATUS_DISK_FULL, 3), (ntstatus.STATUS_SUCCESS, 0)])
def test_a_refused_write_is_there_and_not_confirmed(out: Path, status: int, unconfirmed: int) -> None:
    share = Share().connect()
    file = share.open("a")
    share.write(file, 0, b"fine")
    share.write(file, 4, b"bad", status)
    share.close(file)
    (row,) = extract(share, out).itertuples()
    assert contents(out) == {"share/a": b"finebad"}
    assert (row.unconfirmed, row.complete) == (unconfirmed, unconfirmed == 0)


def test_a_written_file_is_complete_only_when_it_was_closed(out: Path) -> None:
    share = Share().connect()
    share.write(share.open("a"), 0, b"data")
    (row,) = extract(share, out).itertuples()
    assert (row.bytes, row.size, row.unconfirmed, row.complete) == (4, 4, 0, False)


def test_files_that_were_opened_before_the_capture_are_named_by_their_identifiers(out: Path) -> None:
    share = Share()
    share.read(FileId(0xA, 0xB), 0, b"read")
    share.write(FileId(0xA, 0xB), 0, b"written")
    read, written = extract(share, out).itertuples()
    identifier = "000000000000000a_000000000000000b"
    assert contents(out) == {
        f"unknown share/file {identifier}": b"read",
        f"unknown share/file {identifier} (2)": b"written",
    }
    for row in (read, written):
        assert row.note == "its CREATE is not in the capture"
        assert not row.complete
        assert pd.isna(row.name)
        assert row.file_id == "000000000000000a:000000000000000b"


def test_answers_without_their_requests_are_counted(out: Path) -> None:
    share = Share().connect()
    file = share.open("a", 100)
    for number in (70, 71):
        share.answer(Command.READ, number, ReadResponse(b"12345").build())
    share.read(file, 0, b"x")
    lost, found = extract(share, out).itertuples()
    assert lost.note == "10 bytes of which the capture does not show to which file they belong"
    assert (lost.bytes, lost.direction, lost.complete) == (0, "read", False)
    assert pd.isna(lost.path)
    assert found.path == "share/a"


# ------------------------------------------------------------------------------------ compounds and blocks


@pytest.mark.parametrize("window", [16 << 20, 300])
def test_a_compound_that_opens_writes_and_closes_is_a_file(out: Path, window: int) -> None:
    """Its WRITE requests come before anybody knows the FileId, and in a small window blocks before it."""
    share = Share().connect()
    pieces = (b"a" * 3000, b"b" * 200)
    first = share.ask_at_once(r"dir\a", *pieces)
    share.answer_at_once(first, *pieces)
    capture = share.capture(out.with_suffix(".pcapng"))
    with Extraction(out) as extraction:
        decode(open_captures(capture, window=window), NO_KEYS, [extraction])
        (row,) = extraction.finish().itertuples()
    assert contents(out) == {"share/dir/a": b"".join(pieces)}
    assert (row.complete, row.unconfirmed, row.size) == (True, 0, 3200)


@pytest.mark.parametrize("status", [None, ntstatus.STATUS_ACCESS_DENIED])
def test_data_for_a_file_that_was_not_opened_is_there_under_its_name(out: Path, status: int | None) -> None:
    share = Share().connect()
    first = share.ask_at_once(r"dir\a", b"data", b"more")
    if status is not None:
        share.answer(Command.CREATE, first, b"\x09\0" + bytes(7), status)
    (row,) = extract(share, out).itertuples()
    assert [path.rpartition("/")[2] for path in contents(out)] == ["a"]
    assert list(contents(out).values()) == [b"datamore"]
    assert (row.name, row.complete, row.note) == (
        r"dir\a", False, "its CREATE did not succeed, or was not answered",
    )  # fmt: skip


move = st.tuples(
    st.sampled_from(["a", "A", r"a\b"]), st.booleans(), st.integers(0, 5000), st.binary(min_size=1, max_size=3000)
)


@given(st.lists(move, min_size=1, max_size=8), st.sampled_from([200, 1000, 4000]))
def test_files_do_not_depend_on_how_much_is_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, bool, int, bytes]], window: int
) -> None:
    share, files, expected = Share().connect(), {}, {}
    for name, is_write, offset, data in moves:
        file = files.setdefault(name, None) or share.open(name)
        files[name] = file
        (share.write if is_write else share.read)(file, offset, data)
        content = expected.setdefault((name, "written" if is_write else "read"), bytearray())
        content += bytes(max(offset + len(data) - len(content), 0))
        content[offset : offset + len(data)] = data
    folder = tmp_path_factory.mktemp("cut")
    capture = share.capture(folder / "capture.pcapng")
    with Extraction(folder / "out") as extraction:
        decode(open_captures(capture, window=window), NO_KEYS, [extraction])
        table = extraction.finish()
    found = {(row.name, row.direction): (folder / "out" / row.path).read_bytes() for row in table.itertuples()}
    assert found == expected


# ------------------------------------------------------------------------------------ hostile captures


HOSTILE = (
    r"..\..\..\..\..\..\tmp\evil", "/etc/passwd", r"C:\boot.ini", "nul", "a\x1b[2J", "cod\u202egpj.exe", "\ud800",
    "x" * 1000, "d\\" * 3000 + "x", "", "=cmd|' /C calc'!A0", "files.csv", "a", r"a\b", "A", "a ", "a.",
)  # fmt: skip


HOSTILE_SHARES = (r"\\server\share", r"\\server\..", r"\\server\files.csv", "\\\\\\", r"\\a\b\..\c:")


def test_no_name_leaves_the_folder_or_hides_another(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    out.parent.mkdir()
    share = Share()
    for place, path in enumerate(HOSTILE_SHARES):
        share.connect(place, path)
        for name in HOSTILE:
            file = share.open(name, tree_id=place)
            share.write(file, 0, name.encode("utf-8", "surrogatepass") + b"%d" % place, tree_id=place)
    table = extract(share, out)
    assert len(table) == 5 * len(HOSTILE) == len(contents(out))
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in out.parent.iterdir()} == {"out", "out.pcapng"}
    assert not any(path.is_symlink() for path in out.rglob("*"))
    assert len({path.casefold() for path in contents(out)}) == len(table)
    with (out / LIST).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert not any(set("\x1b\u202e\ud800\n") & set(value) for row in rows for value in row.values())
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    sizes = {row["path"]: int(row["bytes"]) for row in rows}
    assert {path: len(content) for path, content in contents(out).items()} == sizes


@pytest.mark.parametrize("offset", [2**63, 2**64 - 2, 2**63 - 1, TIB, TIB - 3])
def test_no_offset_makes_a_file_without_end(out: Path, offset: int) -> None:
    share = Share().connect()
    file = share.open("a", 2**64 - 1)
    share.read(file, 0, b"good")
    share.read(file, offset, b"evil")
    share.write(file, offset, b"evil")
    share.close(file)
    read, written = extract(share, out).itertuples()
    assert contents(out) == {"share/a": b"good"}
    assert read.note == written.note == "4 bytes were left out: they would lie beyond 1,099,511,627,776"
    assert (read.size, read.missing, read.complete) == (2**64 - 1, f"4-{2**64 - 2}", False)
    assert (written.bytes, written.complete, pd.isna(written.path)) == (0, False, True)


def test_a_file_of_which_something_was_left_out_is_not_complete(out: Path) -> None:
    share = Share().connect()
    file = share.open("a")
    for offset in (0, TIB):
        share.write(file, offset, b"data")
    share.close(file)
    (row,) = extract(share, out).itertuples()
    assert (row.bytes, row.size, row.missing, row.unconfirmed, row.complete) == (4, 4, "", 0, False)


def test_a_file_ends_at_a_tebibyte(out: Path) -> None:
    share = Share().connect()
    share.write(share.open("a"), TIB - 4, b"last")
    (row,) = extract_files(share.capture(out.with_suffix(".pcapng")), NO_KEYS, out).itertuples()
    assert (out / row.path).stat().st_size == TIB
    assert (row.missing, row.note) == (f"0-{TIB - 5}", "")


def test_pipes_have_no_offsets(out: Path) -> None:
    share = Share().connect(1, r"\\server\IPC$", ShareType.PIPE)
    pipe = share.open("srvsvc")
    for data in (b"bind", b"request"):
        share.write(pipe, 0, data)
        share.read(pipe, 0, data.upper())
    table = extract(share, out, pipes=True)
    assert contents(out) == {"IPC$/srvsvc": b"bindrequest", "IPC$/srvsvc (2)": b"BINDREQUEST"}
    assert table.complete.tolist() == [False, False]
    assert table["size"].tolist() == [11, 11]


@pytest.mark.fuzz
@given(st.data())
def test_any_damage_gives_a_folder_that_its_list_describes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    share = Share().connect().connect(2, r"\\server\IPC$", ShareType.PIPE)
    for tree_id in (1, 2):
        file = share.open(r"dir\a.txt", 3000, tree_id=tree_id)
        share.write(file, 10, b"a" * 2000, tree_id=tree_id)
        share.read(file, 0, b"b" * 3000)
    share.answer_at_once(share.ask_at_once("b", b"data"), b"data")
    folder = tmp_path_factory.mktemp("damaged")
    capture = share.capture(folder / "capture.pcapng")
    content = bytearray(capture.read_bytes())
    places = st.integers(200, len(content) - 1)  # behind the headers of the file
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=20)):
        content[place] = value
    capture.write_bytes(content)
    with Extraction(folder / "out", pipes=True) as extraction:
        decode(open_captures(capture, window=data.draw(st.sampled_from([500, 1 << 20]))), NO_KEYS, [extraction])
        table = extraction.finish()
    written = {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*") if path.is_file()}
    assert written == {LIST, *table.path.dropna()}
    for row in table[table.sha256.notna()].itertuples():
        assert hashlib.sha256((folder / "out" / row.path).read_bytes()).hexdigest() == row.sha256


# ------------------------------------------------------------------------------------ the folder


def test_a_system_that_takes_more_names_for_one_gets_other_names(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = OutputFolder.place

    def pick(folder: OutputFolder, number: int, path: str) -> bool:
        return path not in {"share/a", "share/a (2)"} and place(folder, number, path)

    monkeypatch.setattr(OutputFolder, "place", pick)
    share = Share().connect()
    share.read(share.open("a"), 0, b"data")
    assert extract(share, out).path.tolist() == ["share/a (3)"]


def test_a_capture_without_files_gives_an_empty_list(out: Path) -> None:
    table = extract(Share().connect(), out)
    assert len(table) == 0
    assert (out / LIST).read_text().strip() == ",".join(EXTRACTED.names)


@pytest.mark.parametrize("source", ["-", ["-"]])
def test_a_stream_is_refused(out: Path, source: str) -> None:
    with pytest.raises(UsageError, match="cannot be read twice"):
        extract_files(source, NO_KEYS, out)
    assert not out.exists()


def test_a_capture_that_cannot_be_read_leaves_no_folder(out: Path) -> None:
    with pytest.raises(UsageError):
        extract_files(out.with_name("missing.pcap"), NO_KEYS, out)
    assert not out.exists()


def test_a_full_disk_leaves_nothing(out: Path) -> None:
    share = Share().connect()
    share.write(share.open("a"), 0, bytes(200_000))
    capture = share.capture(out.with_suffix(".pcapng"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UsageError, match=r"cannot be written \(File too large\)"):
            extract_files(capture, NO_KEYS, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()
