"""Which of the secrets that a user gives becomes a session's key, and what is said where none does."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.keys.store import Credential, DirectionKeys, SessionKey
from parsers.smb2.crypto import Cipher, Signer, SigningAlgorithm, derive_keys, encrypt, kdf
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command
from parsers.smb2.session import Session
from parsers.smb2.session_setup import SessionFlags
from parsers.verdicts import Decryption
from tests.parsers.smb2.dialogue import (
    ALICE,
    CLIENT,
    NOBODY,
    PASSWORDS,
    SERVER,
    Ends,
    Logon,
    Observer,
    Peers,
    Said,
    message,
    signed,
)

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())
CIPHERS = (Cipher.AES_128_CCM, Cipher.AES_128_GCM, Cipher.AES_256_CCM, Cipher.AES_256_GCM)
ECHO = message(Command.ECHO, 9, session_id=5)
LONG_KEY = bytes(range(32))
OTHER_KEY = b"not its own key!"


def logged_on(dialect: int = Dialect.SMB_3_1_1, logon: Logon = ALICE, **options: object) -> Peers:
    """Session 5 on a connection of its own."""
    peers = Peers(dialect=dialect, **options)
    peers.negotiate()
    peers.set_up(5, logon)
    return peers


def heard(peers: Peers, *secrets: Credential | SessionKey | DirectionKeys) -> tuple[Observer, Session]:
    """What a listener with these secrets makes of the only session."""
    listener = Observer(*secrets).hear(peers.said)
    (session,) = listener.sessions
    return listener, session


def unseen(*secrets: SessionKey | DirectionKeys) -> tuple[Observer, Session]:
    """Session 5 on a connection of which only the middle was captured."""
    listener = Observer(*secrets)
    session = listener.tracker.session_of(listener.connection(), 5, 1)
    assert session is not None
    return listener, session


def directions(ends: Ends) -> DirectionKeys:
    """Both cipher keys, as a server's log shows them."""
    return DirectionKeys(5, ends.keys.client_to_server, ends.keys.server_to_client)


# ----------------------------------------------------------------------------------------------- session keys


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_1_1])
def test_a_session_key_is_proved_by_the_signature_of_the_last_leg(dialect):
    peers = logged_on(dialect)
    _, session = heard(peers, SessionKey(5, ALICE.key, "from a log"))
    assert session.provenance == "from a log"
    assert session.session_key == ALICE.key
    assert session.signing_key == peers.sessions[5].keys.signing
    assert session.complaints == [r"no credential for CORPUS\alice"]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_session_key_may_have_32_bytes(cipher):
    """Kerberos with AES-256: AES-256 ciphers use all of it, everything else its first half (MS-SMB2 3.3.5.5.3)."""
    peers = Peers(cipher=cipher)
    peers.negotiate()
    peers.set_up(5, replace(ALICE, key=LONG_KEY))
    listener, session = heard(peers, SessionKey(5, LONG_KEY))
    assert (session.session_key, session.full_session_key) == (LONG_KEY[:16], LONG_KEY)
    sealed = memoryview(peers.sealed(CLIENT, 5, ECHO))
    assert listener.keys.prove_by_tag(session, CLIENT, sealed) is not None
    assert session.decryption_key == peers.sessions[5].keys.client_to_server


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_1_1])
def test_a_key_that_does_not_fit_is_not_believed(dialect):
    _, session = heard(logged_on(dialect), SessionKey(5, OTHER_KEY))
    assert not session.keys_proved
    keys = (session.session_key, session.signing_key, session.decryption_key, session.application_key, session.signer)
    assert keys == (None,) * 5


def test_a_key_for_another_session_is_not_tried():
    _, session = heard(logged_on(), SessionKey(6, ALICE.key))
    assert session.candidates == []
    assert not session.keys_proved


def test_of_several_keys_the_right_one_is_found():
    given = [SessionKey(5, OTHER_KEY, "first"), SessionKey(5, ALICE.key, "second"), SessionKey(5, LONG_KEY, "third")]
    _, session = heard(logged_on(), *given)
    assert session.provenance == "second"


