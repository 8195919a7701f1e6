"""Kerberos logons: keys, times and refusals (RFC 4120 3.2, MS-KILE 3.1.1.2)."""

from dataclasses import replace

import pytest

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import crypto, token
from parsers.gss.kerberos.messages import ApRep, ApReq, KrbError
from parsers.gss.kerberos.names import ErrorCode, Etype
from parsers.gss.spnego import Mechanism
from parsers.keys.keytab import KeytabEntry
from refserver.errors import StatusError
from refserver.gss.kerberos_acceptor import KerberosAcceptor
from refserver.gss.kerberos_initiator import KerberosInitiator
from refserver.gss.tickets import ClientTicket, mint
from refserver.server.config import ServerConfig

SECOND = 10**9
NOW = 1_700_000_000 * SECOND
HOUR = 3600 * SECOND
ETYPES = (17, 18, 19, 20, 23)


class Counter:
    """Bytes that never come twice."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return bytes([self.count]) * size


def keytab_entry(etype: int = 18, fill: int = 7) -> KeytabEntry:
    return KeytabEntry("cifs/files", "CORP", 3, etype, bytes([fill]) * crypto.key_size(etype), 0, "a test")


def ticket_for(
    entry: KeytabEntry, random: Counter, *, endtime: int = NOW + HOUR, etype: int | None = None
) -> ClientTicket:
    return mint(entry, client="alice", authtime=NOW - HOUR, endtime=endtime, random=random, etype=etype)


def pair(
    etype: int = 18, *, mutual: bool = True, session_etype: int | None = None, endtime: int = NOW + HOUR, at: int = NOW
) -> tuple[KerberosAcceptor, KerberosInitiator]:
    random, entry = Counter(), keytab_entry(etype)
    ticket = ticket_for(entry, random, endtime=endtime, etype=session_etype)
    acceptor = KerberosAcceptor(ServerConfig(keytab=(keytab_entry(etype, 1), entry)), random)
    return acceptor, KerberosInitiator(ticket, random, at, mutual=mutual)


@pytest.mark.parametrize("session_etype", ETYPES)
@pytest.mark.parametrize("etype", ETYPES)
def test_both_sides_have_the_same_key_under_every_encryption_type(etype: int, session_etype: int) -> None:
    acceptor, initiator = pair(etype, session_etype=session_etype)
    assert initiator.step(acceptor.step(initiator.step(b""), NOW)) == b""
    assert acceptor.accepted is not None
    assert acceptor.accepted.session_key == initiator.session_key
    assert len(acceptor.accepted.session_key or b"") == crypto.key_size(session_etype)


def test_the_ticket_says_who_it_is_and_when_that_ends() -> None:
    acceptor, initiator = pair()
    acceptor.step(initiator.step(b""), NOW)
    assert acceptor.accepted is not None
    context = acceptor.accepted.security_context
    assert (context.user, context.domain) == ("alice", "CORP")
    assert acceptor.accepted.expiration == NOW + HOUR


def test_without_mutual_authentication_there_is_no_answer_and_the_clients_key_counts() -> None:
    acceptor, initiator = pair(mutual=False)
    assert acceptor.step(initiator.step(b""), NOW) == b""
    assert acceptor.accepted is not None
    assert acceptor.accepted.session_key == initiator.session_key


def test_an_answer_has_the_mechanism_of_the_question() -> None:
    acceptor, initiator = pair()
    question = token.parse(initiator.step(b""))
    asked = token.build(ApReq.parse(der.parse(question.content)), Mechanism.MS_KERBEROS)
    answer = token.parse(acceptor.step(asked, NOW))
    assert answer.mechanism == Mechanism.MS_KERBEROS
    assert isinstance(answer.message(), ApRep)


@pytest.mark.parametrize(
    ("at", "endtime", "code"),
    [
        (NOW - 301 * SECOND, NOW + HOUR, ErrorCode.KRB_AP_ERR_SKEW),
        (NOW + 301 * SECOND, NOW + HOUR, ErrorCode.KRB_AP_ERR_SKEW),
        (NOW, NOW - 301 * SECOND, ErrorCode.KRB_AP_ERR_TKT_EXPIRED),
    ],
)
def test_times_that_do_not_fit_are_told_and_the_client_may_try_again(at: int, endtime: int, code: ErrorCode) -> None:
    acceptor, initiator = pair(at=at, endtime=endtime)
    error = token.parse(acceptor.step(initiator.step(b""), NOW)).message()
    assert isinstance(error, KrbError)
    assert (error.error_code, error.server_time) == (code, NOW)
    assert acceptor.accepted is None


def test_a_ticket_that_begins_later_is_not_yet_valid() -> None:
    random, entry = Counter(), keytab_entry()
    later = mint(entry, client="alice", authtime=NOW + HOUR, endtime=NOW + 2 * HOUR, random=random)
    acceptor = KerberosAcceptor(ServerConfig(keytab=(entry,)), random)
    answer = token.parse(acceptor.step(KerberosInitiator(later, random, NOW).step(b""), NOW)).message()
    assert isinstance(answer, KrbError)
    assert answer.error_code == ErrorCode.KRB_AP_ERR_TKT_NYV


def test_clocks_may_differ_by_five_minutes() -> None:
    acceptor, initiator = pair(at=NOW - 299 * SECOND, endtime=NOW - 299 * SECOND)
    acceptor.step(initiator.step(b""), NOW)
    assert acceptor.accepted is not None


def status_of(acceptor: KerberosAcceptor, request: bytes) -> int:
    with pytest.raises(StatusError) as error:
        acceptor.step(request, NOW)
    return error.value.status


def test_a_ticket_for_another_key_fails_the_logon() -> None:
    random = Counter()
    ticket = ticket_for(keytab_entry(fill=9), random)
    acceptor = KerberosAcceptor(ServerConfig(keytab=(keytab_entry(),)), random)
    request = KerberosInitiator(ticket, random, NOW).step(b"")
    assert status_of(acceptor, request) == ntstatus.STATUS_LOGON_FAILURE


def test_an_authenticator_of_another_client_or_another_key_fails_the_logon() -> None:
    random, entry = Counter(), keytab_entry()
    ticket = ticket_for(entry, random)
    for wrong in (
        replace(ticket, client="mallory"),
        replace(ticket, session_key=replace(ticket.session_key, keyvalue=bytes(32))),
    ):
        acceptor = KerberosAcceptor(ServerConfig(keytab=(entry,)), random)
        assert status_of(acceptor, KerberosInitiator(wrong, random, NOW).step(b"")) == ntstatus.STATUS_LOGON_FAILURE


def test_another_message_than_an_ap_req_is_malformed() -> None:
    acceptor, initiator = pair()
    answer = acceptor.step(initiator.step(b""), NOW)
    with pytest.raises(ParseError):
        acceptor.step(answer, NOW)


def test_a_signature_is_made_with_the_services_key_and_says_so() -> None:
    acceptor, initiator = pair()
    assert acceptor.mic(b"list") is None
    acceptor.step(initiator.step(b""), NOW)
    mic = acceptor.mic(b"list")
    assert mic is not None
    assert mic[:3] == b"\x04\x04\x05"  # sent by the acceptor, under its subkey (RFC 4121 4.2.6.1)
    assert mic[3:8] == b"\xff" * 5
    assert len(mic) == 16 + 12
    key = acceptor.accepted.session_key if acceptor.accepted else None
    assert key is not None
    client = b"\x04\x04\x04" + b"\xff" * 5 + bytes(8)
    checksum = crypto.checksum(checksum_type=16, key=key, usage=25, data=b"list" + client)
    assert acceptor.verify(b"list", client + checksum)
    assert not acceptor.verify(b"lisp", client + checksum)


def test_rc4_signs_nothing() -> None:
    acceptor, initiator = pair(Etype.RC4_HMAC)
    acceptor.step(initiator.step(b""), NOW)
    assert acceptor.mic(b"list") is None
    assert acceptor.verify(b"list", b"")
