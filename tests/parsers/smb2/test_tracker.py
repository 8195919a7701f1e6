"""Dialogues of client and server, as a listener without their keys makes sessions of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.keys.store import Credential
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, parse_header
from parsers.smb2.session import Session
from parsers.smb2.session_setup import SessionFlags
from parsers.smb2.state import State
from parsers.smb2.tracker import SessionTracker
from tests.parsers.smb2.dialogue import (
    ALICE,
    BOB,
    CLIENT,
    PASSWORDS,
    RELATED,
    SERVER,
    Observer,
    Peers,
    Said,
    message,
)

DIALECTS = (Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2, Dialect.SMB_3_1_1)
VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())


def logged_on(dialect: int = Dialect.SMB_3_1_1, **options: object) -> Peers:
    """Alice's session 5 on a connection of its own."""
    peers = Peers(dialect=dialect, **options)
    peers.negotiate()
    peers.set_up(5)
    return peers


def only_session(peers: Peers) -> Session:
    """The session that a listener with all passwords makes of it."""
    sessions = Observer(*PASSWORDS).hear(peers.said).sessions
    assert len(sessions) == 1
    return sessions[0]


# ----------------------------------------------------------------------------------------------- first authentication


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_logon_is_followed_from_negotiation_to_keys(dialect):
    peers = logged_on(dialect)
    session = only_session(peers)
    ends = peers.sessions[5]
    assert (session.session_id, session.state, session.dialect) == (5, State.VALID, dialect)
    assert (session.user_name, session.mechanism) == ("alice", "NTLMv2")
    assert session.security_context is not None
    assert session.security_context.workstation == "DESK"
    assert (session.session_key, session.full_session_key) == (ALICE.key, ALICE.key)
    assert session.signing_key == ends.keys.signing
    assert session.decryption_key == ends.keys.client_to_server
    assert session.encryption_key == ends.keys.server_to_client
    assert session.application_key == ends.keys.application
    assert session.keys_proved
    assert session.complaints == []
    assert (session.is_guest, session.is_anonymous, session.encrypt_data) == (False, False, False)
    assert (session.creation_time, session.first_frame) == (3000, 4)
    assert [channel.bound for channel in session.channel_list] == [6000]


@pytest.mark.parametrize(
    ("dialect", "cipher", "algorithm"),
    [
        (Dialect.SMB_2_1, None, None),
        (Dialect.SMB_3_0, Cipher.AES_128_CCM, SigningAlgorithm.AES_CMAC),
        (Dialect.SMB_3_0_2, Cipher.AES_128_CCM, SigningAlgorithm.AES_CMAC),
    ],
)
def test_the_dialect_decides_on_the_cipher_before_3_1_1(dialect, cipher, algorithm):
    session = only_session(logged_on(dialect))
    assert session.cipher == cipher
    assert algorithm is None or session.signing_algorithm == algorithm


@pytest.mark.parametrize("cipher", [Cipher.AES_128_CCM, Cipher.AES_128_GCM, Cipher.AES_256_CCM, Cipher.AES_256_GCM])
@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_in_3_1_1_they_are_negotiated(cipher, algorithm):
    peers = logged_on(cipher=cipher, algorithm=algorithm)
    session = only_session(peers)
    assert (session.cipher, session.signing_algorithm) == (cipher, algorithm)
    assert session.decryption_key == peers.sessions[5].keys.client_to_server
    assert session.preauth_integrity_hash_value is not None


def test_a_common_cipher_may_not_exist():
    """Cipher 0 in the response (MS-SMB2 3.3.5.4)."""
    session = only_session(logged_on(cipher=None))
    assert session.cipher is None
    assert session.signing_key is not None
    assert session.decryption_key is None