def test_a_key_proved_by_a_signature_stays_where_a_tag_proves_it_again():
    peers = logged_on()
    listener, session = heard(peers, *PASSWORDS, directions(peers.sessions[5]))
    first = session.provenance
    sealed = memoryview(peers.sealed(CLIENT, 5, ECHO))
    assert listener.keys.prove_by_tag(session, CLIENT, sealed) is not None
    assert session.provenance == first
    assert session.signing_key == peers.sessions[5].keys.signing


# ----------------------------------------------------------------------------------------------- ways to derive


@pytest.mark.parametrize("cipher", [Cipher.AES_256_CCM, Cipher.AES_256_GCM])
def test_a_signing_key_of_256_bits_is_recognised(cipher):
    """Linux derives it with L = 256 where the cipher is AES-256; that is said with the key."""
    peers = Peers(cipher=cipher)
    peers.negotiate()
    peers.set_up(5)
    last = peers.said.pop()
    _, half = heard(peers, *PASSWORDS)
    authentication = half.connection.authentications[5]
    long = kdf(key=ALICE.key, label=b"SMBSigningKey\x00", context=authentication.preauth_hash, bits=256)[:16]
    signer = Signer(algorithm=peers.algorithm, key=long)
    peers.said.append(Said(0, SERVER, signed(last.data, signer)))
    _, session = heard(peers, *PASSWORDS)
    assert session.signing_key == long
    assert session.provenance is not None
    assert session.provenance.endswith("; signing key derived with L = 256 and cut to 16 bytes")


def test_cipher_keys_from_half_of_the_session_key_are_recognised():
    peers = Peers(cipher=Cipher.AES_256_GCM)
    peers.negotiate()
    peers.set_up(5, replace(ALICE, key=LONG_KEY))
    listener, session = heard(peers, SessionKey(5, LONG_KEY))
    preauth = session.preauth_integrity_hash_value
    keys = derive_keys(dialect=0x0311, session_key=LONG_KEY[:16], preauth_hash=preauth, cipher=Cipher.AES_256_GCM)
    assert keys.client_to_server is not None
    sealed = encrypt(
        cipher=Cipher.AES_256_GCM, key=keys.client_to_server, nonce=bytes(12), session_id=5, plaintext=ECHO
    )
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(sealed)) is not None
    assert session.decryption_key == keys.client_to_server


def test_the_negotiated_signing_algorithm_counts_in_3_1_1_only():
    for algorithm in SigningAlgorithm:
        _, session = heard(logged_on(algorithm=algorithm), *PASSWORDS)
        assert session.signing_algorithm == algorithm
    _, session = heard(logged_on(Dialect.SMB_3_0, algorithm=SigningAlgorithm.HMAC_SHA256), *PASSWORDS)
    assert session.signing_algorithm == SigningAlgorithm.AES_CMAC


def changed_negotiation(kind: int, value: int) -> Peers:
    """A logon for which the server negotiated something that nobody knows."""
    peers = logged_on()
    data = bytearray(peers.said[1].data)
    place = data.index(kind.to_bytes(2, "little") + b"\x04\x00\x00\x00\x00\x00") + 10
    data[place : place + 2] = value.to_bytes(2, "little")
    peers.said[1] = Said(0, SERVER, bytes(data))
    return peers


def test_an_unknown_cipher_is_a_complaint():
    _, session = heard(changed_negotiation(2, 0x99), *PASSWORDS, SessionKey(5, ALICE.key))
    assert session.complaints == ["cipher 0x99 is not supported"] * 2
    assert not session.keys_proved


def test_an_unknown_signing_algorithm_proves_nothing():
    listener, session = heard(changed_negotiation(8, 0x99), *PASSWORDS)
    assert not session.keys_proved
    assert listener.keys.signer(session, session.connection, ECHO) is None


def test_an_unknown_dialect_is_a_complaint():
    peers = logged_on()
    data = bytearray(peers.said[1].data)
    data[68:70] = (0x0399).to_bytes(2, "little")
    peers.said[1] = Said(0, SERVER, bytes(data))
    _, session = heard(peers, *PASSWORDS)
    assert session.complaints == ["no key derivation is known for dialect 0x399"]


