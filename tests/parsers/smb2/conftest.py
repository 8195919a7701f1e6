"""What the codec tests share: the demands on every codec, and tshark's reading of the messages of real captures."""

import functools
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from parsers.errors import ParseError

HEADER_SIZE = 64


@pytest.fixture(scope="session")
def check_codec() -> Callable[..., None]:
    """check(original, optional=0): builds what it parses, and refuses every prefix but those that lack a tail of
    at most `optional` bytes."""

    def check(original: Any, optional: int = 0) -> None:
        message = memoryview(bytes(HEADER_SIZE) + original.build())
        assert type(original).parse(message) == original
        for length in range(len(message) - optional):
            with pytest.raises(ParseError):
                type(original).parse(message[:length])

    return check


@pytest.fixture(scope="session")
def check_damage() -> Callable[..., None]:
    """check(codec, message): the message is refused as bad bytes, or gives an object that is parsed from its build."""

    def check(codec: Any, message: bytes) -> None:
        try:
            parsed = codec.parse(memoryview(message))
        except ParseError:
            return
        assert codec.parse(memoryview(bytes(HEADER_SIZE) + parsed.build())) == parsed

    return check


@pytest.fixture(scope="session")
def damage() -> Callable[[bytes], st.SearchStrategy[bytes]]:
    """damage(body): messages of a header, `body` with some bytes replaced after StructureSize, and some tail."""

    def strategy(body: bytes) -> st.SearchStrategy[bytes]:
        places = st.integers(min_value=2, max_value=len(body) - 1)
        return st.builds(
            functools.partial(_damaged, body),
            st.dictionaries(places, st.integers(min_value=0, max_value=255), max_size=8),
            st.integers(min_value=0, max_value=len(body)),
            st.binary(max_size=40),
        )

    return strategy


def _damaged(body: bytes, replaced: dict[int, int], cut: int, tail: bytes) -> bytes:
    damaged = bytearray(body)
    for place, value in replaced.items():
        damaged[place] = value
    return bytes(HEADER_SIZE) + bytes(damaged[: len(body) - cut // 2]) + tail


@dataclass(frozen=True)
class Dissected:
    """One SMB2 message: its bytes, and the values that tshark shows for each field name, in their order."""

    message: memoryview
    fields: dict[str, list[str]]

    def number(self, name: str, place: int = 0) -> int:
        """A field that tshark writes in decimal or with a prefix."""
        return int(self.fields[name][place], 0)


@pytest.fixture(scope="session")
def dissect(shared: Path, tshark: str) -> Callable[[str, str], list[Dissected]]:
    """dissect(capture, display filter): the plain SMB2 messages of the frames that match, as tshark reads them."""

    @functools.cache
    def run(capture: str, display_filter: str) -> list[Dissected]:
        command = [tshark, "-r", str(shared / "captures" / capture), "-Y", display_filter]
        output = subprocess.run([*command, "-T", "json", "-x", "-J", "smb2"], capture_output=True, check=True).stdout
        # tshark repeats keys within an object: pairs keep them all.
        frames = json.loads(output, object_pairs_hook=list)
        return [message for frame in frames for message in _messages(dict(dict(frame)["_source"])["layers"])]

    return run


def _messages(layers: list[tuple[str, Any]]) -> Iterator[Dissected]:
    raw = ""
    for name, value in layers:
        if name == "smb2_raw":
            raw = value[0]
        elif name == "smb2":
            fields: dict[str, list[str]] = {}
            _collect(value, fields)
            yield Dissected(memoryview(bytes.fromhex(raw)), fields)


def _collect(pairs: list[Any], fields: dict[str, list[str]]) -> None:
    for pair in pairs:
        if not isinstance(pair, tuple):
            continue
        name, value = pair
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
        elif isinstance(value, list):
            _collect(value, fields)
