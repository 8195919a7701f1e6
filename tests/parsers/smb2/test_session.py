import pytest

from parsers.keys.store import SessionKey
from parsers.smb2.crypto import Cipher, Decryptor, SessionKeys
from parsers.smb2.session import SIGNATURE, TAG, Candidate, Channel, Proof, Session, SmbConnection, TreeConnect
from parsers.smb2.state import Event, State
from tests.parsers.smb2.dialogue import PASSWORDS, Observer, Peers


@pytest.fixture
def session() -> Session:
    return Session(0, 5, SmbConnection(0, (1, 445)))


def test_a_session_begins_unseen_and_unknown(session):
    assert session.state is State.UNSEEN
    assert not session.keys_proved
    unknown = (
        session.is_guest, session.is_anonymous, session.encrypt_data, session.signing_required, session.user_name,
        session.expiration_time, session.creation_time, session.ended_by, session.session_global_id,
    )  # fmt: skip
    assert set(unknown) == {None}


def test_events_lead_from_state_to_state(session):
    for event, state in (
        (Event.SETUP_CONTINUES, State.IN_PROGRESS),
        (Event.SETUP_SUCCEEDS, State.VALID),
        (Event.EXPIRED, State.EXPIRED),
        (Event.SETUP_SUCCEEDS, State.VALID),
    ):
        session.apply(event, 10)
        assert session.state is state
        assert (session.ended_by, session.ended_time) == (None, None)


def test_how_a_session_ended_is_what_came_first(session):
    session.apply(Event.LOGGED_OFF, 20, "logoff by the client")
    session.apply(Event.TRANSPORT_LOST, 30, "connection closed (client FIN)")
    assert (session.ended_by, session.ended_time) == ("logoff by the client", 20)


def test_what_came_first_may_be_told_last(session):
    """An encrypted LOGOFF is read after the plain SESSION_SETUP that follows it in the same block."""
    session.apply(Event.SETUP_FAILS, 30, "re-authentication refused (STATUS_USER_SESSION_DELETED)")
    session.apply(Event.LOGGED_OFF, 20, "logoff by the client")
    assert (session.ended_by, session.ended_time) == ("logoff by the client", 20)


def test_a_status_on_a_session_that_is_gone_does_not_say_how_it_ended(session):
    session.apply(Event.LOGGED_OFF, 20, "logoff by the client")
    session.apply(Event.EXPIRED, 10)
    assert (session.state, session.ended_by, session.ended_time) == (State.REMOVED, "logoff by the client", 20)


def test_a_session_that_is_set_up_again_has_not_ended(session):
    session.apply(Event.SETUP_FAILS, 20, "re-authentication refused (STATUS_REQUEST_NOT_ACCEPTED)")
    session.apply(Event.SETUP_SUCCEEDS, 30)
    assert (session.state, session.ended_by, session.ended_time) == (State.VALID, None, None)


@pytest.mark.parametrize(
    ("share_flags", "encrypt"), [(None, None), (0, False), (0x7FFF, False), (0x8000, True), (0x8030, True)]
)
def test_a_share_says_whether_it_wants_encryption(session, share_flags, encrypt):
    """SMB2_SHAREFLAG_ENCRYPT_DATA (MS-SMB2 2.2.10)."""
    assert TreeConnect(1, session, share_flags=share_flags).encrypt_data is encrypt


def test_a_proof_is_noted_once(session):
    first, second = SessionKey(5, bytes(16)), SessionKey(5, bytes(16))
    for source, how in ((first, SIGNATURE), (first, TAG), (first, SIGNATURE), (second, SIGNATURE)):
        session.prove(source, how)
    assert [(proof.source is first, proof.how) for proof in session.proofs] == [
        (True, SIGNATURE),
        (True, TAG),
        (False, SIGNATURE),
    ]


@pytest.mark.parametrize(
    ("cipher", "key", "mechanism", "proof", "half"),
    [
        (Cipher.AES_256_CCM, bytes(16), "Kerberos", None, True),
        (Cipher.AES_256_GCM, bytes(16), None, None, True),
        (Cipher.AES_256_GCM, bytes(32), "Kerberos", None, False),
        (Cipher.AES_256_GCM, bytes(16), "NTLMv2", None, False),
        (Cipher.AES_128_GCM, bytes(16), "Kerberos", None, False),
        (None, bytes(16), "Kerberos", None, False),
        (Cipher.AES_256_GCM, bytes(16), "Kerberos", "authenticator", False),
        (Cipher.AES_256_GCM, None, "Kerberos", None, False),
    ],
)
def test_a_key_that_only_signs_may_be_half_of_one(session, cipher, key, mechanism, proof, half):
    """Kerberos gives 32 bytes with AES-256, and fewer with other encryption types; NTLM always 16."""
    session.cipher, session.mechanism = cipher, mechanism
    assert not session.has_half_key
    session.adopted = Candidate(SessionKeys(b"", b""), "file", (), (), key, proof=proof)
    assert session.has_half_key is half
    session.decryptors[1] = Decryptor(cipher=Cipher.AES_128_GCM, key=bytes(16))
    assert not session.has_half_key


def test_no_secret_shows():
    secret = b"0123456789abcdef"
    keys = SessionKeys(secret, secret, secret, secret)
    peers = Peers()
    peers.negotiate()
    peers.set_up(5)
    session = Observer(*PASSWORDS, SessionKey(5, secret)).hear(peers.said).sessions[0]
    assert session.keys_proved
    shown = repr(session) + repr(session.channel_list)
    shown += repr(Candidate(keys, "file", (Cipher.AES_128_GCM,), (), secret)) + repr(keys)
    shown += repr(Channel(session.connection, None, secret)) + repr(Proof(SessionKey(5, secret), SIGNATURE))
    real = peers.sessions[5]
    for key in (secret, real.session_key, real.keys.signing, real.keys.client_to_server, real.keys.application):
        assert repr(key)[2:-1] not in shown
        assert key.hex() not in shown