@pytest.mark.parametrize("flags", [SessionFlags.IS_GUEST, SessionFlags.IS_NULL, SessionFlags.ENCRYPT_DATA])
def test_the_session_flags_are_noted(flags):
    peers = Peers()
    peers.negotiate()
    peers.set_up(5, flags=flags)
    session = only_session(peers)
    assert session.is_guest is (flags == SessionFlags.IS_GUEST)
    assert session.is_anonymous is (flags == SessionFlags.IS_NULL)
    assert session.encrypt_data is (flags == SessionFlags.ENCRYPT_DATA)


@pytest.mark.parametrize(
    ("required", "flags", "expected"),
    [
        (True, SessionFlags(0), True),
        (False, SessionFlags(0), False),
        (True, SessionFlags.IS_GUEST, False),
        (True, SessionFlags.IS_NULL, False),
    ],
)
def test_signing_is_required_of_users_only(required, flags, expected):
    """MS-SMB2 3.3.5.5.3."""
    peers = Peers()
    peers.negotiate(signing_required=required)
    peers.set_up(5, flags=flags)
    assert only_session(peers).signing_required is expected


def test_each_of_several_sessions_has_its_own_keys():
    """The preauthentication hash of a session begins with that of the connection (MS-SMB2 3.3.5.5)."""
    peers = logged_on()
    peers.set_up(6, BOB)
    first, second = Observer(*PASSWORDS).hear(peers.said).sessions
    assert (first.user_name, second.user_name) == ("alice", "bob")
    assert first.keys_proved
    assert second.keys_proved
    assert second.session_key == BOB.key


def test_legs_of_two_logons_may_alternate():
    one = logged_on()
    other = Peers(preauth=one.preauth, message_id=10)  # speaks on the same connection, behind its NEGOTIATE
    other.set_up(6, BOB)
    mixed = [*one.said[:2], *(said for pair in zip(one.said[2:], other.said, strict=True) for said in pair)]
    first, second = Observer(*PASSWORDS).hear(mixed).sessions
    assert (first.user_name, first.keys_proved) == ("alice", True)
    assert (second.user_name, second.keys_proved) == ("bob", True)


def test_an_interim_response_does_not_disturb_a_logon():
    peers = logged_on()
    pending = message(
        Command.SESSION_SETUP, 1, bytes(9), answer=True, status=ntstatus.STATUS_PENDING, async_id=77, session_id=0
    )
    said = [*peers.said[:3], Said(0, SERVER, pending), *peers.said[3:]]
    session = Observer(*PASSWORDS).hear(said).sessions[0]
    assert session.keys_proved
    assert session.state is State.VALID


# ----------------------------------------------------------------------------------------------- published handshakes


def vector_dialogue(name: str, number: int) -> list[Said]:
    """A published handshake: NEGOTIATE, then two legs of SESSION_SETUP."""
    vector = VECTORS[name]
    data = [bytes.fromhex(text) for text in (vector["neg_req"], vector["neg_rsp"], *vector["ss"])]
    return [Said(number, place % 2, one) for place, one in enumerate(data)]


@pytest.mark.parametrize("name", ["A1", "B"])
def test_published_handshakes_give_the_published_keys(name):
    vector = VECTORS[name]
    listener = Observer(credential(vector["ntlm"]))
    listener.hear(vector_dialogue(name, 0)[:2])
    assert listener.connection().preauth_integrity_hash_value == bytes.fromhex(vector["hashes"]["neg_rsp"])
    listener = Observer(credential(vector["ntlm"])).hear(vector_dialogue(name, 0))
    session = listener.sessions[0]
    assert session.keys_proved
    found = {
        "session_key": session.session_key,
        "signing_key": session.signing_key,
        "c2s_key": session.decryption_key,
        "s2c_key": session.encryption_key,
        "app_key": session.application_key,
    }
    assert {key: value.hex().upper() for key, value in found.items()} == {key: vector[key] for key in found}
    assert session.preauth_integrity_hash_value == bytes.fromhex(vector["hashes"]["ss2"])
    assert (session.user_name, session.cipher) == ("administrator", Cipher.AES_128_GCM)


