"""Signed dialogues, whole and spoiled: the verdict on each message."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from parsers import ntstatus
from parsers.keys.store import Credential, SessionKey
from parsers.smb2.crypto import SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.error import ErrorResponse
from parsers.smb2.header import Command, Flags
from parsers.smb2.messages import SIGNATURES
from parsers.smb2.session_setup import SessionFlags
from parsers.smb2.signatures import SIGNED_REQUEST, verify_signatures
from parsers.verdicts import Signature
from tests.parsers.smb2.dialogue import (
    ALICE,
    BOB,
    CLIENT,
    PASSWORDS,
    SERVER,
    Observer,
    Peers,
    Said,
    message,
    place,
    plain_messages,
)

VALID, INVALID, UNSIGNED = Signature.VALID, Signature.INVALID, Signature.UNSIGNED
NO_KEY, NOT_COVERED = Signature.NO_KEY, Signature.NOT_COVERED


def verdicts(listener: Observer, said: Sequence[Said], *, blocks: int = 1, present: dict[int, int] | None = None):
    """The verdict on each message, in `blocks` blocks of about one size; the listener hears each block first."""
    requests = np.empty(0, SIGNED_REQUEST)
    found: list[Signature] = []
    size = -(-len(said) // blocks)
    for first in range(0, len(said), size):
        part = said[first : first + size]
        listener.hear(part)
        arena, units = place(part, first_frame=first + 1, present=present)
        messages = plain_messages(arena, units)
        named = np.flatnonzero(messages.session >= 0)
        messages.session[named] = listener.tracker.sessions_of(
            units.connection[messages.unit[named]],
            messages.session[named].astype(np.uint64),
            units.last_frame[messages.unit[named]],
        )
        requests = verify_signatures(
            arena, units, messages, listener.sessions, listener.tracker.connections, listener.keys, requests
        )
        found += [SIGNATURES[value] for value in messages.signature]
    return found


def logged_on(dialect: int = Dialect.SMB_3_1_1, **options: object) -> Peers:
    """Session 5, and one signed ECHO with its answer."""
    peers = Peers(dialect=dialect, **options)
    peers.negotiate()
    peers.set_up(5)
    talk(peers, 5)
    return peers


def talk(peers: Peers, session_id: int) -> None:
    """One signed question and answer."""
    signer = peers.sessions[session_id].signer
    peers.request(Command.ECHO, session_id=session_id, signer=signer)
    peers.answer(Command.ECHO, session_id=session_id, signer=signer)


def spoiled(said: Said, at: int) -> Said:
    """One bit is another one."""
    data = bytearray(said.data)
    data[at] ^= 1
    return said._replace(data=bytes(data))


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2])
@pytest.mark.parametrize("blocks", [1, 8])
def test_what_was_signed_with_the_sessions_key_is_valid(dialect, blocks):
    peers = logged_on(dialect)
    assert verdicts(Observer(*PASSWORDS), peers.said, blocks=blocks) == [UNSIGNED] * 5 + [VALID] * 3


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_3_1_1_signs_with_what_was_negotiated(algorithm):
    peers = logged_on(algorithm=algorithm)
    assert verdicts(Observer(*PASSWORDS), peers.said) == [UNSIGNED] * 5 + [VALID] * 3


@pytest.mark.parametrize("at", [0x08, 0x18, 0x20, 0x28, 0x30, 0x3F, 0x40], ids=hex)
@pytest.mark.parametrize("row", [6, 7])
def test_a_changed_message_is_invalid(at, row):
    """Of its header, its signature or its body."""
    peers = logged_on()
    peers.said[row] = spoiled(peers.said[row], at)
    found = verdicts(Observer(*PASSWORDS), peers.said)
    if at == 0x28:  # it names another session, of which nothing is known
        assert found[row] is NO_KEY
        return
    assert found[row] is INVALID
    assert found[13 - row] is VALID


def test_a_message_signed_with_another_sessions_key_is_invalid():
    peers = logged_on()
    peers.set_up(6, BOB)
    peers.request(Command.ECHO, session_id=6, signer=peers.sessions[5].signer)
    talk(peers, 6)
    assert verdicts(Observer(*PASSWORDS), peers.said)[-3:] == [INVALID, VALID, VALID]


@pytest.mark.parametrize(
    "secrets", [(), (Credential("alice", None, "x"),), (SessionKey(5, b"not its own key!"),), PASSWORDS[1:]]
)
def test_without_the_key_nothing_is_said(secrets):
    assert verdicts(Observer(*secrets), logged_on().said) == [UNSIGNED] * 5 + [NO_KEY] * 3


def test_without_the_handshake_nothing_is_said():
    peers = logged_on()
    assert verdicts(Observer(*PASSWORDS), peers.said[6:]) == [NO_KEY, NO_KEY]


def test_a_session_key_proves_itself_by_the_first_signed_message_of_mid_stream():
    peers = logged_on(Dialect.SMB_3_0)
    assert verdicts(Observer(SessionKey(5, ALICE.key)), peers.said[6:]) == [VALID, VALID]
    said = [spoiled(peers.said[6], 64), peers.said[7]]
    assert verdicts(Observer(SessionKey(5, ALICE.key)), said) == [NO_KEY, VALID]


def test_guests_and_the_anonymous_do_not_sign():
    peers = Peers()
    peers.negotiate()
    peers.set_up(5, flags=SessionFlags.IS_GUEST)
    peers.request(Command.ECHO, session_id=5)
    peers.answer(Command.ECHO, session_id=5)
    assert verdicts(Observer(*PASSWORDS), peers.said) == [UNSIGNED] * 8


def test_a_message_without_a_session_has_no_key():
    signed = message(Command.ECHO, 1, signer=logged_on().sessions[5].signer)
    assert verdicts(Observer(*PASSWORDS), [Said(0, CLIENT, signed)]) == [NO_KEY]


@pytest.mark.parametrize("there", [64, 67])
def test_a_message_of_which_the_end_is_missing_cannot_be_checked(there):
    peers = logged_on()
    assert verdicts(Observer(*PASSWORDS), peers.said, present={6: there})[6:] == [NO_KEY, VALID]


@pytest.mark.parametrize("position", [-1, 3])
def test_an_encrypted_message_is_not_checked(position):
    peers = logged_on()
    arena, units = place(peers.said)
    messages = plain_messages(arena, units)
    messages.encrypted[:] = True
    before = messages.signature.copy()
    listener = Observer(*PASSWORDS).hear(peers.said)
    verify_signatures(
        arena, units, messages, listener.sessions, listener.tracker.connections, listener.keys,
        np.empty(0, SIGNED_REQUEST),
    )  # fmt: skip
    assert messages.signature[position] == before[position]


# ----------------------------------------------------------------------------------------------- setups and channels


def test_a_re_authentication_is_signed_with_the_first_key():
    peers = logged_on()
    peers.set_up(5, BOB)
    talk(peers, 5)
    assert verdicts(Observer(*PASSWORDS), peers.said) == [UNSIGNED] * 5 + [VALID] * 9


@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_1_1])
@pytest.mark.parametrize("blocks", [1, 7])
def test_each_channel_of_a_session_has_its_own_key(dialect, blocks):
    said: list[Said] = []
    first, second = Peers(said, 0, dialect), Peers(said, 1, dialect)
    first.negotiate()
    first.set_up(5)
    second.negotiate()
    second.set_up(5, replace(ALICE, key=b"key of the bind!"), master=first.sessions[5])
    for peers in (first, second, first, second):
        talk(peers, 5)
    expected = [UNSIGNED] * 5 + [VALID] + [UNSIGNED] * 2 + [VALID] * 4 + [VALID] * 8
    assert verdicts(Observer(*PASSWORDS), said, blocks=blocks) == expected
    wrong = [*said[:12], said[12]._replace(connection=1), said[14]._replace(connection=0)]
    assert verdicts(Observer(*PASSWORDS), wrong)[12:] == [INVALID, INVALID]


def test_a_channel_whose_key_is_not_known_says_nothing():
    said: list[Said] = []
    first, second = Peers(said, 0), Peers(said, 1)
    first.negotiate()
    first.set_up(5)
    second.negotiate()
    second.set_up(5, replace(ALICE, key=b"key of the bind!"), master=first.sessions[5])
    talk(first, 5)
    talk(second, 5)
    found = verdicts(Observer(SessionKey(5, ALICE.key)), said)
    assert found[-4:] == [VALID, VALID, NO_KEY, NO_KEY]
    assert found[11] is NO_KEY  # the last leg of the binding


# ----------------------------------------------------------------------------------------------- echoes


def echoed(request: bytes, status: int, *, signature: bytes | None = None) -> bytes:
    """A failure that sends the request's header back, flag and signature included, as Samba does."""
    answer = bytearray(request[:64] + ErrorResponse().build())
    answer[8:12] = status.to_bytes(4, "little")
    answer[16] |= Flags.SERVER_TO_REDIR
    answer[48:64] = signature or answer[48:64]
    return bytes(answer)


