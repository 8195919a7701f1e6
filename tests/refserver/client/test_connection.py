"""One connection: framing, credits, answers and their signatures, time limits, loss."""

import pytest

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BUFFER_OVERFLOW,
    STATUS_CANCELLED,
    STATUS_CONNECTION_DISCONNECTED,
    STATUS_INVALID_NETWORK_RESPONSE,
    STATUS_NO_MORE_FILES,
    STATUS_PENDING,
    STATUS_USER_SESSION_DELETED,
)
from parsers.smb2.change_notify import ChangeNotifyResponse
from parsers.smb2.dialects import Dialect
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command, Flags, parse_header
from parsers.smb2.lock import LockElement, LockFlags
from parsers.smb2.read_write import ReadResponse
from refserver.client.config import ClientConfig
from refserver.client.state import Deviation
from refserver.timers import Timers
from tests.refserver.client.peer import Peer

SECOND = 10**9


# ----------------------------------------------------------------------------------------------- framing


def test_bytes_may_come_in_any_pieces() -> None:
    peer = Peer()
    calls = [peer.client.echo(), peer.client.echo()]
    stream = b""
    for number in (5, 6):
        message = peer.message(number, Command.ECHO)
        stream += len(message).to_bytes(4, "big") + message
    for place in range(len(stream)):
        peer.client.received(stream[place : place + 1], peer.timers.now)
    assert all(call.succeeded for call in calls)


def test_an_empty_frame_is_passed_over() -> None:
    peer = Peer()
    peer.client.received(bytes(4), peer.timers.now)
    assert peer.client.faults == []


def test_whoever_carries_the_bytes_is_told_that_there_are_some() -> None:
    peer = Peer()
    told: list[int] = []
    peer.client.on_output = lambda: told.append(len(peer.client.outgoing))
    peer.client.echo()
    peer.client.close()
    assert told == [1, 2]
    assert peer.take()[-1] is None


def test_whoever_keeps_a_record_sees_every_request_before_its_bytes_and_every_message_before_its_effect() -> None:
    peer = Peer()
    seen: list[tuple[str, object]] = []
    peer.client.on_sent = lambda group: seen.append(
        ("sent", [(request.command, len(request.unit)) for request in group])
    )
    peer.client.on_output = lambda: seen.append(("output", len(peer.client.outgoing[-1] or b"")))
    peer.client.on_message = lambda message: seen.append(("message", message.header.message_id))
    call = peer.client.echo()
    call.then(lambda _call: seen.append(("done", call.status)))
    peer.client.cancel(call)
    peer.answer(5)
    assert seen == [
        ("sent", [(Command.ECHO, 68)]),
        ("output", 72),
        ("sent", [(Command.CANCEL, 68)]),
        ("output", 72),
        ("message", 5),
        ("done", 0),
    ]


def test_bytes_that_are_no_message_end_the_connection() -> None:
    peer = Peer()
    call = peer.client.echo()
    peer.say(b"\xfeSMB nonsense")
    assert call.status == STATUS_CONNECTION_DISCONNECTED
    assert peer.client.closed
    assert peer.take()[-1] is None
    assert len(peer.client.faults) == 1


def test_an_answer_to_nothing_is_noted_and_otherwise_ignored() -> None:
    peer = Peer()
    call = peer.client.echo()
    peer.answer(99)
    peer.answer(5, Command.LOGOFF)
    assert not call.done
    assert len(peer.client.faults) == 2


# ----------------------------------------------------------------------------------------------- credits


def test_message_ids_follow_each_other_and_a_large_request_takes_several() -> None:
    peer = Peer()
    peer.client.echo()
    peer.client.read(peer.open, 0, 200_000)
    peer.client.echo()
    headers = peer.headers()
    assert [header.message_id for header in headers] == [5, 6, 10]
    assert [header.credit_charge for header in headers] == [1, 4, 1]
    assert peer.client.credits == 20 - 6


def test_in_2_0_2_everything_costs_one_credit_and_says_nothing_of_it() -> None:
    peer = Peer(dialect=Dialect.SMB_2_0_2)
    peer.client.read(peer.open, 0, 65536)
    peer.client.echo()
    headers = peer.headers()
    assert [(header.message_id, header.credit_charge) for header in headers] == [(5, 0), (6, 0)]


def test_without_credits_requests_wait_in_their_order() -> None:
    peer = Peer(credits_=1)
    calls = [peer.client.echo() for _ in range(3)]
    assert len(peer.headers()) == 1
    peer.answer(5, credits_=0)
    assert [call.done for call in calls] == [True, False, False]
    peer.client.cancel(calls[1])  # has no MessageId yet: there is nothing to cancel
    assert peer.headers() == []


def test_credits_that_come_let_waiting_requests_go() -> None:
    peer = Peer(credits_=1)
    for _ in range(4):
        peer.client.echo()
    peer.take()
    peer.answer(5, credits_=2)
    assert [header.message_id for header in peer.headers()] == [6, 7]