def test_the_published_binding_gives_the_published_signing_key():
    listener = Observer(credential(VECTORS["A1"]["ntlm"]))
    listener.hear(vector_dialogue("A1", 0)).hear(vector_dialogue("A2", 1))
    (session,) = listener.sessions
    first, second = session.channel_list
    assert (first.connection.number, second.connection.number) == (0, 1)
    assert second.signing_key == bytes.fromhex(VECTORS["A2"]["signing_key"])
    assert session.signing_key == bytes.fromhex(VECTORS["A1"]["signing_key"])
    assert session.session_key == bytes.fromhex(VECTORS["A1"]["session_key"])
    assert session.reauthentications == 0


def credential(ntlm: dict[str, str]) -> Credential:
    """The account of a published handshake."""
    return Credential(ntlm["user"], ntlm["domain"], ntlm["password"])


# ----------------------------------------------------------------------------------------------- again and elsewhere


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_re_authentication_keeps_the_keys(dialect):
    """MS-SMB2 3.3.5.5.3: the session key is set once."""
    peers = logged_on(dialect)
    before = only_session(peers)
    peers.set_up(5, BOB)
    session = only_session(peers)
    assert (session.state, session.reauthentications) == (State.VALID, 1)
    assert session.session_key == before.session_key == ALICE.key
    assert session.signing_key == before.signing_key
    assert session.decryption_key == before.decryption_key
    assert session.user_name == "alice"
    assert session.creation_time == before.creation_time
    assert len(session.channel_list) == 1


def test_a_re_authentication_leaves_a_valid_session_valid_while_it_runs():
    peers = logged_on()
    peers.set_up(5)
    assert [said_state(peers, length) for length in (6, 8, 9, 10)] == [State.VALID] * 4


def test_an_expired_session_is_in_progress_while_it_re_authenticates():
    peers = logged_on()
    peers.request(Command.CREATE, session_id=5)
    expired = len(peers.said) + 1
    peers.answer(Command.CREATE, status=ntstatus.STATUS_NETWORK_SESSION_EXPIRED, session_id=5)
    peers.set_up(5)
    listener = Observer(*PASSWORDS).hear(peers.said[: expired - 1])
    session = listener.sessions[0]
    listener.tracker.note_status(
        listener.connection(), session, ntstatus.STATUS_NETWORK_SESSION_EXPIRED, 1000 * expired
    )
    assert session.state is State.EXPIRED
    listener.hear(peers.said[expired : expired + 2])
    assert session.state is State.IN_PROGRESS
    listener.hear(peers.said[expired + 2 :])
    assert session.state is State.VALID
    assert session.reauthentications == 1


def said_state(peers: Peers, length: int) -> State:
    """The state of the only session after the first `length` messages."""
    return Observer(*PASSWORDS).hear(peers.said[:length]).sessions[0].state


@pytest.mark.parametrize("again", [False, True])
def test_a_failed_authentication_removes_the_session(again):
    """MS-SMB2 3.3.5.5.3: a failed re-authentication destroys the session too."""
    peers = Peers()
    peers.negotiate()
    if again:
        peers.set_up(5)
    peers.set_up(5, BOB, status=ntstatus.STATUS_LOGON_FAILURE)
    session = only_session(peers)
    what = "re-authentication" if again else "logon"
    assert session.state is State.REMOVED
    assert session.ended_by == f"{what} refused (STATUS_LOGON_FAILURE)"
    assert session.ended_time == 1000 * len(peers.said)
    assert session.user_name == ("alice" if again else "bob")
    assert session.keys_proved is again


@pytest.mark.parametrize("status", ["REQUEST_NOT_ACCEPTED", "ACCESS_DENIED", "INVALID_PARAMETER"])
def test_a_re_authentication_that_is_turned_away_unread_leaves_the_session(status):
    """MS-SMB2 3.3.5.5: what was never authenticated cannot have failed to authenticate."""
    peers = Peers()
    peers.negotiate()
    peers.set_up(5)
    peers.set_up(5, BOB, status=getattr(ntstatus, f"STATUS_{status}"))
    session = only_session(peers)
    assert (session.state, session.ended_by, session.reauthentications) == (State.VALID, None, 0)


