"""What the export tests share: captures as lists of packets, the messages in a capture, and tshark's reading of it."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from parsers.capture.open import open_captures
from parsers.capture.packets import PacketBlock
from parsers.capture.write import PcapngWriter
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.decoder import Batch
from parsers.transport.ip import Segments


class Packet(NamedTuple):
    time: int
    data: bytes
    length: int  # on the wire


class Message(NamedTuple):
    """A whole SMB2 message that could be read: who sent it on which connection, when it was complete."""

    connection: int
    sender: int
    time: int
    data: bytes


@pytest.fixture
def samba_keys() -> KeyStore:
    """The passwords of the users in the Samba captures (captures/README.md)."""
    keys = KeyStore()
    keys.add_password(r"CORPUS\alice:Passw0rd!")
    keys.add_password(r"CORPUS\bob:B0bPass#")
    return keys


@pytest.fixture(scope="session")
def read_packets() -> Callable[[Path], list[Packet]]:
    def read(path: Path) -> list[Packet]:
        packets = []
        for block in open_captures(path):
            columns = (block.time, block.offset, block.captured, block.length)
            for time, offset, captured, length in zip(*(column.tolist() for column in columns), strict=True):
                packets.append(Packet(time, bytes(block.buffer[offset : offset + captured]), length))
        return packets

    return read


@pytest.fixture
def write_packets(tmp_path: Path) -> Callable[..., Path]:
    """write_packets(packets, linktype): the path of a capture of them; each is a time, bytes, and their number."""

    def write(packets: Iterable[tuple[int, bytes, int]], linktype: int = 1) -> Path:
        path = tmp_path / "made.pcapng"
        with path.open("wb") as file:
            writer = PcapngWriter(file)
            writer.interface(linktype, name="made0")
            for time, data, length in packets:
                writer.packet(time, data, original_length=length)
        return path

    return write


@pytest.fixture(scope="session")
def read_messages() -> Callable[[Path, KeyStore], list[Message]]:
    """read_messages(path, keys): all messages that can be read, in the order in which they were complete."""

    def read(path: Path, keys: KeyStore) -> list[Message]:
        found: list[Message] = []

        def sink(_: PacketBlock | None, __: Segments | None, batch: Batch) -> None:
            units, messages = batch.units, batch.messages
            for row in range(len(messages)):
                unit = messages.unit[row]
                if messages.known[row] and not units.incomplete[unit]:
                    columns = (units.connection, units.sender, units.last_time)
                    data = bytes(batch.arena[messages.offset[row] : messages.end[row]])
                    found.append(Message(*(int(column[unit]) for column in columns), data))

        decode(open_captures(path), keys, [sink])
        return found

    return read


@pytest.fixture(scope="session")
def tshark_rows(tshark: str) -> Callable[..., list[list[list[str]]]]:
    """tshark_rows(path, fields, *options): for each packet the values of each field; checksums are verified."""

    def run(path: Path, fields: Iterable[str], *options: str) -> list[list[list[str]]]:
        wanted = [argument for field in fields for argument in ("-e", field)]
        checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
        command = [tshark, "-r", str(path), *checks, *options, "-T", "fields", "-E", "aggregator=|", *wanted]
        output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return [[[v for v in value.split("|") if v] for value in line.split("\t")] for line in output.splitlines()]

    return run
