"""Witnesses: the tokens of MIT Kerberos and of Samba."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import token
from parsers.gss.kerberos.messages import ApRep, ApReq, KrbError
from parsers.gss.kerberos.token import Token, TokenId
from parsers.gss.spnego import Mechanism
from tests.parsers.gss.kerberos.samples import AD, ALL_TOKENS, KDC_MESSAGES


def framed(oid: str, token_id: int, content: bytes = b"") -> bytes:
    return der.build(0x60, der.build_oid(oid), token_id.to_bytes(2, "big"), content)


@pytest.mark.parametrize("place", range(len(ALL_TOKENS)))
def test_recorded_tokens_are_rebuilt_byte_for_byte(place):
    data = ALL_TOKENS[place]
    assert token.is_kerberos(data)
    parsed = token.parse(data)
    message = parsed.message()
    assert message is not None
    assert parsed.mechanism == Mechanism.KERBEROS
    assert token.build(message) == data


def test_no_prefix_of_a_token_is_taken_for_one():
    for length in range(len(AD.ap_rep)):
        with pytest.raises(ParseError):
            token.parse(AD.ap_rep[:length])


@pytest.mark.parametrize(("message", "kind"), [(AD.ap_req, ApReq), (AD.ap_rep, ApRep)])
def test_a_message_may_stand_without_a_frame(message, kind):
    bare = token.parse(message).content
    assert token.is_kerberos(bare)
    parsed = token.parse(bare)
    assert parsed.mechanism is None
    assert isinstance(parsed.message(), kind)


def test_an_error_is_framed_like_the_others():
    error = token.parse(KDC_MESSAGES[1]).message()
    assert isinstance(error, KrbError)
    data = token.build(error, Mechanism.MS_KERBEROS)
    parsed = token.parse(data)
    assert (parsed.mechanism, parsed.token_id) == (Mechanism.MS_KERBEROS, TokenId.KRB_ERROR)
    assert parsed.message() == error


def test_tokens_that_prepare_an_exchange_have_no_message():
    for oid, token_id in (
        (Mechanism.KERBEROS_USER_TO_USER, TokenId.TGT_REQUEST),
        (Mechanism.IAKERB, TokenId.IAKERB_PROXY),
    ):
        data = framed(oid, token_id, b"whatever")
        assert token.is_kerberos(data)
        assert token.parse(data) == Token(oid, token_id, b"whatever")
        assert token.parse(data).message() is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"NTLMSSP\x00\x01\x00\x00\x00",
        b"NEGOEXTS",
        framed(Mechanism.SPNEGO, 0x0100),
        framed("1.2.3", 0x0100),
        b"\x04\x04\x00",
    ],
)
def test_tokens_of_others_are_passed_over(data):
    assert not token.is_kerberos(data)


def test_the_message_is_the_one_that_its_frame_says():
    content = token.parse(AD.ap_rep).content
    with pytest.raises(ParseError, match="AP-REQ has tag 0x6e, found 0x6f"):
        token.parse(framed(Mechanism.KERBEROS, TokenId.AP_REQ, content)).message()


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("3000", "no Kerberos token begins with tag 0x30"),
        ("6002 0600", "object identifier"),
        ("6003 060901", "mechanism of an InitialContextToken is cut off"),
        ("6003 040101", "object identifier expected, found tag 0x04"),
        ("600c 06092a864886f712010202 01", "TOK_ID is cut off"),
    ],
)
def test_malformed_frames_are_refused(wire, reason):
    with pytest.raises(ParseError, match=reason):
        token.parse(bytes.fromhex(wire))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_token_or_a_parse_error(data):
    try:
        if token.is_kerberos(data):
            token.parse(data).message()
    except ParseError:
        return