def test_a_refusal_of_the_first_leg_is_no_session():
    peers = Peers()
    peers.negotiate()
    peers.request(Command.SESSION_SETUP, first_leg())
    peers.answer(Command.SESSION_SETUP, status=ntstatus.STATUS_LOGON_FAILURE)
    assert Observer(*PASSWORDS).hear(peers.said).sessions == []


def first_leg() -> bytes:
    """The body of some first SESSION_SETUP request."""
    peers = Peers()
    peers.set_up(9)
    return peers.said[0].data[64:]


@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_1_1])
def test_a_second_connection_is_bound_with_a_signing_key_of_its_own(dialect):
    said: list[Said] = []
    first = Peers(said, 0, dialect)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1, dialect)
    second.negotiate()
    second.set_up(5, ALICE, master=first.sessions[5])
    listener = Observer(*PASSWORDS).hear(said)
    (session,) = listener.sessions
    assert [channel.connection.number for channel in session.channel_list] == [0, 1]
    assert session.channel_list[1].signing_key == second.sessions[5].keys.signing
    assert session.channel_list[1].bound == 1000 * len(said)
    assert session.signing_key == first.sessions[5].keys.signing
    assert session.state is State.VALID
    assert listener.tracker.session_of(listener.connection(1), 5, len(said)) is session


def test_a_refused_binding_changes_nothing():
    said: list[Said] = []
    first = Peers(said, 0)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1)
    second.negotiate()
    second.set_up(5, BOB, master=first.sessions[5], status=ntstatus.STATUS_NOT_SUPPORTED)
    (session,) = Observer(*PASSWORDS).hear(said).sessions
    assert session.state is State.VALID
    assert len(session.channel_list) == 1
    assert session.user_name == "alice"


def test_a_setup_that_is_refused_where_the_session_is_not_leaves_it():
    """MS-SMB2 3.3.5.5: without BINDING, a connection knows only the sessions that were set up on it."""
    said: list[Said] = []
    first = Peers(said, 0)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1)
    second.negotiate()
    second.request(Command.SESSION_SETUP, first_leg(), session_id=5)
    second.answer(Command.SESSION_SETUP, status=ntstatus.STATUS_USER_SESSION_DELETED, session_id=5)
    (session,) = Observer(*PASSWORDS).hear(said).sessions
    assert (session.state, session.ended_by) == (State.VALID, None)


def test_every_authentication_has_its_own_identity():
    peers = logged_on()
    peers.set_up(5, BOB)
    identities = only_session(peers).identities
    assert [identity.who.user for identity in identities] == ["alice", "bob"]
    assert [identity.started for identity in identities] == [3000, 7000]
    assert {identity.mechanism for identity in identities} == {"NTLMv2"}


def test_a_binding_to_a_session_of_another_server_is_another_session():
    said: list[Said] = []
    first = Peers(said, 0)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1, guid=b"another server's")
    second.negotiate()
    second.set_up(5, ALICE, master=first.sessions[5])
    sessions = Observer(*PASSWORDS).hear(said).sessions
    assert [session.connection.number for session in sessions] == [0, 1]
    assert len(sessions[0].channel_list) == 1


def test_a_client_that_comes_back_replaces_its_session():
    """PreviousSessionId (MS-SMB2 3.3.5.5.3)."""
    said: list[Said] = []
    for number, previous in ((0, 0), (1, 5)):
        peers = Peers(said, number)
        peers.negotiate()
        peers.set_up(5 + number, previous=previous)
    old, new = Observer(*PASSWORDS).hear(said).sessions
    assert old.state is State.REMOVED
    assert old.ended_by == "replaced by session 0x0000000000000006 (PreviousSessionId)"
    assert old.ended_time == 1000 * len(said)
    assert (new.state, new.previous_session_id) == (State.VALID, 5)


