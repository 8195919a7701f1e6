"""Kerberos logons of the client, opened by the code that opens captured ones."""

from dataclasses import replace
from random import Random

import pytest

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import crypto, token
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey, PrincipalName
from parsers.gss.kerberos.exchange import KerberosExchange
from parsers.gss.kerberos.messages import ApRep, ApReq, Authenticator, EncApRepPart, KrbError
from parsers.gss.kerberos.names import ApOptions, ErrorCode, Etype, GssFlags, KeyUsage, NameType
from parsers.gss.ntlm.exchange import Proven
from parsers.gss.spnego import Mechanism
from parsers.keys.keytab import KeytabEntry
from refserver.gss.kerberos_initiator import KerberosCredential, KerberosInitiator
from refserver.gss.tickets import ClientTicket, mint

NOW = 1_790_000_000 * 10**9 + 123_456_789
KEY = KeytabEntry("cifs/server", "LAB.TEST", 3, Etype.AES256_CTS_HMAC_SHA1_96, bytes(range(32)), 0, "a test")
SUBKEY = EncryptionKey(Etype.AES256_CTS_HMAC_SHA1_96, b"the subkey of the server, AES256")
ERROR = KrbError(0, 0, ErrorCode.KRB_AP_ERR_MODIFIED, "LAB.TEST", PrincipalName(NameType.SRV_INST, ("cifs", "server")))


def fresh(now: int) -> ClientTicket:
    return mint(KEY, client="alice", authtime=now, endtime=now + 3600 * 10**9, random=Random(1).randbytes)


def begin(**options: bool) -> KerberosInitiator:
    return KerberosCredential(fresh, **options).begin(Random(2).randbytes, NOW)


def request_in(data: bytes) -> ApReq:
    message = token.parse(data).message()
    assert isinstance(message, ApReq)
    return message


def authenticator_in(request: ApReq, key: EncryptionKey) -> Authenticator:
    part = request.authenticator
    plain = crypto.decrypt(etype=part.etype, key=key.keyvalue, usage=KeyUsage.AP_REQ_AUTHENTICATOR, data=part.cipher)
    return Authenticator.parse(der.parse(plain))


def reply(subkey: EncryptionKey | None, key: EncryptionKey, *, off: int = 0) -> bytes:
    """What the server sends; `off` microseconds beside the client's time."""
    plain = EncApRepPart(NOW // 10**9 * 10**9, 123_456 + off, subkey, 7).build()
    cipher = crypto.encrypt(
        etype=key.keytype, key=key.keyvalue, usage=KeyUsage.AP_REP, plaintext=plain, confounder=bytes(16)
    )
    return token.build(ApRep(EncryptedData(key.keytype, None, cipher)))


def test_the_first_token_proves_who_the_client_is_and_asks_for_mutual_authentication() -> None:
    initiator = begin()
    request = request_in(initiator.step(b""))
    authenticator = authenticator_in(request, fresh(NOW).session_key)
    assert request.ap_options == ApOptions.MUTUAL_REQUIRED
    assert (str(authenticator.cname), authenticator.crealm) == ("alice", "LAB.TEST")
    assert authenticator.time == NOW // 1000 * 1000
    assert authenticator.gss_flags is not None
    assert authenticator.gss_flags & GssFlags.MUTUAL
    assert initiator.session_key is None
    assert initiator.mic(b"a list") is None


@pytest.mark.parametrize("subkey", [SUBKEY, None], ids=["the server's subkey", "no subkey of the server"])
def test_the_key_is_the_one_that_the_keytab_proves(subkey: EncryptionKey | None) -> None:
    initiator = begin()
    request = initiator.step(b"")
    answer = reply(subkey, fresh(NOW).session_key)
    assert initiator.step(answer) == b""
    exchange = KerberosExchange.from_tokens([request, answer])
    assert exchange is not None
    found = exchange.session_key([KEY])
    assert isinstance(found, Proven)
    assert found.key == initiator.session_key
    assert subkey is None or found.key == subkey.keyvalue


def test_without_mutual_authentication_the_key_is_the_clients_at_once() -> None:
    initiator = begin(mutual=False)
    request = initiator.step(b"")
    exchange = KerberosExchange.from_tokens([request])
    assert exchange is not None
    found = exchange.session_key([KEY])
    assert isinstance(found, Proven)
    assert found.key == initiator.session_key
    assert request_in(request).ap_options == ApOptions(0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (token.build(ERROR), "KRB_AP_ERR_MODIFIED"),
        (reply(SUBKEY, SUBKEY), "does not open"),
        (reply(SUBKEY, fresh(NOW).session_key, off=1), "another AP-REQ"),
        (begin().step(b""), "no AP-REP"),
    ],
    ids=["an error", "another key", "another time", "an AP-REQ"],
)
def test_an_answer_that_does_not_fit_is_refused(answer: bytes, reason: str) -> None:
    initiator = begin()
    initiator.step(b"")
    with pytest.raises(ParseError, match=reason):
        initiator.step(answer)
    assert initiator.session_key is None


def test_an_error_of_the_server_is_kept() -> None:
    initiator = begin()
    initiator.step(b"")
    with pytest.raises(ParseError):
        initiator.step(token.build(ERROR))
    assert initiator.answer == ERROR


def test_the_mechanism_may_have_the_name_that_microsoft_gave_it() -> None:
    credential = replace(KerberosCredential(fresh), mechanism=Mechanism.MS_KERBEROS)
    initiator = credential.begin(Random(2).randbytes, NOW)
    assert initiator.oid == Mechanism.MS_KERBEROS
    assert token.parse(initiator.step(b"")).mechanism == Mechanism.KERBEROS


def test_every_logon_has_a_ticket_of_its_own() -> None:
    asked: list[int] = []

    def ticket(now: int) -> ClientTicket:
        asked.append(now)
        return fresh(now)

    credential = KerberosCredential(ticket)
    credential.begin(Random(2).randbytes, NOW)
    credential.begin(Random(2).randbytes, NOW + 5)
    assert asked == [NOW, NOW + 5]


def test_the_servers_clock_is_believed_once() -> None:
    initiator = begin()
    initiator.step(b"")
    skew = replace(ERROR, error_code=ErrorCode.KRB_AP_ERR_SKEW, stime=NOW // 10**9 * 10**9 + 900 * 10**9, susec=5)
    request = request_in(initiator.step(token.build(skew)))
    assert authenticator_in(request, fresh(NOW).session_key).time == skew.server_time
    with pytest.raises(ParseError, match="KRB_AP_ERR_SKEW"):
        initiator.step(token.build(skew))
