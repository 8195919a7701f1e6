"""Sessions against the reference server: logons, re-authentication by the rules and against them, channels."""

import random
from dataclasses import replace
from typing import Any

import pytest

from parsers.ntstatus import (
    SEC_E_INVALID_TOKEN,
    STATUS_ACCESS_DENIED,
    STATUS_CONNECTION_DISCONNECTED,
    STATUS_LOGON_FAILURE,
    STATUS_MORE_PROCESSING_REQUIRED,
    STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_USER_SESSION_DELETED,
)
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags, parse_header
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from parsers.times import NANOSECONDS
from refserver.client.config import ALL_DIALECTS, ClientConfig
from refserver.client.state import Deviation
from refserver.gss.kerberos_initiator import KerberosCredential
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.gss.tickets import ClientTicket, mint
from refserver.server.config import ServerConfig
from tests.refserver.client.pair import ALICE, SERVICE, Pair, log_on
from tests.refserver.client.peer import Peer

NOBODY = NtlmCredential()
STRANGER = NtlmCredential("stranger", "X", "?")


def kerberos(lifetime: int = 3600) -> KerberosCredential:
    numbers = random.Random(4)

    def ticket(now: int) -> ClientTicket:
        end = now + lifetime * NANOSECONDS
        return mint(SERVICE, client="alice", authtime=now, endtime=end, random=numbers.randbytes)

    return KerberosCredential(ticket)


def setups(pair: Pair, since: int = 0) -> list[tuple[Any, SessionSetupRequest]]:
    """Header and body of every plain SESSION_SETUP request."""
    plain = [unit for unit in pair.requests(since) if unit[:4] == b"\xfeSMB"]
    found = [(parse_header(unit), memoryview(unit)) for unit in plain]
    return [
        (header, SessionSetupRequest.parse(unit)) for header, unit in found if header.command == Command.SESSION_SETUP
    ]


# ----------------------------------------------------------------------------------------------- the first logon


@pytest.mark.parametrize("credential", [ALICE, kerberos()], ids=["NTLM", "Kerberos"])
@pytest.mark.parametrize("dialect", ALL_DIALECTS, ids=lambda dialect: dialect.display)
def test_both_sides_have_the_same_keys(dialect: Dialect, credential: Any) -> None:
    pair = Pair(ServerConfig(keytab=(SERVICE,)))
    client = pair.connect(ClientConfig(dialects=(dialect,)))
    pair.finish(client.negotiate())
    session = pair.finish(client.session_setup(credential))
    theirs = pair.server.global_session_table[session.session_id]
    assert session.keys is not None
    assert theirs.signing_key == session.keys.signing
    assert theirs.application_key == session.keys.application
    if dialect >= Dialect.SMB_3_0:
        assert theirs.decryption_key == session.keys.client_to_server
        assert theirs.encryption_key == session.keys.server_to_client
    assert client.faults == []


@pytest.mark.parametrize("cipher", [Cipher.AES_128_GCM, Cipher.AES_256_GCM])
def test_a_long_kerberos_key_counts_in_full_for_long_ciphers_only(cipher: Cipher) -> None:
    pair = Pair(ServerConfig(keytab=(SERVICE,)))
    client = pair.connect(ClientConfig(ciphers=(cipher,), encrypt=True))
    session, _ = pair.run(log_on(client, credential=kerberos()))
    assert len(session.session_key or b"") == 32
    assert len((session.keys and session.keys.client_to_server) or b"") == (16 if cipher == Cipher.AES_128_GCM else 32)


def test_a_first_logon_is_neither_signed_nor_encrypted_and_keeps_to_the_rules(pair: Pair) -> None:
    client = pair.connect(ClientConfig(require_signing=True, encrypt=True))
    pair.run(log_on(client))
    first, second = setups(pair)
    assert (first[0].session_id, first[0].flags) == (0, 0)
    assert second[0].session_id == next(iter(pair.server.global_session_table))
    for _, body in (first, second):
        assert (body.flags, body.previous_session_id) == (SessionSetupFlags(0), 0)
        assert (body.security_mode, body.capabilities) == (SecurityMode.SIGNING_REQUIRED, GlobalCapabilities.DFS)