@pytest.mark.parametrize("previous", [6, 99])
def test_a_previous_session_that_is_none_changes_nothing(previous):
    peers = Peers()
    peers.negotiate()
    peers.set_up(6, previous=previous)
    session = only_session(peers)
    assert session.state is State.VALID


def test_a_refused_logon_replaces_nothing():
    peers = logged_on()
    peers.set_up(6, BOB, previous=5, status=ntstatus.STATUS_LOGON_FAILURE)
    old, _ = Observer(*PASSWORDS).hear(peers.said).sessions
    assert old.state is State.VALID


@pytest.mark.parametrize(("status", "state"), [(0, State.REMOVED), (ntstatus.STATUS_USER_SESSION_DELETED, State.VALID)])
def test_a_logoff_ends_the_session_if_it_succeeds(status, state):
    peers = logged_on()
    peers.request(Command.LOGOFF, session_id=5, signer=peers.sessions[5].signer)
    peers.answer(Command.LOGOFF, status=status, session_id=5)
    session = only_session(peers)
    assert session.state is state
    assert session.ended_by == ("logoff by the client" if state is State.REMOVED else None)


def test_an_id_that_is_given_again_is_another_session():
    peers = logged_on()
    peers.request(Command.LOGOFF, session_id=5)
    peers.answer(Command.LOGOFF, session_id=5)
    del peers.sessions[5]
    peers.set_up(5, BOB)
    listener = Observer(*PASSWORDS).hear(peers.said)
    first, second = listener.sessions
    assert (first.state, second.state) == (State.REMOVED, State.VALID)
    assert (first.user_name, second.user_name) == ("alice", "bob")
    assert second.session_key == BOB.key
    connection = listener.connection()
    assert second.first_frame == 10
    assert [listener.tracker.session_of(connection, 5, frame) for frame in (1, 4, 9, 10, 99)] == [
        first, first, first, second, second
    ]  # fmt: skip
    numbers = listener.tracker.sessions_of(np.zeros(5, np.int64), np.full(5, 5, np.uint64), np.array([1, 4, 9, 10, 99]))
    assert numbers.tolist() == [0, 0, 0, 1, 1]


def test_an_id_given_again_on_another_connection_is_another_session():
    said: list[Said] = []
    for number, logon in enumerate((ALICE, BOB)):
        peers = Peers(said, number)
        peers.negotiate()
        peers.set_up(5, logon)
    first, second = Observer(*PASSWORDS).hear(said).sessions
    assert (first.user_name, second.user_name) == ("alice", "bob")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (ntstatus.STATUS_NETWORK_SESSION_EXPIRED, State.EXPIRED),
        (ntstatus.STATUS_USER_SESSION_DELETED, State.REMOVED),
        (ntstatus.STATUS_ACCESS_DENIED, State.VALID),
        (0, State.VALID),
    ],
)
def test_statuses_tell_of_a_session(status, state):
    listener = Observer(*PASSWORDS).hear(logged_on().said)
    session = listener.sessions[0]
    listener.tracker.note_status(listener.connection(), session, status, 99)
    assert session.state is state
    assert (session.ended_time == 99) is (state is State.REMOVED)


def test_a_connection_that_a_session_was_not_bound_to_does_not_know_it():
    """MS-SMB2 3.3.5.2.9: the answer there says nothing of the session."""
    listener = Observer(*PASSWORDS).hear(logged_on().said)
    (session,) = listener.sessions
    listener.tracker.note_status(listener.connection(1), session, ntstatus.STATUS_USER_SESSION_DELETED, 99)
    assert (session.state, session.ended_by) == (State.VALID, None)


# ----------------------------------------------------------------------------------------------- half of it


def test_a_session_without_a_setup_is_unseen():
    listener = Observer(*PASSWORDS)
    session = listener.tracker.session_of(listener.connection(), 5, 17)
    assert session is not None
    assert (session.state, session.first_frame, session.dialect) == (State.UNSEEN, 17, None)
    assert listener.tracker.session_of(listener.connection(), 5, 18) is session