# ----------------------------------------------------------------------------------------------- without a handshake


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("sender", [CLIENT, SERVER])
def test_direction_keys_open_what_began_before_the_capture(cipher, sender):
    peers = logged_on(cipher=cipher)
    listener, session = unseen(directions(peers.sessions[5]))
    sealed = memoryview(peers.sealed(sender, 5, ECHO))
    decryptor = listener.keys.prove_by_tag(session, sender, sealed)
    assert decryptor is not None
    assert decryptor.decrypt(sealed) == ECHO
    assert session.decryptors[sender] is decryptor
    assert session.decryptors[1 - sender] is None
    assert session.cipher == cipher
    assert session.keys_proved
    assert session.signing_key is None


def test_direction_keys_serve_a_session_that_was_seen_whole_too():
    peers = logged_on(cipher=Cipher.AES_256_CCM)
    listener, session = heard(peers, directions(peers.sessions[5]))
    assert not session.keys_proved
    assert listener.keys.prove_by_tag(session, SERVER, memoryview(peers.sealed(SERVER, 5, ECHO))) is not None


def test_one_direction_key_opens_one_direction():
    peers = logged_on()
    keys = DirectionKeys(5, server_to_client=peers.sessions[5].keys.server_to_client)
    listener, session = unseen(keys)
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is None
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.NO_KEY
    assert listener.keys.prove_by_tag(session, SERVER, memoryview(peers.sealed(SERVER, 5, ECHO))) is not None


def test_direction_keys_that_are_swapped_do_not_fit():
    peers = logged_on()
    keys = peers.sessions[5].keys
    listener, session = unseen(DirectionKeys(5, keys.server_to_client, keys.client_to_server))
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is None
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.WRONG_KEY


@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_0_2])
def test_a_session_key_opens_3_0_without_its_handshake(dialect):
    peers = logged_on(dialect)
    listener, session = unseen(SessionKey(5, ALICE.key, "from a log"))
    for sender in (CLIENT, SERVER):
        assert listener.keys.prove_by_tag(session, sender, memoryview(peers.sealed(sender, 5, ECHO))) is not None
    assert session.provenance == "from a log"
    assert session.session_key == ALICE.key
    data = message(Command.ECHO, 9, session_id=5, signer=peers.sessions[5].signer)
    signer = listener.keys.signer(session, session.connection, data)
    assert signer is not None
    assert signer.verify(data)


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2])
def test_a_session_key_checks_signatures_without_the_handshake(dialect):
    peers = logged_on(dialect)
    listener, session = unseen(SessionKey(5, ALICE.key))
    data = message(Command.ECHO, 9, session_id=5, signer=peers.sessions[5].signer)
    assert listener.keys.signer(session, session.connection, data) is not None
    assert session.signing_key == peers.sessions[5].keys.signing


def test_a_session_key_of_3_1_1_needs_the_handshake():
    peers = logged_on()
    listener, session = unseen(SessionKey(5, ALICE.key))
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is None
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.NO_HANDSHAKE
    assert not session.keys_proved


def test_a_password_opens_older_dialects_without_the_negotiation():
    for dialect, dropped in ((Dialect.SMB_2_1, 2), (Dialect.SMB_3_0, 2)):
        peers = logged_on(dialect)
        del peers.said[:dropped]
        listener, session = heard(peers, *PASSWORDS)
        assert session.dialect is None
        assert session.keys_proved
        assert session.signing_key == peers.sessions[5].keys.signing
        if dialect == Dialect.SMB_3_0:
            sealed = memoryview(peers.sealed(SERVER, 5, ECHO))
            assert listener.keys.prove_by_tag(session, SERVER, sealed) is not None


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2])
def test_a_session_key_opens_older_dialects_without_the_setup(dialect):
    """The dialect was negotiated in the capture, the logon was before it or is lost."""
    peers = logged_on(dialect)
    listener = Observer(SessionKey(5, ALICE.key)).hear(peers.said[:2])
    session = listener.tracker.session_of(listener.connection(), 5, 9)
    assert session is not None
    assert session.dialect == dialect
    data = message(Command.ECHO, 9, session_id=5, signer=peers.sessions[5].signer)
    assert listener.keys.signer(session, session.connection, data) is not None
    assert session.signing_key == peers.sessions[5].keys.signing
    if dialect != Dialect.SMB_2_1:
        assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is not None


