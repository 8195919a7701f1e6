"""A ring of capture files."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.live.dumpcap import Dumpcap
from parsers.capture.open import open_captures
from parsers.errors import UsageError

PORT = 45_983  # a datagram to a port of nobody passes lo all the same


def send(count: int, size: int = 100) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(bytes(size), ("127.0.0.1", PORT))


def packets(files: list[Path]) -> int:
    return sum(len(block) for block in open_captures(files))


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.witness
@pytest.mark.usefixtures("may_capture")
def test_packets_are_in_the_files_while_it_captures(tmp_path: Path) -> None:
    with Dumpcap("lo", f"udp port {PORT}", tmp_path, 1 << 20) as dumpcap:
        send(5)
        wait_for(lambda: packets(dumpcap.files()) == 5)
        assert dumpcap.running
        assert dumpcap.counts is None
    assert not dumpcap.running
    assert dumpcap.counts == (5, 0)


@pytest.mark.witness
@pytest.mark.usefixtures("may_capture")
def test_the_ring_forgets_what_is_old(tmp_path: Path) -> None:
    window = 400_000
    with Dumpcap("lo", f"udp port {PORT}", tmp_path, window) as dumpcap:
        for _ in range(12):
            send(30, 4_000)
            time.sleep(0.1)
        wait_for(lambda: len(dumpcap.files()) == 4)
    left = dumpcap.files()
    assert left == sorted(left)
    assert not left[0].name.startswith("ring_00001")
    assert sum(path.stat().st_size for path in left) < 1.5 * window
    assert 0 < packets(left) < 360


@pytest.mark.witness
@pytest.mark.usefixtures("may_capture")
@pytest.mark.parametrize(
    ("interface", "condition", "message"),
    [("nowhere0", "", "nowhere0"), ("lo", "no such filter", "dumpcap does not capture: .*filter")],
)
def test_what_dumpcap_cannot_do_is_said(interface: str, condition: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        Dumpcap(interface, condition, tmp_path, 1 << 20)


def test_a_machine_without_dumpcap_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="live capture needs dumpcap: install Wireshark or tshark"):
        Dumpcap("lo", "", tmp_path, 1 << 20)