@pytest.mark.parametrize("session_id", [0, RELATED])
def test_two_ids_never_name_a_session(session_id):
    listener = Observer(*PASSWORDS)
    assert listener.tracker.session_of(listener.connection(), session_id, 1) is None
    assert listener.sessions == []


HALF_HANDSHAKE = "the handshake is not whole in the capture, and 3.1.1 keys depend on all of it: give direction keys"
NO_NEGOTIATE = (
    "NEGOTIATE is not in the capture: a session of SMB 3.1.1 needs its direction keys then, one of an older dialect "
    "its session key or the password of its user"
)


@pytest.mark.parametrize(
    ("missing", "complaints"),
    [
        ({0}, [HALF_HANDSHAKE]),
        ({1}, [NO_NEGOTIATE]),
        ({0, 1}, [NO_NEGOTIATE]),
        ({0, 1, 2, 3}, [NO_NEGOTIATE, r"the challenge to CORPUS\alice is not in the capture"]),
        ({3}, [HALF_HANDSHAKE]),
        ({0, 1, 2, 3, 4}, [NO_NEGOTIATE, "the logon is not whole in the capture"]),
        ({4}, [HALF_HANDSHAKE]),
    ],
)
def test_a_setup_that_was_seen_half_is_valid_and_complains(missing, complaints):
    peers = logged_on()
    half = [said for place, said in enumerate(peers.said) if place not in missing]
    (session,) = Observer(*PASSWORDS).hear(half).sessions
    assert session.state is State.VALID
    assert session.complaints == complaints
    assert not session.keys_proved
    assert session.signing_key is None


def test_a_setup_whose_first_request_is_missing_gives_no_key_that_is_believed():
    """The hash is another one then, so the derived keys are wrong: the signature shows it."""
    peers = logged_on()
    (session,) = Observer(*PASSWORDS).hear(peers.said[:2] + peers.said[3:]).sessions
    assert session.state is State.VALID
    assert not session.keys_proved
    assert session.decryption_key is None


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_0])
def test_older_dialects_do_not_need_the_whole_handshake(dialect):
    """Their keys depend on the session key alone."""
    peers = logged_on(dialect)
    (session,) = Observer(*PASSWORDS).hear(peers.said[1:2] + peers.said[3:]).sessions
    assert session.keys_proved
    assert session.signing_key == peers.sessions[5].keys.signing


def test_a_setup_without_its_end_stays_in_progress():
    (session,) = Observer(*PASSWORDS).hear(logged_on().said[:5]).sessions
    assert session.state is State.IN_PROGRESS
    assert session.user_name is None


# ----------------------------------------------------------------------------------------------- negotiation


def test_a_failed_negotiation_decides_nothing():
    peers = Peers()
    peers.negotiate()
    peers.said.pop()
    peers.answer(Command.NEGOTIATE, status=ntstatus.STATUS_NOT_SUPPORTED)
    listener = Observer().hear(peers.said)
    assert listener.connection().dialect is None
    assert listener.connection().negotiate_request is not None
    assert listener.connection().negotiate_response is None


def test_after_a_multi_protocol_negotiation_only_the_second_pair_is_hashed():
    """The wildcard answer to an SMB1 NEGOTIATE stands before it (MS-SMB2 3.3.5.3.1, 3.3.5.4)."""
    peers = logged_on()
    wildcard = Peers(dialect=Dialect.WILDCARD)
    wildcard.negotiate()
    (session,) = Observer(*PASSWORDS).hear([wildcard.said[1], *peers.said]).sessions
    assert session.connection.multi_protocol
    assert session.dialect == Dialect.SMB_3_1_1
    assert session.keys_proved


# ----------------------------------------------------------------------------------------------- trees