def test_a_wrong_password_is_refused_and_leaves_no_session(pair: Pair) -> None:
    client = pair.connect()
    pair.finish(client.negotiate())
    assert pair.settle(client.session_setup(replace(ALICE, password="wrong"))) == STATUS_LOGON_FAILURE
    assert client.sessions == {}
    pair.finish(client.session_setup(ALICE))


def test_guests_and_nobody_have_no_keys() -> None:
    pair = Pair(ServerConfig(guest=True, anonymous=True))
    client = pair.connect()
    pair.finish(client.negotiate())
    guest = pair.finish(client.session_setup(STRANGER))
    assert (guest.is_guest, guest.is_anonymous, guest.keys) == (True, False, None)
    nobody = pair.finish(client.session_setup(NOBODY))
    assert (nobody.is_guest, nobody.is_anonymous, nobody.keys) == (False, True, None)


@pytest.mark.parametrize("config", [ClientConfig(reject_guest=True), ClientConfig(require_signing=True)])
def test_a_client_that_wants_signatures_is_nobodys_guest(config: ClientConfig) -> None:
    pair = Pair(ServerConfig(guest=True))
    client = pair.connect(config)
    pair.finish(client.negotiate())
    assert pair.settle(client.session_setup(STRANGER)) == STATUS_ACCESS_DENIED
    assert client.closed


def test_signing_is_required_where_either_side_wants_it() -> None:
    pair = Pair(ServerConfig(require_message_signing=True))
    session, _ = pair.run(log_on(pair.connect()))
    assert session.signing_required


def test_a_server_may_want_everything_encrypted() -> None:
    pair = Pair(ServerConfig(encrypt_data=True))
    session, _ = pair.run(log_on(pair.connect()))
    assert session.encrypt_data
    assert pair.sent[-1][1][4:8] == b"\xfdSMB"


def test_the_session_before_is_named(pair: Pair) -> None:
    first, second = pair.connect(), pair.connect()
    session, tree = pair.run(log_on(first))
    pair.finish(second.negotiate())
    since = len(pair.sent)
    pair.finish(second.session_setup(ALICE, previous_session_id=session.session_id))
    assert {body.previous_session_id for _, body in setups(pair, since)} == {session.session_id}
    assert pair.settle(first.create(tree, "")) == STATUS_USER_SESSION_DELETED


def test_fields_of_a_first_logon_may_deviate(pair: Pair) -> None:
    client = pair.connect()
    pair.finish(client.negotiate())
    pair.finish(client.session_setup(ALICE, change=lambda fields: replace(fields, security_mode=SecurityMode(0))))
    assert {body.security_mode for _, body in setups(pair)} == {SecurityMode(0)}


def test_a_client_whose_clock_is_wrong_tries_again_with_the_servers_time() -> None:
    pair = Pair(ServerConfig(keytab=(SERVICE,)))
    client = pair.connect()
    pair.finish(client.negotiate())
    credential = kerberos(7200)
    late = replace_clock(credential, 1000)
    session = pair.finish(client.session_setup(late))
    assert session.keys is not None
    assert len(setups(pair)) == 2


def replace_clock(credential: KerberosCredential, seconds: int) -> Any:
    """The same tickets, and a client whose clock is so many seconds slow."""

    class Slow:
        @staticmethod
        def begin(random: Any, now: int) -> Any:
            return credential.begin(random, now - seconds * NANOSECONDS)

    return Slow


# --------------------------------------------------------------------- answers that no server should give


def answer_setup(peer: Peer, token: bytes, status: int, **options: Any) -> None:
    body = SessionSetupResponse(SessionFlags(0), token).build()
    peer.answer(peer.headers()[-1].message_id, Command.SESSION_SETUP, body, status=status, **options)


