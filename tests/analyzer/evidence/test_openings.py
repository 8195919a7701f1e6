"""How connections open, control codes that are looked into, and what is compressed."""

from pathlib import Path

import pytest

from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client import files
from tests.analyzer.captures import analyzed, frames_of
from tests.analyzer.rules.plays import generated, played


def test_the_first_message_of_each_connection(shared: Path) -> None:
    analysis = analyzed(shared, "samba/ntlm_311_mixed_sessions.pcapng")
    firsts = analysis.evidence.openings.firsts
    assert sorted(firsts) == analysis.connections["connection"].tolist()
    assert {(first.sender, first.protocol, first.command) for first in firsts.values()} == {
        (0, 0xFE, Command.NEGOTIATE)
    }


def test_what_validates_negotiate_is_kept(tmp_path: Path) -> None:
    (control,) = generated(tmp_path, "normal", dialect="3.0.2").evidence.openings.controls
    assert (control.code, control.protected, len(control.data)) == (FsctlCode.VALIDATE_NEGOTIATE_INFO, True, 32)


@pytest.mark.witness
def test_validations_are_those_that_tshark_shows(shared: Path, tshark: str) -> None:
    name = "samba/ntlm_300_signed.pcapng"
    display_filter = "smb2.ioctl.function == 0x00140204 && smb2.flags.response == 0"
    shown = [int(row[0]) for row in frames_of(tshark, shared / "captures" / name, display_filter)]
    assert shown
    assert [control.frame for control in analyzed(shared, name).evidence.openings.controls] == shown


def test_an_algorithm_of_compression_is_kept_once(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        yield from files.put(client, tree, "a.bin", bytes(200_000))
        yield from files.put(client, tree, "b.bin", bytes(200_000))

    analysis = played(tmp_path, work, compression_algorithms=(CompressionAlgorithm.LZ77,))
    (row,) = analysis.evidence.openings.compressed.values()
    assert (row.connection, row.sender, row.algorithm) == (0, 0, CompressionAlgorithm.LZ77)