def test_a_large_request_waits_for_all_the_credits_that_it_costs() -> None:
    peer = Peer(credits_=3)
    first = peer.client.echo()
    peer.client.read(peer.open, 0, 65536 * 3)
    peer.take()
    assert not first.done
    peer.answer(5, credits_=1)
    assert [header.command for header in peer.headers()] == [Command.READ]


def test_no_more_credits_are_asked_for_than_the_client_wants_to_hold() -> None:
    peer = Peer(ClientConfig(credits=30), credits_=20)
    peer.client.echo()
    peer.client.echo()
    assert [header.credits for header in peer.headers()] == [11, 1]


def test_a_request_asks_for_what_it_costs_at_least() -> None:
    peer = Peer(ClientConfig(credits=5), credits_=20)
    peer.client.read(peer.open, 0, 65536 * 4)
    assert peer.headers()[0].credits == 4


# ----------------------------------------------------------------------------------------------- answers


def test_a_warning_without_content_is_a_failure_and_one_with_content_is_not() -> None:
    peer = Peer()
    listing = peer.client.query_directory(peer.open)
    reading = peer.client.read(peer.open, 0, 10)
    peer.answer(5, Command.QUERY_DIRECTORY, status=STATUS_NO_MORE_FILES)
    peer.answer(6, Command.READ, ReadResponse(b"some").build(), status=STATUS_BUFFER_OVERFLOW)
    assert (listing.status, listing.succeeded) == (STATUS_NO_MORE_FILES, False)
    assert (reading.status, reading.result) == (STATUS_BUFFER_OVERFLOW, b"some")


def test_a_malformed_answer_fails_its_request_only() -> None:
    peer = Peer()
    call = peer.client.read(peer.open, 0, 10)
    peer.answer(5, Command.READ, b"\x11\x00short")
    assert call.status == STATUS_INVALID_NETWORK_RESPONSE
    assert not peer.client.closed
    assert "READ is malformed" in peer.client.faults[0]


def test_an_interim_response_is_not_the_end() -> None:
    peer = Peer()
    call = peer.client.change_notify(peer.open)
    peer.answer(5, Command.CHANGE_NOTIFY, status=STATUS_PENDING, async_id=8, credits_=3)
    assert not call.done
    assert peer.client.credits == 20 - 1 + 3
    peer.answer(5, Command.CHANGE_NOTIFY, ChangeNotifyResponse(()).build(), async_id=8, credits_=0)
    assert call.result == ()


@pytest.mark.parametrize("async_id", [0, 8], ids=["synchronous", "asynchronous"])
def test_a_cancel_names_its_request_and_costs_nothing(async_id: int) -> None:
    peer = Peer(signing_required=True)
    call = peer.client.change_notify(peer.open)
    if async_id:
        peer.answer(5, Command.CHANGE_NOTIFY, status=STATUS_PENDING, async_id=async_id)
    before = peer.client.credits
    peer.take()
    peer.client.cancel(call)
    (message,) = peer.messages()
    header = parse_header(message)
    assert (header.command, header.message_id, header.credits, header.credit_charge) == (Command.CANCEL, 5, 0, 0)
    assert header.is_async == bool(async_id)
    assert not async_id or header.async_id == async_id
    assert peer.signer.verify(message)
    assert peer.client.credits == before
    peer.answer(5, Command.CHANGE_NOTIFY, status=STATUS_CANCELLED, async_id=async_id, signed=True)
    assert call.status == STATUS_CANCELLED


def test_the_parts_of_a_compound_are_answered_one_by_one() -> None:
    peer = Peer()
    with peer.client.compound():
        calls = [peer.client.echo(), peer.client.flush(peer.open)]
        assert peer.take() == []
    assert len(peer.take()) == 1
    peer.answer(6, Command.FLUSH)
    peer.answer(5)
    assert all(call.succeeded for call in calls)


def test_an_empty_compound_sends_nothing() -> None:
    peer = Peer()
    with peer.client.compound():
        pass
    assert peer.take() == []


def test_the_very_bytes_of_a_request_may_be_sent_again() -> None:
    peer = Peer(encrypt_data=True)
    call = peer.client.flush(peer.open)
    peer.take()
    peer.client.send_again(call)
    peer.take()
    assert peer.units[0] == peer.units[1]


# ----------------------------------------------------------------------------------------------- signatures


def test_a_wrong_signature_ends_the_connection() -> None:
    peer = Peer(signing_required=True)
    call = peer.client.flush(peer.open)
    message = peer.message(5, Command.FLUSH, signed=True)
    peer.say(message[:-1] + b"\x01")
    assert call.status == STATUS_CONNECTION_DISCONNECTED
    assert peer.client.closed
    assert "signature of the answer to FLUSH" in peer.client.faults[0]


