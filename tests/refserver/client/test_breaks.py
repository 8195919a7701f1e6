"""Oplock and lease breaks: what they are about, what they leave, and their acknowledgment."""

import pytest

from parsers.errors import ParseError
from parsers.smb2.create import OplockLevel
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command, Flags, build_header, parse_header
from parsers.smb2.lease import LeaseState
from parsers.smb2.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification, OplockBreak
from refserver.client.breaks import Break, find_break
from refserver.client.config import ClientConfig
from refserver.client.opening import Received
from tests.refserver.client.peer import FILE_ID, SESSION_ID, TREE_ID, Peer

RH = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING
RWH = RH | LeaseState.WRITE_CACHING
LEASE_KEY = b"key of the lease"
UNSOLICITED = 0xFFFF_FFFF_FFFF_FFFF
TO_LEVEL_II = OplockBreak(OplockLevel.II, FILE_ID)


def lease_break(flags: LeaseBreakFlags = LeaseBreakFlags.ACK_REQUIRED) -> LeaseBreakNotification:
    return LeaseBreakNotification(4, flags, LEASE_KEY, RWH, RH)


def notification(body: bytes) -> bytes:
    return build_header(Command.OPLOCK_BREAK, UNSOLICITED, flags=Flags.SERVER_TO_REDIR) + body


def received(body: bytes) -> Received:
    message = notification(body)
    return Received(parse_header(message), memoryview(message), encrypted=False)


def with_batch_oplock(**config: bool) -> Peer:
    peer = Peer(ClientConfig(**config))
    peer.open.oplock_level = OplockLevel.BATCH
    return peer


def with_lease(**config: bool) -> Peer:
    peer = Peer(ClientConfig(**config))
    peer.open.lease_key, peer.open.lease_state, peer.open.oplock_level = LEASE_KEY, RWH, OplockLevel.LEASE
    return peer


def test_a_break_is_found_by_file_id_or_lease_key() -> None:
    peer = with_lease()
    for body in (TO_LEVEL_II.build(), lease_break().build()):
        found = find_break(received(body), [peer.session], 7)
        assert found is not None
        assert (found.open, found.received_at) == (peer.open, 7)
    assert find_break(received(OplockBreak(OplockLevel.II, FileId(9, 9)).build()), [peer.session], 7) is None


@pytest.mark.parametrize("body", [b"\x18\x00", LeaseBreak(LEASE_KEY, RH).build()], ids=["cut", "an answer"])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        find_break(received(body), [], 7)


@pytest.mark.parametrize(
    ("level", "needed"), [(OplockLevel.BATCH, True), (OplockLevel.EXCLUSIVE, True), (OplockLevel.II, False)]
)
def test_only_who_may_have_written_acknowledges_an_oplock_break(level: OplockLevel, needed: bool) -> None:
    peer = Peer()
    peer.open.oplock_level = level
    assert Break(TO_LEVEL_II, peer.open, 0).needs_acknowledgment is needed


@pytest.mark.parametrize(("flags", "needed"), [(LeaseBreakFlags.ACK_REQUIRED, True), (LeaseBreakFlags(0), False)])
def test_a_lease_break_says_itself_whether_to_acknowledge(flags: LeaseBreakFlags, needed: bool) -> None:
    assert Break(lease_break(flags), Peer().open, 0).needs_acknowledgment is needed


def test_what_is_left_is_noted_in_all_opens_of_the_lease() -> None:
    peer = with_lease()
    Break(lease_break(), peer.open, 0).apply()
    assert (peer.open.lease_state, peer.open.lease_epoch) == (RH, 4)
    batch = with_batch_oplock()
    Break(TO_LEVEL_II, batch.open, 0).apply()
    assert batch.open.oplock_level == OplockLevel.II


@pytest.mark.parametrize("signed", [False, True])
def test_a_break_is_acknowledged_at_once(signed: bool) -> None:
    peer = with_batch_oplock()
    peer.session.signing_required = signed
    peer.say(notification(TO_LEVEL_II.build()))
    (message,) = peer.messages()
    header = parse_header(message)
    assert (header.command, header.session_id, header.tree_id) == (Command.OPLOCK_BREAK, SESSION_ID, TREE_ID)
    assert OplockBreak.parse(memoryview(message)) == TO_LEVEL_II
    assert peer.client.breaks[0].acknowledged


def test_a_lease_break_is_acknowledged_with_what_is_left() -> None:
    peer = with_lease()
    peer.say(notification(lease_break().build()), sealed=True)
    (message,) = peer.messages()
    assert LeaseBreak.parse(memoryview(message)) == LeaseBreak(LEASE_KEY, RH)


def test_an_acknowledgment_may_be_withheld_and_come_late_with_less_than_is_left() -> None:
    peer = with_lease(acknowledge_breaks=False)
    seen: list[Break] = []
    peer.client.on_break = seen.append
    waiting = peer.client.next_break()
    peer.say(notification(lease_break().build()))
    assert peer.messages() == []
    assert seen == [waiting.result] == peer.client.breaks
    call = peer.client.acknowledge(seen[0], LeaseState.NONE)
    (message,) = peer.messages()
    assert LeaseBreak.parse(memoryview(message)).lease_state == LeaseState.NONE
    peer.answer(5, Command.OPLOCK_BREAK, LeaseBreak(LEASE_KEY, LeaseState.NONE).build())
    assert call.result == LeaseBreak(LEASE_KEY, LeaseState.NONE)


def test_who_is_told_of_a_break_may_acknowledge_it_first() -> None:
    peer = with_batch_oplock()
    peer.client.on_break = lambda broken: peer.client.acknowledge(broken, OplockLevel.NONE)
    peer.say(notification(TO_LEVEL_II.build()))
    (message,) = peer.messages()
    assert OplockBreak.parse(memoryview(message)).oplock_level == OplockLevel.NONE


def test_a_break_of_an_open_that_is_closed_already_is_passed_over_and_a_malformed_one_noted() -> None:
    peer = with_batch_oplock()
    peer.say(notification(OplockBreak(OplockLevel.II, FileId(9, 9)).build()))
    assert peer.client.breaks == []
    peer.say(notification(b"\x18\x00"))
    assert "malformed break" in peer.client.faults[0]
    assert peer.messages() == []
