import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from analyzer import Analysis, analyze
from analyzer.report.page import page
from parsers.errors import UsageError
from tests.analyzer.conftest import PASSWORDS


@pytest.fixture(scope="module")
def text(mixed: Analysis) -> str:
    return page(mixed)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script" and "type" not in dict(attrs)
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def test_nothing_is_loaded_from_anywhere(text: str) -> None:
    for tag, attributes in Elements(text).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]


def test_only_the_scripts_of_the_package_may_run(text: str) -> None:
    elements = Elements(text)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in elements.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in elements.scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_every_finding_is_there_with_its_evidence_and_remedy(mixed: Analysis, text: str) -> None:
    for place, row in enumerate(mixed.findings.itertuples()):
        assert f'id="finding-{place}"' in text
        assert row.rule in text
    assert text.count('class="finding ') == len(mixed.findings)


def test_no_secret_is_in_it(text: str) -> None:
    assert "Passw0rd!" not in text
    assert "B0bPass#" not in text


def test_names_from_the_wire_are_text(hostile: Path) -> None:
    text = page(analyze(hostile, passwords=PASSWORDS))
    assert [tag for tag, _ in Elements(text).tags].count("b") == 4  # the numbers of the summary
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[2J&lt;b&gt;\\u202egpj" in text  # in the table of files
    assert "\\\\x1b[2J\\u003cb\\u003e" in text  # in the list of exchanges


def test_it_is_small_beside_its_library(text: str) -> None:
    library = files("analyzer.report").joinpath("echarts", "echarts.min.js").read_bytes()
    assert len(text.encode()) < len(library) + 300_000


def test_the_library_comes_with_its_licence() -> None:
    folder = files("analyzer.report").joinpath("echarts")
    assert "Apache License" in folder.joinpath("LICENSE").read_text()
    assert "Apache ECharts" in folder.joinpath("NOTICE").read_text()


def test_it_is_written_to_a_file(mixed: Analysis, text: str, tmp_path: Path) -> None:
    mixed.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == text
    with pytest.raises(UsageError):
        mixed.report(tmp_path / "missing" / "report.html")


def test_a_capture_without_smb_has_a_report(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000"))
    text = page(analyze(path))
    assert "Nothing is wrong" in text
    assert "0 packets" in text