# ----------------------------------------------------------------------------------------------- who proved what


def shown(session: Session) -> list[tuple[object, str]]:
    return [(proof.source, proof.how) for proof in session.proofs]


def test_it_is_known_which_key_was_proved_and_how():
    peers = logged_on()
    given = [SessionKey(5, OTHER_KEY), SessionKey(5, ALICE.key), PASSWORDS[1]]
    listener, session = heard(peers, *given)
    assert shown(session) == [(given[1], "signature")]
    for sender in (CLIENT, SERVER):
        assert listener.keys.prove_by_tag(session, sender, memoryview(peers.sealed(sender, 5, ECHO))) is not None
    assert shown(session) == [(given[1], "signature"), (given[1], "tag")]


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_1_1])
def test_a_password_is_proved_by_the_logon_first(dialect):
    _, session = heard(logged_on(dialect), *PASSWORDS)
    assert shown(session) == [(PASSWORDS[0], "NTProofStr and MIC"), (PASSWORDS[0], "signature")]


def test_a_right_password_is_known_to_be_right_where_its_keys_cannot_be_derived():
    peers = logged_on()
    del peers.said[0]
    _, session = heard(peers, *PASSWORDS)
    assert shown(session) == [(PASSWORDS[0], "NTProofStr and MIC")]
    assert not session.keys_proved


def test_direction_keys_are_proved_by_a_tag():
    peers = logged_on()
    keys = directions(peers.sessions[5])
    listener, session = unseen(keys)
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is not None
    assert shown(session) == [(keys, "tag")]


def test_the_key_of_a_channel_is_proved_on_its_connection():
    given = (SessionKey(5, ALICE.key), SessionKey(5, b"key of the bind!"))
    _, session, _, _ = bound(*given)
    assert shown(session) == [(given[0], "signature"), (given[1], "signature on connection 1")]


# ----------------------------------------------------------------------------------------------- half of a key


def with_long_key(*secrets: SessionKey | DirectionKeys) -> tuple[Peers, Observer, Session]:
    """A session of which the mechanism is not known to be NTLM, as one of Kerberos: its key has 32 bytes."""
    peers = Peers(cipher=Cipher.AES_256_GCM)
    peers.negotiate()
    peers.set_up(5, replace(ALICE, key=LONG_KEY))
    listener, session = heard(peers, *secrets)
    session.mechanism = "Kerberos"
    return peers, listener, session


def test_half_of_a_key_is_wrong_for_aes_256_although_it_signs():
    peers, listener, session = with_long_key(SessionKey(5, LONG_KEY[:16], "half"))
    assert session.provenance == "half"
    assert session.signing_key == peers.sessions[5].keys.signing
    sealed = memoryview(peers.sealed(CLIENT, 5, ECHO))
    assert listener.keys.prove_by_tag(session, CLIENT, sealed) is None
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.WRONG_KEY


def test_the_whole_key_takes_the_place_of_its_half():
    peers, listener, session = with_long_key(SessionKey(5, LONG_KEY[:16], "half"), SessionKey(5, LONG_KEY, "whole"))
    assert session.provenance == "half"
    for sender in (CLIENT, SERVER):
        assert listener.keys.prove_by_tag(session, sender, memoryview(peers.sealed(sender, 5, ECHO))) is not None
    assert (session.provenance, session.full_session_key) == ("whole", LONG_KEY)
    keys = peers.sessions[5].keys
    assert (session.decryption_key, session.encryption_key) == (keys.client_to_server, keys.server_to_client)


def test_direction_keys_take_the_place_of_what_half_a_key_gave():
    peers, listener, session = with_long_key(SessionKey(5, LONG_KEY[:16], "half"))
    session.candidates.clear()
    one = DirectionKeys(5, client_to_server=peers.sessions[5].keys.client_to_server)
    _, other = unseen(one)
    session.candidates += other.candidates
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is not None
    assert (session.decryption_key, session.encryption_key) == (one.client_to_server, None)
    assert session.full_session_key is None


