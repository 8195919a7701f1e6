"""Encrypted units of dialogues, opened with what the user gave; and the verdicts where they stay closed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from parsers.keys.store import Credential, DirectionKeys, SessionKey
from parsers.smb2.crypto import Cipher
from parsers.smb2.decrypt import LENT, UnitOpener
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command
from parsers.smb2.messages import DECRYPTIONS
from parsers.verdicts import Decryption
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
)

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())
OTHER_KEY = b"not its own key!"


class Row(NamedTuple):
    """One encrypted unit: what came of it."""

    verdict: Decryption
    session: int
    plain: bytes | None


def echo(number: int, size: int = 4) -> bytes:
    """Something to say."""
    return message(Command.ECHO, number, bytes([number % 251]) * size, session_id=5)


def open_units(listener: Observer, said: Sequence[Said], *, present: dict[int, int] | None = None) -> list[Row]:
    """Let the listener hear the plain ones and open the others, as one block."""
    listener.hear(said)
    arena, units = place(said, present=present)
    before, plain = bytes(arena[: sum(len(data) for _, _, data in said)]), int(units.length.sum()) + LENT
    opened = UnitOpener(listener.tracker, listener.keys).open(arena, units, plain)
    assert bytes(arena[: len(before)]) == before  # what was on the wire is as it was
    columns = (opened.verdict, opened.session, opened.start, opened.end)
    rows = []
    for verdict, session, start, end in zip(*(column.tolist() for column in columns), strict=True):
        is_open = DECRYPTIONS[verdict] is Decryption.DECRYPTED
        rows.append(Row(DECRYPTIONS[verdict], session, bytes(arena[start:end]) if is_open else None))
    return rows


def logged_on(dialect: int = Dialect.SMB_3_1_1, **options: object) -> Peers:
    """Session 5 on a connection of its own."""
    peers = Peers(dialect=dialect, **options)
    peers.negotiate()
    peers.set_up(5)
    return peers


def damaged(said: Said, at: int = -1) -> Said:
    """One bit is another one."""
    data = bytearray(said.data)
    data[at] ^= 1
    return said._replace(data=bytes(data))


# ----------------------------------------------------------------------------------------------- opened


@pytest.mark.parametrize("cipher", [Cipher.AES_128_CCM, Cipher.AES_128_GCM, Cipher.AES_256_CCM, Cipher.AES_256_GCM])
@pytest.mark.parametrize("size", [0, 4, 17, 40_000])
def test_both_directions_are_opened(cipher, size):
    peers = logged_on(cipher=cipher)
    texts = [echo(number, size) for number in range(6)]
    for number, text in enumerate(texts):
        peers.sealed(number % 2, 5, text)
    listener = Observer(*PASSWORDS)
    assert open_units(listener, peers.said) == [Row(Decryption.DECRYPTED, 0, text) for text in texts]
    assert (listener.sessions[0].opened, listener.sessions[0].closed) == (6, 0)


def test_the_published_messages_are_opened_after_their_published_handshake():
    vector = VECTORS["B"]
    handshake = [bytes.fromhex(text) for text in (vector["neg_req"], vector["neg_rsp"], *vector["ss"])]
    said = [Said(0, number % 2, data) for number, data in enumerate(handshake)]
    said += [Said(0, CLIENT if one["dir"] == "c2s" else SERVER, bytes.fromhex(one["wire"])) for one in vector["enc"]]
    ntlm = vector["ntlm"]
    rows = open_units(Observer(Credential(ntlm["user"], ntlm["domain"], ntlm["password"])), said)
    assert rows == [Row(Decryption.DECRYPTED, 0, bytes.fromhex(one["plain"])) for one in vector["enc"]]


def test_sessions_and_connections_may_alternate():
    said: list[Said] = []
    peers = [Peers(said, 0), Peers(said, 1, Dialect.SMB_3_0), Peers(said, 2, cipher=Cipher.AES_256_CCM)]
    for number, one in enumerate(peers):
        one.negotiate()
        one.set_up(5 + number, BOB if number else ALICE)
    for number in range(12):
        peers[number % 3].sealed(number // 3 % 2, 5 + number % 3, echo(number, 10 * number))
    rows = open_units(Observer(*PASSWORDS), said)
    assert rows == [Row(Decryption.DECRYPTED, number % 3, echo(number, 10 * number)) for number in range(12)]


def test_what_comes_over_a_second_channel_is_opened_with_the_sessions_keys():
    said: list[Said] = []
    first, second = Peers(said, 0), Peers(said, 1)
    first.negotiate()
    first.set_up(5)
    second.negotiate()
    second.set_up(5, master=first.sessions[5])
    second.sealed(CLIENT, 5, echo(1))
    assert open_units(Observer(*PASSWORDS), said) == [Row(Decryption.DECRYPTED, 0, echo(1))]


def test_a_block_without_encrypted_units_opens_none():
    assert open_units(Observer(*PASSWORDS), logged_on().said) == []
    assert open_units(Observer(*PASSWORDS), []) == []


def test_direction_keys_open_what_began_before_the_capture():
    peers = logged_on()
    keys = peers.sessions[5].keys
    del peers.said[:]
    peers.sealed(SERVER, 5, echo(1))
    peers.sealed(CLIENT, 5, echo(2))
    listener = Observer(DirectionKeys(5, keys.client_to_server, keys.server_to_client))
    assert open_units(listener, peers.said) == [Row(Decryption.DECRYPTED, 0, echo(number)) for number in (1, 2)]


# ----------------------------------------------------------------------------------------------- without SessionId


@pytest.mark.parametrize("session_id", [0, 0xFFFF_FFFF_FFFF_FFFF])
def test_a_unit_without_a_session_is_opened_by_the_key_that_fits(session_id):
    """impacket sends one behind LOGOFF."""
    said: list[Said] = []
    first = Peers(said)
    first.negotiate()
    first.set_up(5)
    first.set_up(6, BOB)
    first.sessions[session_id] = first.sessions[6]
    first.sealed(CLIENT, session_id, echo(1))
    rows = open_units(Observer(*PASSWORDS), said)
    assert rows == [Row(Decryption.DECRYPTED, 1, echo(1))]


@pytest.mark.parametrize(
    "spoil", [damaged, lambda said: said._replace(connection=1)], ids=["damaged", "another connection"]
)
def test_a_unit_without_a_session_whose_key_is_not_found_belongs_to_none(spoil: Callable[[Said], Said]):
    peers = logged_on()
    peers.sessions[0] = peers.sessions[5]
    peers.sealed(CLIENT, 0, echo(1))
    listener = Observer(*PASSWORDS)
    listener.connection(1)
    assert open_units(listener, [*peers.said[:-1], spoil(peers.said[-1])]) == [Row(Decryption.NO_KEY, -1, None)]


# ----------------------------------------------------------------------------------------------- closed


@pytest.mark.parametrize(
    ("secrets", "verdict"),
    [
        ((), Decryption.NO_KEY),
        ((Credential("carol", None, "x"),), Decryption.NO_KEY),
        ((SessionKey(6, OTHER_KEY),), Decryption.NO_KEY),
        ((SessionKey(5, OTHER_KEY),), Decryption.WRONG_KEY),
        ((DirectionKeys(5, OTHER_KEY, OTHER_KEY),), Decryption.WRONG_KEY),
        ((DirectionKeys(5, client_to_server=OTHER_KEY),), Decryption.WRONG_KEY),
        ((DirectionKeys(5, server_to_client=OTHER_KEY),), Decryption.NO_KEY),
        ((Credential("alice", None, "x"),), Decryption.WRONG_KEY),
    ],
)
def test_without_the_right_secret_the_verdict_says_why(secrets, verdict):
    peers = logged_on()
    peers.sealed(CLIENT, 5, echo(1))
    listener = Observer(*secrets)
    assert open_units(listener, peers.said) == [Row(verdict, 0, None)]
    session = listener.sessions[0]
    assert (session.opened, session.closed, session.damaged_frames) == (0, 1, [])
    assert not session.keys_proved


@pytest.mark.parametrize(
    ("secrets", "verdict"),
    [
        ((), Decryption.NO_KEY),
        (PASSWORDS, Decryption.NO_HANDSHAKE),
        ((SessionKey(5, ALICE.key),), Decryption.NO_HANDSHAKE),
        ((SessionKey(6, ALICE.key),), Decryption.NO_HANDSHAKE),
        ((DirectionKeys(5, OTHER_KEY, OTHER_KEY),), Decryption.WRONG_KEY),
    ],
)
def test_in_mid_stream_the_handshake_may_be_what_is_missing(secrets, verdict):
    peers = logged_on()
    peers.sealed(CLIENT, 5, echo(1))
    assert open_units(Observer(*secrets), peers.said[-1:]) == [Row(verdict, 0, None)]


@pytest.mark.parametrize("missing", [0, 1, 3, 4])
def test_without_a_part_of_the_handshake_there_is_no_key(missing):
    peers = logged_on()
    peers.sealed(CLIENT, 5, echo(1))
    del peers.said[missing]
    assert open_units(Observer(*PASSWORDS), peers.said) == [Row(Decryption.NO_HANDSHAKE, 0, None)]


@pytest.mark.parametrize("at", [-1, 5, 20, 52, 44], ids=["text", "tag", "nonce", "first byte", "SessionId"])
@pytest.mark.parametrize("row", [0, 1])
def test_changed_bytes_are_damage_where_the_key_is_proved(at, row):
    """By the signature of the last SESSION_SETUP response: also if no unit before was opened."""
    peers = logged_on()
    for number in range(2):
        peers.sealed(CLIENT, 5, echo(number))
    peers.said[6 + row] = damaged(peers.said[6 + row], at)
    listener = Observer(*PASSWORDS)
    rows = open_units(listener, peers.said)
    assert rows[1 - row] == Row(Decryption.DECRYPTED, 0, echo(1 - row))
    if at == 44:  # it names a session that was never set up
        assert rows[row] == Row(Decryption.NO_HANDSHAKE, 1, None)
        return
    assert rows[row] == Row(Decryption.DAMAGED, 0, None)
    assert listener.sessions[0].damaged_frames == [7 + row]
    assert (listener.sessions[0].opened, listener.sessions[0].closed) == (1, 1)


def test_a_damaged_unit_alone_is_damage_where_a_signature_has_proved_the_key():
    peers = logged_on()
    peers.sealed(CLIENT, 5, echo(1))
    listener = Observer(*PASSWORDS)
    rows = open_units(listener, [*peers.said[:-1], damaged(peers.said[-1])])
    assert rows == [Row(Decryption.DAMAGED, 0, None)]
    assert listener.sessions[0].damaged_frames == [7]


def test_a_key_that_only_a_later_unit_proves_shows_the_damage_of_the_first():
    peers = logged_on()
    keys = peers.sessions[5].keys
    for number in range(3):
        peers.sealed(CLIENT, 5, echo(number))
    said = [damaged(peers.said[6]), *peers.said[7:]]
    rows = open_units(Observer(DirectionKeys(5, keys.client_to_server, keys.server_to_client)), said)
    assert [row.verdict for row in rows] == [Decryption.DAMAGED, Decryption.DECRYPTED, Decryption.DECRYPTED]


def test_many_units_that_no_key_opens_are_closed_alike():
    peers = logged_on()
    for number in range(50):
        peers.sealed(number % 2, 5, echo(number))
    listener = Observer(SessionKey(5, OTHER_KEY))
    assert set(open_units(listener, peers.said)) == {Row(Decryption.WRONG_KEY, 0, None)}
    assert listener.sessions[0].closed == 50


# ----------------------------------------------------------------------------------------------- incomplete


@pytest.mark.parametrize(
    ("secrets", "verdict", "whole"),
    [
        (PASSWORDS, Decryption.DAMAGED, Decryption.DECRYPTED),
        ((), Decryption.NO_KEY, Decryption.NO_KEY),
        ((SessionKey(5, OTHER_KEY),), Decryption.DAMAGED, Decryption.WRONG_KEY),  # says nothing about the key
    ],
)
@pytest.mark.parametrize("there", [52, 100])
def test_a_unit_of_which_the_end_is_missing_is_not_tried(secrets, verdict, whole, there):
    peers = logged_on()
    peers.sealed(CLIENT, 5, echo(1, 100))
    peers.sealed(CLIENT, 5, echo(2))
    rows = open_units(Observer(*secrets), peers.said, present={6: there})
    assert rows[0] == Row(verdict, 0, None)
    assert rows[1].verdict is whole


@pytest.mark.parametrize("session_id", [0, 5])
def test_an_incomplete_unit_alone_proves_no_key(session_id):
    peers = logged_on()
    keys = peers.sessions[5].keys
    peers.sessions[0] = peers.sessions[5]
    peers.sealed(CLIENT, session_id, echo(1, 100))
    listener = Observer(DirectionKeys(5, keys.client_to_server, keys.server_to_client))
    rows = open_units(listener, peers.said, present={6: 150})
    assert rows == [Row(Decryption.DAMAGED if session_id else Decryption.NO_KEY, 0 if session_id else -1, None)]


def test_less_than_a_transform_header_is_no_row():
    peers = logged_on()
    peers.sealed(CLIENT, 5, echo(1))
    assert open_units(Observer(*PASSWORDS), peers.said, present={6: 51}) == []
