"""Connections, what could not be decoded of them, and where every byte went."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis, analyze


def test_a_connection_has_its_endpoints_and_its_end(mixed: Analysis) -> None:
    first = mixed.connections.iloc[0]
    assert (first.client, first.server) == ("10.77.0.2:52444", "10.77.0.1:445")
    assert (first.client_ip, first.client_port, first.server_port) == ("10.77.0.2", 52444, 445)
    assert (first.protocol, first.dialect, first.closed_by) == ("smb2", "3.1.1", "client FIN")
    assert first.handshake
    assert first.start < first.closed_time <= first.end
    assert mixed.connections.dialect.tolist().count("2.1") == 1


def test_every_byte_is_accounted_for(mixed: Analysis) -> None:
    accounting, connections = mixed.accounting, mixed.connections
    assert (accounting.captured == accounting.decoded + accounting.undecoded + accounting.retransmitted).all()
    assert accounting.captured.sum() == connections.bytes_client.sum() + connections.bytes_server.sum()
    assert (accounting.protocol == "smb2").all()


def test_what_has_no_key_is_undecoded_and_says_so(sample: Path) -> None:
    analysis = analyze(sample)
    undecoded = analysis.undecoded
    assert set(undecoded.layer.unique()) == {"SMB2 transform"}
    assert undecoded.length.sum() == analysis.accounting.undecoded.sum() > 0
    assert undecoded.reason.str.contains("no key").all()
    assert undecoded.file.isna().all()


def test_a_damaged_file_is_a_row_without_connection(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    path.write_bytes(sample.read_bytes()[:-10])
    analysis = analyze(path)
    (row,) = analysis.undecoded[analysis.undecoded.layer == "capture"].itertuples()
    assert row.file == str(path)
    assert row.offset > 0
    assert row.connection is pd.NA
    assert row.frame is pd.NA
    assert len(analysis.damage) == 1


@pytest.mark.parametrize(
    ("capture", "protocols"),
    [
        ("samba/nt1_signed.pcapng", {"smb1"}),
        ("samba/torture_connect.pcapng", {"smb2"}),
        ("public/snet/tls1.3_aes128.pcap", {"tls"}),
    ],
)
def test_the_protocol_is_told_by_the_messages(capture: str, protocols: set[str], shared: Path) -> None:
    connections = analyze(shared / "captures" / capture).connections
    assert set(connections.protocol[connections.bytes_client > 0]) == protocols


def test_bytes_that_were_changed_are_undecoded(tampered: Callable[[bytes, int, bytes], Path]) -> None:
    analysis = analyze(tampered(b"\xfdSMB", 60, b"\x00\x00\x00\x00"), passwords=[r"alice:Passw0rd!"])
    (row,) = analysis.undecoded.itertuples()
    assert "tag does not fit" in row.reason