def test_keys_that_one_direction_key_does_not_name_stay():
    """The password gives both; the key that was given opens first."""
    peers = logged_on()
    one = DirectionKeys(5, client_to_server=peers.sessions[5].keys.client_to_server)
    listener, session = heard(peers, *PASSWORDS, one)
    assert listener.keys.prove_by_tag(session, CLIENT, memoryview(peers.sealed(CLIENT, 5, ECHO))) is not None
    assert session.encryption_key == peers.sessions[5].keys.server_to_client


# ----------------------------------------------------------------------------------------------- published keys


@pytest.mark.parametrize("name", ["C", "D"])
def test_published_messages_are_opened_with_published_keys(name):
    """C with its direction keys, D, which is 3.0, with its session key alone."""
    vector = VECTORS[name]
    first = bytes.fromhex(vector["enc"][0]["wire"])
    session_id = int.from_bytes(first[44:52], "little")
    keys = (bytes.fromhex(vector[key]) for key in ("c2s_key", "s2c_key"))
    secret = DirectionKeys(session_id, *keys)
    if name == "D":
        secret = SessionKey(session_id, bytes.fromhex(vector["session_key"]))
    listener = Observer(secret)
    session = listener.tracker.session_of(listener.connection(), session_id, 1)
    assert session is not None
    for sealed in vector["enc"]:
        data = memoryview(bytes.fromhex(sealed["wire"]))
        sender = CLIENT if sealed["dir"] == "c2s" else SERVER
        decryptor = session.decryptors[sender] or listener.keys.prove_by_tag(session, sender, data)
        assert decryptor is not None
        assert decryptor.decrypt(data) == bytes.fromhex(sealed["plain"])
    assert session.cipher == Cipher.AES_128_CCM
    assert session.signing_key == (bytes.fromhex(vector["signing_key"]) if name == "D" else None)


# ----------------------------------------------------------------------------------------------- words and verdicts


def test_a_wrong_password_is_a_complaint_in_words():
    listener, session = heard(logged_on(), Credential("alice", "CORPUS", "wrong"))
    assert session.complaints == [r"wrong password for CORPUS\alice: the client used another one"]
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.WRONG_KEY


@pytest.mark.parametrize(
    ("flags", "logon", "complaints"),
    [
        (
            SessionFlags.IS_NULL,
            NOBODY,
            ["anonymous session: it has no keys", "anonymous logon: there is no session key"],
        ),
        (
            SessionFlags.IS_GUEST,
            Logon("mallory", "x"),
            [
                "guest session: it has no keys",
                r"no credential for CORPUS\mallory; those given are for alice, CORPUS\bob",
            ],
        ),
    ],
)
def test_sessions_of_nobody_say_that_they_have_no_keys(flags, logon, complaints):
    peers = Peers()
    peers.negotiate()
    peers.set_up(5, logon, flags=flags)
    listener, session = heard(peers, *PASSWORDS)
    assert session.complaints == complaints
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.NO_KEY
    assert session.user_name == logon.user


def test_the_user_of_a_re_authentication_is_not_the_sessions():
    peers = logged_on()
    peers.set_up(5, Logon("bob", "x"))
    _, session = heard(peers, *PASSWORDS)
    assert session.user_name == "alice"


def test_without_any_secret_there_is_no_key():
    listener, session = heard(logged_on())
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.NO_KEY
    listener, session = unseen()
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.NO_KEY


def test_secrets_that_need_the_handshake_say_so_where_it_was_not_seen():
    listener = Observer(*PASSWORDS)
    session = listener.tracker.session_of(listener.connection(), 5, 1)
    assert session is not None
    assert listener.keys.verdict_on_failure(session, CLIENT) is Decryption.NO_HANDSHAKE


def test_an_incomplete_message_is_damaged_where_the_key_is_known():
    listener, session = heard(logged_on(), *PASSWORDS)
    assert listener.keys.verdict_without_trying(session, CLIENT) is Decryption.DAMAGED
    listener, session = heard(logged_on())
    assert listener.keys.verdict_without_trying(session, CLIENT) is Decryption.NO_KEY


