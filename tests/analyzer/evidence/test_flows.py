"""Positions of segments, and what each side had sent and acknowledged at every row."""

import numpy as np
import pytest

from analyzer.evidence.flows import FlowStates, endpoint_key, stable_order
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import ConnectionTracker
from tests.analyzer.evidence.packets import Wire, make

CLIENT, SERVER = 0, 1


def test_positions_count_from_the_byte_behind_the_syn_across_the_end_of_the_numbers() -> None:
    wire = Wire().handshake().send(CLIENT, 0, 200, ack=0).send(CLIENT, 200, 200, ack=0).send(SERVER, 0, 10, ack=400)
    made, _ = make([wire], 0, None, ConnectionTracker(AddressBook()))
    rows = FlowStates().feed(made)
    assert rows.position.tolist() == [-1, -1, 0, 0, 200, 0]
    assert rows.end.tolist() == [0, 0, 0, 200, 400, 10]
    client = int(rows.side[0])
    assert rows.sent[client].tolist() == [0, 0, 0, 200, 400, 400]
    assert rows.acknowledged[1 - client].tolist()[1:] == [0, 0, 0, 0, 400]
    assert rows.before.tolist()[2:] == [0, 0, 200, 0]
    assert rows.confirmed.tolist()[3:5] == [0, 0]


def test_blocks_continue_one_another() -> None:
    wire = Wire().handshake()
    for step in range(20):
        wire.send(CLIENT, step * 50, 50, ack=step).send(SERVER, step, 1, ack=step * 50 + 50)
    whole, _ = make([wire], 0, None, ConnectionTracker(AddressBook()))
    expected = FlowStates().feed(whole)
    states, tracker = FlowStates(), ConnectionTracker(AddressBook())
    parts = [states.feed(make([wire], first, first + 7, tracker)[0]) for first in range(0, len(wire.rows), 7)]
    for name in ("position", "end", "before", "confirmed"):
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(expected, name).tolist()


def test_a_block_without_segments_gives_nothing() -> None:
    made, _ = make([Wire().handshake()], 0, 0, ConnectionTracker(AddressBook()))
    assert FlowStates().feed(made) is None


def test_rows_of_connections_stand_together_in_order_of_frames() -> None:
    one, two = Wire(), Wire(port=51_000, now=1_000_500_000)
    for step in range(3):
        one.send(CLIENT, step, 1, ack=0)
        two.send(CLIENT, step, 1, ack=0)
    made, _ = make([one, two], 0, None, ConnectionTracker(AddressBook()))
    rows = FlowStates().feed(made)
    assert rows.connection.tolist() == [0, 0, 0, 1, 1, 1]
    assert made.frame[rows.row].tolist() == [1, 3, 5, 2, 4, 6]
    assert rows.first.tolist() == [0, 3]
    assert rows.last.tolist() == [2, 5]


@pytest.mark.parametrize("values", [[5, 5, 5], [3, 1, 3, 2, 1], [70_000, 1, 70_000, 2]])
def test_stable_order_is_that_of_a_stable_sort(values: list[int]) -> None:
    column = np.array(values)
    assert stable_order(column).tolist() == np.argsort(column, kind="stable").tolist()


def test_endpoints_differ_by_address_and_port() -> None:
    assert len({endpoint_key(address, port) for address in (0, 1) for port in (0, 445, 65_535)}) == 6
