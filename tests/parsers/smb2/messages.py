"""Real SMB2 messages, cut out of captures by tshark, with what it says of them; and the checks that codecs share."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import pytest
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.header import PROTOCOL_ID, Command, HeaderFixed, build_header, parse_header

HEADER = build_header(Command.ECHO, 1)
# Bytes to overwrite: a distance from the start of the body, and a value.
DAMAGE = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=6)


class Message(NamedTuple):
    """One message of a capture, from its header to the next header or the end."""

    frame: int
    header: HeaderFixed
    data: memoryview


class Codec(Protocol):
    """What every message class has."""

    @classmethod
    def parse(cls, message: memoryview) -> Self: ...

    def build(self) -> bytes: ...


@cache
def read_messages(tshark: str, capture: Path) -> list[Message]:
    """The plain SMB2 messages of a capture, compounds taken apart."""
    command = [tshark, "-r", str(capture), "-Y", "smb2", "-T", "json", "-x", "-j", "frame smb2"]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    messages = []
    for packet in json.loads(output, object_pairs_hook=list):
        layers = dict(dict(packet)["_source"])["layers"]
        frame = int(dict(dict(layers)["frame"])["frame.number"])
        raw = (bytes.fromhex(value[0]) for name, value in layers if name == "smb2_raw")
        messages += [Message(frame, parse_header(data), memoryview(data)) for data in raw if data[:4] == PROTOCOL_ID]
    return messages


def find(tshark: str, capture: Path, command: Command, *, responses: bool) -> list[Message]:
    """The requests or the successful responses of one command that have a frame of their own."""
    messages = read_messages(tshark, capture)
    alone = Counter(message.frame for message in messages)
    return [
        message
        for message in messages
        if (message.header.command, message.header.is_response, alone[message.frame]) == (command, responses, 1)
        and (not responses or message.header.status == 0)
    ]


@cache
def fields(tshark: str, capture: Path, *names: str) -> dict[int, list[list[str]]]:
    """What tshark says: for each frame, the values of each field in the order of the frame."""
    command = [tshark, "-r", str(capture), "-Y", "smb2", "-T", "fields", "-E", "aggregator=|", "-e", "frame.number"]
    for name in names:
        command += ["-e", name]
    output = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    rows = (line.split("\t") for line in output.splitlines())
    return {int(row[0]): [value.split("|") if value else [] for value in row[1:]] for row in rows}


def dissect(tshark: str, folder: Path, messages: list[tuple[int, bytes]], *names: str) -> list[list[list[str]]]:
    """What tshark says of messages of our own: fields as in `fields`, for each of the (1 from the server, bytes)."""
    text2pcap = shutil.which("text2pcap")
    if text2pcap is None:
        pytest.skip("needs text2pcap, which comes with tshark")
    lines = []
    for from_server, data in messages:
        packet = len(data).to_bytes(4, "big") + data
        lines.append("IO"[from_server])
        lines += [f"{start:06x} {packet[start : start + 16].hex(' ')}" for start in range(0, len(packet), 16)]
    capture = folder / "messages.pcapng"
    command = [text2pcap, "-q", "-D", "-T", "50000,445", "-", str(capture)]
    subprocess.run(command, input="\n".join(lines).encode(), capture_output=True, check=True)
    return list(fields.__wrapped__(tshark, capture, *names).values())


def guid_text(data: bytes) -> str:
    """16 bytes as tshark prints a GUID."""
    parts = (data[3::-1], data[5:3:-1], data[7:5:-1], data[8:10], data[10:])
    return "-".join(part.hex() for part in parts)


def wire_file_id(persistent: int, volatile: int) -> str:
    """A FileId as tshark prints it: as a GUID."""
    return guid_text(persistent.to_bytes(8, "little") + volatile.to_bytes(8, "little"))


def check_round_trip(original: Codec) -> None:
    """What is built is read back."""
    assert type(original).parse(memoryview(HEADER + original.build())) == original


def check_truncation(original: Codec) -> None:
    """Every shorter message is refused."""
    whole = HEADER + original.build()
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            type(original).parse(memoryview(whole[:length]))


def check_structure_size(original: Codec) -> None:
    """Another StructureSize is refused."""
    whole = bytearray(HEADER + original.build())
    whole[len(HEADER)] ^= 0x80
    with pytest.raises(ParseError, match="StructureSize"):
        type(original).parse(memoryview(whole))


def check_damage(parse: Callable[[memoryview], object], whole: bytes, damage: list[tuple[int, int]]) -> None:
    """Overwritten bytes behind the header give something or a ParseError; whatever else is raised fails the test."""
    data = bytearray(whole)
    for distance, value in damage:
        data[(len(HEADER) + distance) % len(data)] = value
    with suppress(ParseError):
        parse(memoryview(data))