def after_the_end(*, signature: bytes | None = None, between: int = 0) -> list[Said]:
    """A signed request on a session that the server has forgotten, and its answer."""
    peers = logged_on()
    request = peers.request(Command.CREATE, bytes(57), session_id=5, signer=peers.sessions[5].signer)
    for _ in range(between):
        talk(peers, 5)
    data = echoed(request, ntstatus.STATUS_USER_SESSION_DELETED, signature=signature)
    return [*peers.said, Said(0, SERVER, data)]


def test_an_answer_that_only_echoes_the_signature_is_not_signed():
    assert verdicts(Observer(*PASSWORDS), after_the_end())[-2:] == [VALID, NOT_COVERED]


def test_the_request_may_stand_in_the_block_before():
    assert verdicts(Observer(*PASSWORDS), after_the_end(), blocks=10)[-2:] == [VALID, NOT_COVERED]


def test_another_signature_is_invalid_and_no_echo():
    assert verdicts(Observer(*PASSWORDS), after_the_end(signature=b"signed by a fake"))[-2:] == [VALID, INVALID]


def test_the_signature_of_another_message_is_no_echo():
    said = after_the_end()
    other = said[6].data[48:64]
    assert verdicts(Observer(*PASSWORDS), after_the_end(signature=other))[-1] is INVALID


def test_an_echo_on_another_connection_is_none():
    said = after_the_end()
    listener = Observer(*PASSWORDS)
    assert verdicts(listener, [*said[:-1], said[-1]._replace(connection=1)])[-1] is not NOT_COVERED
