"""The last message of each direction."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from analyzer.evidence.last_messages import LastMessage, LastMessages
from parsers.capture.packets import PacketBlock
from parsers.keys.store import KeyStore
from parsers.smb2.decoder import Batch
from parsers.smb2.messages import Units
from parsers.transport.connections import CLIENT, SERVER
from parsers.transport.ip import Segments
from tests.analyzer.captures import analyzed
from tests.witness.decoding import run

ENCRYPTED, PLAIN = 0xFD, 0xFE


class _Batch:
    """Only what the sink looks at."""

    def __init__(self, rows: Iterable[tuple[int, int, int, int, int, int]]) -> None:
        names = ("connection", "sender", "position", "length", "first_frame", "protocol")
        columns = dict(zip(names, np.array(list(rows), np.int64).reshape(-1, 6).T, strict=True))
        zeros = np.zeros(len(columns["sender"]), np.int64)
        columns["first_time"] = columns["first_frame"] * 1000
        self.units = Units(**{field.name: columns.get(field.name, zeros) for field in fields(Units)})


def fed(*batches: Iterable[tuple[int, int, int, int, int, int]]) -> LastMessages:
    last = LastMessages()
    for rows in batches:
        last(None, None, cast("Batch", _Batch(rows)))
    return last


def test_the_message_at_the_highest_position_is_the_last() -> None:
    last = fed([(3, CLIENT, 200, 96, 7, ENCRYPTED), (3, CLIENT, 0, 196, 5, PLAIN), (3, SERVER, 40, 10, 6, PLAIN)])
    assert last.of(3, CLIENT) == LastMessage(200, 300, 7, 7_000, encrypted=True)
    assert last.of(3, SERVER) == LastMessage(40, 54, 6, 6_000, encrypted=False)


def test_a_later_block_replaces_what_was_last_and_an_overtaken_message_does_not() -> None:
    last = fed([(0, CLIENT, 100, 50, 2, PLAIN)], [(0, CLIENT, 154, 50, 9, PLAIN)], [(0, CLIENT, 50, 46, 10, PLAIN)], [])
    assert last.of(0, CLIENT) == LastMessage(154, 208, 9, 9_000, encrypted=False)


def test_a_message_that_is_given_again_keeps_where_it_began() -> None:
    last = fed([(0, CLIENT, 100, 50, 2, PLAIN)], [(0, CLIENT, 100, 50, 8, PLAIN)])
    assert last.of(0, CLIENT) == LastMessage(100, 154, 2, 2_000, encrypted=False)


def test_a_direction_without_messages_has_none() -> None:
    last = fed([(1, CLIENT, 0, 50, 2, PLAIN)])
    assert last.of(1, SERVER) is None
    assert last.of(0, CLIENT) is None


@pytest.mark.parametrize("window", [1 << 14, 1 << 24])
def test_every_direction_of_a_capture_has_the_one_that_begins_last(samples: Path, window: int) -> None:
    last, begins = LastMessages(), dict[tuple[int, int], tuple[int, int, int]]()

    def note(_block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        units = batch.units
        columns = (units.connection, units.sender, units.position, units.length, units.first_frame)
        for connection, sender, *unit in zip(*(column.tolist() for column in columns), strict=True):
            position, length, frame = unit
            begins[connection, sender] = max(begins.get((connection, sender), (-1, 0, 0)), (position, length, frame))

    run(samples / "ntlm_311_mixed_sessions.pcapng", KeyStore(), last, note, window=window)
    assert len(begins) == 20
    for (connection, sender), (position, length, frame) in begins.items():
        found = last.of(connection, sender)
        assert found is not None
        assert (found.position, found.end, found.frame) == (position, position + 4 + length, frame)


def test_a_request_that_never_came_to_its_end_is_seen(shared: Path) -> None:
    """The client gave up in the middle of a WRITE that never got through."""
    evidence = analyzed(shared, "faults/net_mtu_blackhole_enc.pcapng").evidence
    found = evidence.last_messages.of(0, CLIENT)
    assert found is not None
    assert found.encrypted
    assert evidence.decoded.connections[0].directions[CLIENT].delivered < found.end