def test_a_token_that_cannot_be_read_ends_the_logon() -> None:
    peer = Peer()
    call = peer.client.session_setup(ALICE)
    answer_setup(peer, b"\x01nonsense", STATUS_MORE_PROCESSING_REQUIRED)
    assert call.status == SEC_E_INVALID_TOKEN
    assert "GSS token" in peer.client.faults[0]


@pytest.mark.parametrize("signed", [False, True], ids=["missing", "of another key"])
def test_the_last_answer_of_3_1_1_has_to_be_signed_with_the_new_key(signed: bool) -> None:
    pair = Pair()
    client = pair.connect()
    pair.finish(client.negotiate())
    call = client.session_setup(ALICE)
    heard = client.received

    def tampered(data: bytes, now: int) -> None:
        header = parse_header(data, 4)
        if header.command == Command.SESSION_SETUP and header.status == 0:
            flags = header.flags if signed else header.flags & ~Flags.SIGNED
            data = data[:20] + flags.to_bytes(4, "little") + data[24:52] + bytes(16) + data[68:]
        heard(data, now)

    client.received = tampered  # type: ignore[method-assign]
    assert pair.settle(call) == STATUS_ACCESS_DENIED
    assert client.closed


# ----------------------------------------------------------------------------------------------- re-authentication


@pytest.mark.parametrize("signed", [False, True])
def test_a_reauthentication_keeps_to_the_rules_and_keeps_the_keys(pair: Pair, signed: bool) -> None:
    client = pair.connect(ClientConfig(require_signing=signed))
    session, tree = pair.run(log_on(client))
    keys, since = session.keys, len(pair.sent)
    pair.finish(client.reauthenticate(session))
    for header, body in setups(pair, since):
        assert header.session_id == session.session_id
        assert bool(header.flags & Flags.SIGNED) == signed
        assert (body.flags, body.previous_session_id) == (SessionSetupFlags(0), 0)
        assert body.security_mode == (SecurityMode.SIGNING_REQUIRED if signed else SecurityMode.SIGNING_ENABLED)
        assert body.capabilities == GlobalCapabilities.DFS
    assert len(setups(pair, since)) == 2
    assert session.keys is keys
    pair.finish(client.create(tree, ""))
    assert client.faults == []


def test_the_reauthentication_of_an_encrypted_session_is_encrypted() -> None:
    pair = Pair(ServerConfig(encrypt_data=True))
    client = pair.connect()
    session, _ = pair.run(log_on(client))
    since = len(pair.sent)
    pair.finish(client.reauthenticate(session))
    assert {unit[:4] for unit in pair.requests(since)} == {b"\xfdSMB"}
    since = len(pair.sent)
    pair.settle(client.reauthenticate(session, encrypt=False))
    assert pair.requests(since)[0][:4] == b"\xfeSMB"


Change = Any


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (lambda fields: replace(fields, flags=SessionSetupFlags.BINDING), "flags", SessionSetupFlags.BINDING),
        (lambda fields: replace(fields, previous_session_id=0x99), "previous_session_id", 0x99),
        (lambda fields: replace(fields, security_mode=SecurityMode(0)), "security_mode", SecurityMode(0)),
        (
            lambda fields: replace(fields, capabilities=GlobalCapabilities(0)),
            "capabilities",
            GlobalCapabilities(0),
        ),
    ],
)
def test_every_field_of_a_reauthentication_may_deviate(pair: Pair, change: Change, field: str, value: int) -> None:
    client = pair.connect()
    session, _ = pair.run(log_on(client))
    since = len(pair.sent)
    pair.settle(client.reauthenticate(session, change=change))
    assert {getattr(body, field) for _, body in setups(pair, since)} == {value}


def test_the_session_id_of_a_reauthentication_may_deviate(pair: Pair) -> None:
    client = pair.connect()
    session, _ = pair.run(log_on(client))
    since = len(pair.sent)
    with client.deviating(Deviation(session_id=0x1234)):
        call = client.reauthenticate(session)
    assert pair.settle(call) == STATUS_USER_SESSION_DELETED
    assert [header.session_id for header, _ in setups(pair, since)] == [0x1234]