# ----------------------------------------------------------------------------------------------- channels


def bound(*secrets: Credential | SessionKey) -> tuple[Observer, Session, Peers, Peers]:
    """Alice's session 5 on connection 0, bound to connection 1 with a key of its own."""
    said: list[Said] = []
    first = Peers(said, 0)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1)
    second.negotiate()
    second.set_up(5, replace(ALICE, key=b"key of the bind!"), master=first.sessions[5])
    listener = Observer(*secrets).hear(said)
    return listener, listener.sessions[0], first, second


def test_each_channel_is_signed_with_its_own_key():
    listener, session, first, second = bound(*PASSWORDS)
    for number, peers in enumerate((first, second)):
        data = message(Command.ECHO, 9, session_id=5, signer=peers.sessions[5].signer)
        signer = listener.keys.signer(session, listener.connection(number), data)
        other = listener.keys.signer(session, listener.connection(1 - number), data)
        assert signer is not None
        assert other is not None
        assert signer.verify(data)
        assert not other.verify(data)


def test_a_channel_without_a_key_has_no_signer():
    """The master's key is given, the password that gives the channel's is not."""
    listener, session, _, second = bound(SessionKey(5, ALICE.key))
    assert session.keys_proved
    data = message(Command.ECHO, 9, session_id=5, signer=second.sessions[5].signer)
    assert listener.keys.signer(session, listener.connection(1), data) is None
    assert listener.keys.signer(session, listener.connection(0), data) is session.signer


def test_the_key_of_a_channel_may_be_given():
    listener, session, _, second = bound(SessionKey(5, ALICE.key), SessionKey(5, b"key of the bind!"))
    data = message(Command.ECHO, 9, session_id=5, signer=second.sessions[5].signer)
    signer = listener.keys.signer(session, listener.connection(1), data)
    assert signer is not None
    assert signer.verify(data)


def test_the_legs_of_a_binding_are_signed_with_the_sessions_key_but_for_the_last():
    """MS-SMB2 3.3.4.1.1."""
    listener, session, _, second = bound(*PASSWORDS)
    for _, _, data in [said for said in second.said if said.connection == 1][2:]:
        signers = listener.keys.signers_of_setup(session, listener.connection(1), data)
        assert any(signer.verify(data) for signer in signers)
    success = second.said[-1].data
    assert listener.keys.signers_of_setup(session, listener.connection(1), success) == (session.channel_list[1].signer,)
    forged = signed(success, session.signer)
    signers = listener.keys.signers_of_setup(session, listener.connection(1), forged)
    assert not any(signer.verify(forged) for signer in signers)


def test_a_setup_that_some_unknown_key_has_signed_is_not_judged():
    """The session's own key is not known, and that the channel's does not fit tells nothing."""
    listener, session, _, second = bound(SessionKey(5, b"key of the bind!"))
    (leg, *_) = [said.data for said in second.said if said.connection == 1][2:]
    assert session.channel_list[1].signer is not None
    assert listener.keys.signers_of_setup(session, listener.connection(1), leg) == ()


@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_1_1])
def test_a_binding_to_a_connection_of_which_the_negotiation_was_lost(dialect):
    said: list[Said] = []
    first = Peers(said, 0, dialect)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1, dialect)
    second.negotiate()
    second.set_up(5, ALICE, master=first.sessions[5])
    del said[6]  # the second NEGOTIATE request
    (session,) = Observer(*PASSWORDS).hear(said).sessions
    assert len(session.channel_list) == 2
    assert (session.channel_list[1].signer is None) is (dialect == Dialect.SMB_3_1_1)


def test_a_refused_binding_gives_no_channel():
    said: list[Said] = []
    first = Peers(said, 0)
    first.negotiate()
    first.set_up(5)
    second = Peers(said, 1)
    second.negotiate()
    second.set_up(5, ALICE, master=first.sessions[5], status=ntstatus.STATUS_ACCESS_DENIED)
    (session,) = Observer(*PASSWORDS).hear(said).sessions
    assert len(session.channel_list) == 1
