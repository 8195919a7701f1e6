"""A second opinion of tshark. Witness: tshark, through pyshark."""

import asyncio
import os
from pathlib import Path

import pytest

from analyzer import Analysis, analyze
from analyzer.compare import WITH_TSHARK
from analyzer.compare.with_tshark import compare_with_tshark
from parsers.errors import UsageError

pytest.importorskip("pyshark")
pytestmark = [
    pytest.mark.witness,
    pytest.mark.usefixtures("tshark"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),  # pyshark leaves its cache open
]


def test_both_show_the_same_of_an_encrypted_capture(mixed: Analysis) -> None:
    before = dict(os.environ)
    comparison = mixed.compare_with_tshark()
    assert comparison.mode == WITH_TSHARK
    assert comparison.b.startswith("tshark ")
    assert comparison.sentences[1] == "In every frame both show the same commands and statuses."
    assert len(comparison.differences) == 0
    assert comparison.counts["tshark"].sum() == mixed.messages["command"].notna().sum() > 250
    assert dict(os.environ) == before


def test_it_works_where_an_event_loop_is_running(mixed: Analysis) -> None:
    """As in Jupyter."""

    async def cell() -> int:
        return len(compare_with_tshark(mixed).differences)

    assert asyncio.run(cell()) == 0


def test_compounds_are_counted_message_by_message(shared: Path) -> None:
    comparison = analyze(shared / "captures" / "public" / "zeek" / "smb" / "smb2.pcap").compare_with_tshark()
    assert comparison.sentences[0] == ("sessionscope shows 99 readable SMB2 messages in 97 frames, tshark 99 in 97.")
    assert len(comparison.differences) == 0


def test_differences_are_listed(shared: Path) -> None:
    """The header of this message has a StructureSize of 319, which tshark does not mind."""
    capture = shared / "captures" / "public" / "zeek" / "smb" / "smb2_fscontrol.pcap"
    comparison = analyze(capture).compare_with_tshark()
    (row,) = comparison.differences.to_dict("records")
    assert (row["frame"], row["shown_by"], row["command"], row["is_response"]) == (4, "tshark", "SET_INFO", True)
    assert comparison.sentences[1] == "1 message is shown by tshark and not by sessionscope, first in frames 4."


def test_several_captures_have_to_be_joined(samples: Path) -> None:
    both = analyze([samples / "ntlm_311_mixed_sessions.pcapng", samples / "mch_bind_enc.pcapng"])
    with pytest.raises(UsageError, match="tshark reads one file: name one capture, or join several with mergecap"):
        both.compare_with_tshark()


def test_a_machine_without_tshark_is_told_what_to_install(
    mixed: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"pip install 'sessionscope\[live\]'"):
        mixed.compare_with_tshark()
