"""A capture made of what a server has read and written."""

import stat
import subprocess
from pathlib import Path

import pytest

from analyzer import analyze
from parsers.capture.open import open_captures
from parsers.errors import UsageError
from parsers.keys.toml import parse
from refserver.network.frames import Socket
from refserver.serve.trace import Trace, keys_path

START = 1_700_000_000_000_000_000
CLIENTS = (Socket(bytes([127, 0, 0, 1]), 50000), Socket(bytes(15) + b"\1", 50001))
SERVERS = (Socket(bytes([127, 0, 0, 1]), 445), Socket(bytes(15) + b"\1", 445))


def written(path: Path) -> Path:
    trace = Trace(path)
    for number, (client, server) in enumerate(zip(CLIENTS, SERVERS, strict=True)):
        trace.opened(number, client, server, START + number)
    trace.received(0, b"\0\0\0\4abcd", START + 10)
    trace.sent(0, bytes(200_000), START + 20)
    trace.received(1, b"x", START + 30)
    trace.closed(0, START + 40, by_client=True)
    trace.closed(1, START + 50, by_client=True, reset=True)
    trace.opened(2, CLIENTS[0]._replace(port=50002), SERVERS[0], START + 60)
    trace.keys((0x1234, bytes(range(16)), None, None))
    trace.close(START + 70)
    return path


def test_connections_are_complete_and_end_as_they_did(tmp_path: Path) -> None:
    connections = analyze(written(tmp_path / "a.pcapng")).connections
    assert list(connections.closed_by) == ["client FIN", "client RST", "server FIN"]
    times = [time for block in open_captures(tmp_path / "a.pcapng") for time in block.time.tolist()]
    assert times == sorted(times)


@pytest.mark.witness
def test_wireshark_finds_nothing_wrong(tmp_path: Path, tshark: str) -> None:
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    command = [tshark, "-r", str(written(tmp_path / "a.pcapng")), "-Y", "_ws.expert.severity >= 0x00600000", *checks]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(shown) == 1  # the RST, which was planted
    assert "[RST, ACK]" in shown[0]


def test_both_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_text("what was there")
    path.chmod(0o644)
    written(path)
    assert keys_path(path).name == "a.keys.toml"
    for file in (path, keys_path(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_are_on_disk_at_once_and_can_be_read_as_a_key_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    trace = Trace(path)
    for number in (1, 2):
        trace.keys((number, bytes([number]) * 16, None, None))
        keys = parse(keys_path(path).read_bytes(), keys_path(path)).store
        assert [one.key for one in keys.session_keys_for(number)] == [bytes([number]) * 16]
    trace.close(START)


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        Trace(tmp_path / "none" / "a.pcapng")
