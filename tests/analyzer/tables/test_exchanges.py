"""Rows of exchanges become the table `exchanges`; how each ended follows one rule."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.tables.columns import fields
from analyzer.tables.exchanges import EDGE, Outcome, exchanges_table, outcomes
from parsers import ntstatus
from parsers.smb2.exchanges import EXCHANGE
from parsers.transport.connections import Connection, Endpoint

ASKED, ANSWERED = {"request_frame": 1, "request_complete": 100}, {"response_frame": 2, "response_time": 200}
PENDING = {"pending_time": 150}
CANCELLED = {"status": ntstatus.STATUS_CANCELLED}


def outcome(
    exchange: dict[str, int], *, after: int = 0, closed: bool = False, gap: int = 0, snapped: int = 0, sender: int = 1
) -> Outcome:
    """Of one exchange on a connection; the capture ends `after` ns after the request."""
    connection = Connection(0, Endpoint(0, 50_000), Endpoint(1, 445), 1, 0)
    connection.closed_time = 150 if closed else None
    connection.directions[sender].gaps, connection.directions[sender].snapped = gap, snapped
    rows = np.zeros(1, EXCHANGE)
    for name, value in exchange.items():
        rows[name] = value
    places = outcomes({name: rows[name] for name in EXCHANGE.names or ()}, [connection], 100 + after)
    return tuple(Outcome)[int(places[0])]


@pytest.mark.parametrize(
    ("exchange", "circumstances", "expected"),
    [
        (ASKED | ANSWERED, {}, Outcome.ANSWERED),
        (ASKED | ANSWERED | PENDING, {}, Outcome.ANSWERED),
        (ASKED | ANSWERED, {"gap": 9}, Outcome.ANSWERED),
        (ASKED | ANSWERED | CANCELLED, {}, Outcome.CANCELLED),
        (ASKED | ANSWERED | PENDING | CANCELLED, {}, Outcome.CANCELLED),
        (ANSWERED, {}, Outcome.CAPTURE_EDGE),
        (ANSWERED | CANCELLED, {"after": EDGE, "closed": True}, Outcome.CAPTURE_EDGE),
        (ASKED | PENDING, {}, Outcome.PENDING),
        (ASKED | PENDING, {"after": EDGE, "closed": True}, Outcome.PENDING),
        (ASKED, {"after": EDGE}, Outcome.UNANSWERED),
        (ASKED, {"after": EDGE - 1}, Outcome.CAPTURE_EDGE),
        (ASKED, {"closed": True}, Outcome.UNANSWERED),
        (ASKED, {"closed": True, "gap": 1}, Outcome.CAPTURE_EDGE),
        (ASKED, {"closed": True, "snapped": 1}, Outcome.CAPTURE_EDGE),
        (ASKED, {"closed": True, "gap": 1, "sender": 0}, Outcome.UNANSWERED),
    ],
)
def test_an_exchange_ends(exchange: dict[str, int], circumstances: dict[str, Any], expected: Outcome) -> None:
    assert outcome(exchange, **circumstances) is expected


def test_latency_is_from_the_end_of_the_request_to_the_end_of_the_response(mixed: Analysis) -> None:
    """tshark 4.0.17, `-T fields -e smb2.time`: frame 6 0.004479705, frame 9 0.000314178 (NEGOTIATE, SESSION_SETUP)."""
    latency = mixed.exchanges.set_index("response_frame").latency
    assert latency[6].value == 4_479_705
    assert latency[9].value == 314_178


def test_every_request_of_the_sample_was_answered(mixed: Analysis) -> None:
    exchanges, messages = mixed.exchanges, mixed.messages
    assert set(exchanges.outcome.unique()) == {"answered"}
    assert len(exchanges) == int((~messages.is_response & (messages.command != "CANCEL")).sum())
    assert exchanges.pending_time.notna().sum() == (messages.status == "STATUS_PENDING").sum()


def test_related_requests_have_the_tree_of_their_file(mixed: Analysis) -> None:
    on_files = mixed.exchanges[mixed.exchanges.file_name.notna() & (mixed.exchanges.status == "STATUS_SUCCESS")]
    assert on_files.tree_id.isin(mixed.trees.tree_id).all()


def test_an_asynchronous_answer_without_its_request_knows_no_tree(mixed: Analysis) -> None:
    rows = np.zeros(2, EXCHANGE)
    rows["response_frame"], rows["session"], rows["open"], rows["name"] = 9, -1, -1, -1
    rows["async_id"], rows["tree_id"] = (0x7_0000_0005, 0), 7
    frame = exchanges_table(fields(rows), mixed._decoded)
    assert frame.tree_id.tolist() == [pd.NA, 7]
    assert frame.async_id.tolist() == [0x7_0000_0005, pd.NA]
    assert frame.request_frame.isna().all()
    assert frame.latency.isna().all()


def test_a_request_without_answer_has_no_status(shared: Any) -> None:
    """The server died before it answered the last request (srv_deadtime_idle_disconnect_enc.json)."""
    from analyzer import analyze

    captures = shared / "captures" / "faults"
    exchanges = analyze(
        captures / "srv_deadtime_idle_disconnect_enc.pcapng", passwords=[r"CORPUS\alice:Passw0rd!"]
    ).exchanges
    lost = exchanges[exchanges.outcome == "unanswered"]
    assert lost.command.tolist() == ["CREATE"]
    for name in ("response_frame", "status", "response_time", "latency"):
        assert lost[name].isna().all(), name
    assert (lost.response_length == 0).all()
    assert pd.notna(lost.request_time).all()


def test_reads_and_writes_tell_their_place_and_size(mixed: Analysis) -> None:
    moving = mixed.exchanges[mixed.exchanges.command.isin(["READ", "WRITE"])]
    assert moving.file_offset.tolist() == [0] * len(moving)
    assert moving.transferred.tolist() == [10_690] * 3
    other = mixed.exchanges[~mixed.exchanges.command.isin(["READ", "WRITE"])]
    assert other.file_offset.isna().all()
    assert other.transferred.isna().all()
