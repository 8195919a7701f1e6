"""Witnesses: the messages of MIT Kerberos and of Samba, which are rebuilt byte for byte, opened ones included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.kerberos import crypto, kdc, token
from parsers.gss.kerberos.asn1 import Fields, PrincipalName, build_fields, build_integer
from parsers.gss.kerberos.exchange import KerberosExchange
from parsers.gss.kerberos.messages import (
    ApRep,
    ApReq,
    Authenticator,
    Checksum,
    EncApRepPart,
    GssChecksum,
    KrbError,
    check_type,
)
from parsers.gss.kerberos.names import ApOptions, ChecksumType, ErrorCode, GssFlags, KeyUsage, MessageType, NameType
from parsers.gss.kerberos.opening import OpenedTicket
from parsers.keys import keytab
from tests.parsers.gss.kerberos.samples import (
    AD,
    AD_KEY,
    ALL_TOKENS,
    KDC_MESSAGES,
    MIT_KEYTAB,
    MIT_MUTUAL,
    MIT_ONE_SIDED,
    RC4,
    RC4_KEY,
    Sample,
)

MESSAGES = [*(token.parse(data).content for data in ALL_TOKENS), KDC_MESSAGES[1]]
KEYS = [AD_KEY, RC4_KEY, *keytab.parse(MIT_KEYTAB, "MIT")]


def opened(sample: Sample) -> tuple[Authenticator, EncApRepPart | None, list[bytes]]:
    """What the two encrypted parts say, and their bytes."""
    exchange = KerberosExchange.from_tokens(sample.tokens)
    assert exchange is not None
    ticket = exchange.open_ticket(KEYS)
    assert isinstance(ticket, OpenedTicket)
    parts = [(exchange.ap_req.authenticator, KeyUsage.AP_REQ_AUTHENTICATOR)]
    if isinstance(exchange.answer, ApRep):
        parts.append((exchange.answer.enc_part, KeyUsage.AP_REP))
    key = ticket.session_key.keyvalue
    plain = [crypto.decrypt(etype=part.etype, key=key, usage=usage, data=part.cipher) for part, usage in parts]
    reply = EncApRepPart.parse(der.parse(plain[1])) if len(plain) > 1 else None
    return Authenticator.parse(der.parse(plain[0])), reply, plain


@pytest.mark.parametrize("place", range(len(MESSAGES)))
def test_recorded_messages_are_rebuilt_byte_for_byte(place):
    message = kdc.parse(MESSAGES[place])
    assert isinstance(message, ApReq | ApRep | KrbError)
    assert message.build() == MESSAGES[place]


@pytest.mark.parametrize("sample", [AD, RC4, *MIT_MUTUAL.values(), *MIT_ONE_SIDED.values()])
def test_recorded_encrypted_parts_are_rebuilt_byte_for_byte(sample):
    authenticator, reply, plain = opened(sample)
    assert [part.build() for part in (authenticator, reply) if part is not None] == plain


@pytest.mark.parametrize("place", [0, 1, len(MESSAGES) - 1])
def test_no_prefix_of_a_message_is_taken_for_one(place):
    wire = MESSAGES[place]
    for length in range(len(wire)):
        with pytest.raises(ParseError):
            kdc.parse(wire[:length])
    with pytest.raises(ParseError, match="1 bytes follow"):
        kdc.parse(wire + b"\x00")


def test_the_authenticator_and_the_answer_to_it():
    authenticator, reply, _ = opened(MIT_MUTUAL[18])
    assert reply is not None
    assert (str(authenticator.cname), authenticator.crealm) == ("alice", "KRB.TEST")
    assert reply.time == authenticator.time
    assert 1795174000 * 10**9 < authenticator.time < 1795176000 * 10**9
    assert authenticator.gss_flags is not None
    assert authenticator.gss_flags & GssFlags.MUTUAL
    assert not authenticator.gss_flags & GssFlags.DELEG
    assert reply.subkey is not None
    assert reply.subkey.keyvalue == MIT_MUTUAL[18].session_key
    assert authenticator.subkey is not None
    assert authenticator.subkey != reply.subkey


def test_a_client_that_wants_no_mutual_authentication_says_so():
    authenticator, reply, _ = opened(MIT_ONE_SIDED[18])
    assert reply is None
    assert authenticator.gss_flags is not None
    assert not authenticator.gss_flags & GssFlags.MUTUAL
    options = {
        name: token.parse(sample.ap_req).message()
        for name, sample in (("one", MIT_ONE_SIDED[18]), ("two", MIT_MUTUAL[18]))
    }
    assert not options["one"].ap_options & ApOptions.MUTUAL_REQUIRED
    assert options["two"].ap_options & ApOptions.MUTUAL_REQUIRED


def test_the_error_of_a_kdc():
    error = kdc.parse(KDC_MESSAGES[1])
    assert isinstance(error, KrbError)
    assert error.error_code == ErrorCode.KDC_ERR_PREAUTH_REQUIRED
    assert (error.realm, str(error.sname), str(error.cname)) == ("EXAMPLE.TEST", "krbtgt/EXAMPLE.TEST", "alice")
    assert error.server_time == error.stime + error.susec * 1000


def test_an_error_with_every_field_round_trips():
    name = PrincipalName(NameType.PRINCIPAL, ("bob",))
    error = KrbError(10**18, 5, ErrorCode(999), "R", name, 10**18, 7, "C", name, "text", b"data")
    assert KrbError.parse(der.parse(error.build())) == error


GSS = GssChecksum(bytes(range(16)), GssFlags.MUTUAL | GssFlags.INTEG, b"rest")


def test_the_gss_checksum_is_that_of_rfc_4121():
    wire = bytes.fromhex("10000000") + bytes(range(16)) + bytes.fromhex("22000000") + b"rest"
    assert GSS.build() == wire
    assert GssChecksum.parse(wire) == GSS
    for length in range(24):
        with pytest.raises(ParseError):
            GssChecksum.parse(wire[:length])
    with pytest.raises(ParseError, match="channel bindings of 17 bytes"):
        GssChecksum.parse(b"\x11" + wire[1:])


def test_another_checksum_has_no_gss_flags():
    authenticator = Authenticator("R", PrincipalName(NameType.PRINCIPAL, ("bob",)), None, 0, 0)
    assert authenticator.gss_flags is None
    assert Authenticator.parse(der.parse(authenticator.build())) == authenticator
    checksum = Checksum(ChecksumType.HMAC_MD5, bytes(16))
    assert Checksum.parse(der.parse(checksum.build())) == checksum


def test_the_type_of_a_message_is_that_of_its_tag():
    fields = Fields(der.parse(build_fields((1, build_integer(15)))), "AP-REQ")
    check_type(fields, 1, MessageType.AP_REP)
    with pytest.raises(ParseError, match="msg-type 15 in a message with the tag of AP_REQ"):
        check_type(fields, 1, MessageType.AP_REQ)


@given(st.sampled_from(MESSAGES), st.data())
def test_any_damage_to_a_message_is_a_message_or_a_parse_error(message, data):
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, min(len(message) - 1, 120)))] = data.draw(st.integers(0, 255))
    try:
        parsed = kdc.parse(damaged)
    except (ParseError, UnsupportedError):
        return
    assert kdc.parse(parsed.build()) == parsed