def test_a_missing_signature_ends_the_connection_where_signing_is_required() -> None:
    peer = Peer(signing_required=True)
    call = peer.client.flush(peer.open)
    peer.answer(5, Command.FLUSH)
    assert call.status == STATUS_CONNECTION_DISCONNECTED
    relaxed = Peer()
    call = relaxed.client.flush(relaxed.open)
    relaxed.answer(5, Command.FLUSH)
    assert call.succeeded


def test_an_answer_that_is_not_believed_may_leave_the_connection_open_and_the_request_unanswered() -> None:
    peer = Peer(ClientConfig(drop_on_bad_signature=False), signing_required=True)
    call = peer.client.flush(peer.open)
    peer.answer(5, Command.FLUSH)
    assert not call.done
    peer.answer(5, Command.FLUSH, signed=True)
    assert call.succeeded
    assert len(peer.client.faults) == 1


def test_a_server_that_has_forgotten_the_session_need_not_sign() -> None:
    peer = Peer(signing_required=True)
    call = peer.client.flush(peer.open)
    peer.answer(5, Command.FLUSH, status=STATUS_USER_SESSION_DELETED)
    assert call.status == STATUS_USER_SESSION_DELETED
    assert not peer.client.closed


def test_the_answer_to_a_request_against_the_rules_need_not_be_signed() -> None:
    peer = Peer(signing_required=True)
    with peer.client.deviating(Deviation(signed=False)):
        call = peer.client.flush(peer.open)
    peer.answer(5, Command.FLUSH, status=STATUS_ACCESS_DENIED)
    assert call.status == STATUS_ACCESS_DENIED


# ----------------------------------------------------------------------------------------------- time limits


def test_a_request_that_is_not_answered_in_a_minute_ends_the_connection() -> None:
    peer = Peer()
    call, other = peer.client.flush(peer.open), peer.client.echo()
    peer.pass_time(59.9)
    assert not call.done
    peer.pass_time(0.1)
    assert call.status == other.status == STATUS_CONNECTION_DISCONNECTED
    assert peer.take()[-1] is None
    assert peer.client.faults == ["FLUSH was not answered in time"]


def test_what_is_late_is_found_when_the_client_looks() -> None:
    peer = Peer(ClientConfig(expiration_scan=30 * SECOND))
    peer.pass_time(5)
    call = peer.client.flush(peer.open)
    peer.pass_time(84.9)
    assert not call.done
    peer.pass_time(0.1)
    assert call.status == STATUS_CONNECTION_DISCONNECTED


def test_an_interim_response_gives_four_minutes_more() -> None:
    peer = Peer()
    call = peer.client.flush(peer.open)
    peer.pass_time(30)
    peer.answer(5, Command.FLUSH, status=STATUS_PENDING, async_id=8)
    peer.pass_time(239)
    assert not call.done
    peer.pass_time(1)
    assert call.status == STATUS_CONNECTION_DISCONNECTED


def test_an_answer_stops_the_clock() -> None:
    peer = Peer()
    peer.client.flush(peer.open)
    peer.answer(5, Command.FLUSH)
    assert peer.timers.next() is None
    peer.pass_time(1000)
    assert not peer.client.closed


def test_what_may_wait_for_ever_has_no_limit() -> None:
    peer = Peer(pipe=True)
    exclusive = LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK)
    peer.client.change_notify(peer.open)
    peer.client.lock(peer.open, (exclusive,))
    peer.client.read(peer.open, 0, 10)
    peer.client.write(peer.open, 0, b"x")
    peer.client.ioctl(peer.open, FsctlCode.PIPE_TRANSCEIVE, b"x")
    assert peer.timers.next() is None
    at_once = LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
    peer.client.lock(peer.open, (at_once,))
    assert peer.timers.next() is not None


# ----------------------------------------------------------------------------------------------- loss


def test_when_the_transport_is_gone_everything_under_way_and_waiting_fails() -> None:
    peer = Peer(credits_=1)
    calls = [peer.client.echo(), peer.client.echo()]
    peer.client.disconnected(peer.timers.now + 5)
    assert [call.status for call in calls] == [STATUS_CONNECTION_DISCONNECTED] * 2
    assert peer.client.echo().status == STATUS_CONNECTION_DISCONNECTED
    assert peer.timers.now == Peer().timers.now + 5
    assert peer.session.channels == {}
    assert peer.session.channel_sequence == 1


def test_a_connection_is_lost_once() -> None:
    peer = Peer()
    peer.client.close()
    peer.client.close()
    peer.client.disconnected(peer.timers.now)
    assert peer.take() == [None]
    assert peer.session.channel_sequence == 1


def test_news_from_outside_sets_the_clock() -> None:
    peer = Peer()
    peer.client.received(b"", peer.timers.now + SECOND)
    assert peer.timers.now == Peer().timers.now + SECOND
    assert isinstance(peer.timers, Timers)
    peer.client.echo()
    assert peer.headers()[0].flags == Flags(0)