def test_a_deviation_holds_for_all_requests_of_a_logon(pair: Pair) -> None:
    client = pair.connect(ClientConfig(require_signing=True))
    session, _ = pair.run(log_on(client))
    since = len(pair.sent)
    with client.deviating(Deviation(credits_=77)):
        call = client.reauthenticate(session)
    pair.finish(call)
    assert [header.credits for header, _ in setups(pair, since)] == [77, 77]


def test_a_failed_reauthentication_ends_the_session(pair: Pair) -> None:
    client = pair.connect(ClientConfig(require_signing=True))
    session, tree = pair.run(log_on(client))
    call = client.reauthenticate(session, replace(ALICE, password="wrong"))
    assert pair.settle(call) == STATUS_LOGON_FAILURE
    assert session.ended
    assert pair.settle(client.create(tree, "")) == STATUS_USER_SESSION_DELETED


def test_keys_may_be_taken_from_a_reauthentication_against_the_rules(pair: Pair) -> None:
    client = pair.connect(ClientConfig(require_signing=True))
    session, tree = pair.run(log_on(client))
    keys = session.keys
    pair.finish(client.reauthenticate(session, new_keys=True))
    assert session.keys != keys
    assert pair.server.global_session_table[session.session_id].signing_key == (keys and keys.signing)
    assert pair.settle(client.create(tree, "")) == STATUS_CONNECTION_DISCONNECTED


# ----------------------------------------------------------------------------------------------- channels


@pytest.mark.parametrize("dialect", ALL_DIALECTS[2:], ids=lambda dialect: dialect.display)
def test_a_channel_has_a_key_of_its_own_and_the_session_goes_on_without_the_first(pair: Pair, dialect: Dialect) -> None:
    config = ClientConfig(dialects=(dialect,), require_signing=True)
    first, second = pair.connect(config), pair.connect(config)
    session, tree = pair.run(log_on(first))
    pair.finish(second.negotiate())
    since = len(pair.sent)
    pair.finish(second.bind(session))
    for header, body in setups(pair, since):
        assert header.session_id == session.session_id
        assert header.flags & Flags.SIGNED
        assert (body.flags, body.previous_session_id) == (SessionSetupFlags.BINDING, 0)
    assert set(session.channels) == {first, second}
    opened = pair.finish(second.create(tree, ""))
    pair.drop(first)
    assert set(session.channels) == {second}
    since = len(pair.sent)
    pair.finish(second.close_file(opened))
    assert parse_header(next(iter(pair.requests(since)))).channel_sequence == 1
    assert second.faults == []


def test_a_channel_encrypts_with_the_keys_of_the_session() -> None:
    pair = Pair(ServerConfig(encrypt_data=True))
    first, second = pair.connect(), pair.connect()
    session, tree = pair.run(log_on(first))
    pair.finish(second.negotiate())
    pair.finish(second.bind(session))
    pair.finish(second.create(tree, ""))
    pair.finish(first.create(tree, ""))
    assert pair.sent[-1][1][4:8] == b"\xfdSMB"


def test_a_binding_that_is_refused_leaves_the_session_as_it_was(pair: Pair) -> None:
    client = pair.connect()
    session, tree = pair.run(log_on(client))
    channel = session.channels[client]
    assert pair.settle(client.bind(session)) == STATUS_REQUEST_NOT_ACCEPTED
    assert session.channels == {client: channel}
    pair.finish(client.create(tree, ""))


def test_the_signing_algorithm_is_that_of_the_dialect_where_none_was_agreed_on() -> None:
    for dialect, algorithm in ((Dialect.SMB_2_1, SigningAlgorithm.HMAC_SHA256), (Dialect.SMB_3_0, 1)):
        pair = Pair()
        client = pair.connect(ClientConfig(dialects=(dialect,), require_signing=True))
        pair.run(log_on(client))
        assert client.signing_algorithm is None
        assert client.faults == []
        assert pair.server.connections[1].signing_algorithm_id == algorithm