def test_tree_connects_are_noted_with_their_share():
    peers = logged_on()
    peers.connect_tree(5, 7, r"\\server\data")
    peers.request(Command.TREE_DISCONNECT, session_id=5, tree_id=7)
    peers.answer(Command.TREE_DISCONNECT, session_id=5, tree_id=7)
    peers.connect_tree(5, 7, r"\\server\more")
    listener = Observer(*PASSWORDS).hear(peers.said)
    (session,) = listener.sessions
    first, second = session.tree_connect_table
    assert listener.tracker.trees == [first, second]
    assert (first.tree_id, first.path, first.connected, first.disconnected) == (7, r"\\server\data", 8000, 10_000)
    assert (second.path, second.connected, second.disconnected) == (r"\\server\more", 12_000, None)
    assert (first.share_type, first.encrypt_data, first.maximal_access) == (1, True, 0x001F01FF)
    assert first.session is session


def test_a_refused_tree_connect_is_none():
    peers = logged_on()
    peers.connect_tree(5, 0, status=ntstatus.STATUS_BAD_NETWORK_NAME)
    peers.connect_tree(5, 8)
    (session,) = Observer(*PASSWORDS).hear(peers.said).sessions
    assert [tree.tree_id for tree in session.tree_connect_table] == [8]


def test_a_tree_connect_without_its_request_has_no_path():
    peers = logged_on()
    peers.connect_tree(5, 8)
    (session,) = Observer(*PASSWORDS).hear(peers.said[:-2] + peers.said[-1:]).sessions
    assert [(tree.tree_id, tree.path) for tree in session.tree_connect_table] == [(8, None)]


@pytest.mark.parametrize("status", [ntstatus.STATUS_NETWORK_NAME_DELETED, 0])
def test_a_tree_disconnect_that_fails_or_names_no_tree_ends_none(status):
    peers = logged_on()
    peers.connect_tree(5, 8)
    peers.request(Command.TREE_DISCONNECT, session_id=5)
    peers.answer(Command.TREE_DISCONNECT, status=status, session_id=5, tree_id=9)
    (session,) = Observer(*PASSWORDS).hear(peers.said).sessions
    assert [tree.disconnected for tree in session.tree_connect_table] == [None]


# ----------------------------------------------------------------------------------------------- hostile


def test_only_messages_that_change_state_are_taken():
    taken = {
        (command, answer)
        for command in range(0x20)
        for answer in (False, True)
        if SessionTracker.handles(parse_header(message(command, 1, answer=answer)))
    }
    assert taken == {
        (Command.NEGOTIATE, False), (Command.NEGOTIATE, True), (Command.SESSION_SETUP, False),
        (Command.SESSION_SETUP, True), (Command.LOGOFF, True), (Command.TREE_CONNECT, False),
        (Command.TREE_CONNECT, True), (Command.TREE_DISCONNECT, True),
    }  # fmt: skip


@pytest.mark.parametrize("place", range(8))
def test_a_body_that_cannot_be_read_changes_nothing(place):
    peers = logged_on()
    peers.connect_tree(5, 8)
    said = peers.said[place]
    bad = bytearray(said.data)
    bad[64] ^= 0x80  # StructureSize
    bad[12:14] = said.data[12:14]
    listener = Observer(*PASSWORDS).hear(peers.said[:place])
    with pytest.raises(ParseError):
        listener.hear([Said(0, said.sender, bytes(bad))])
    session = listener.hear(peers.said[place:]).sessions[0]
    assert session.state is State.VALID
    assert session.keys_proved
    assert len(session.tree_connect_table) == 1


def test_unanswered_requests_are_forgotten_in_time():
    listener = Observer()
    first, tree = first_leg(), logged_on()
    tree.connect_tree(5, 1)
    for number in range(5000):
        listener.hear(
            [
                Said(0, CLIENT, message(Command.SESSION_SETUP, number, first)),
                Said(0, CLIENT, message(Command.TREE_CONNECT, number, tree.said[-2].data[64:])),
            ]
        )
    connection = listener.connection()
    assert len(connection.pending_setups) == len(connection.pending_trees) == 4096
    assert 4999 in connection.pending_setups
    assert listener.sessions == []
