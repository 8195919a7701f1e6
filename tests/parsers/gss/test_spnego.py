"""Witnesses: the tokens of the published trace A1 (tests/data/smb_vectors.json), tokens of Windows and Samba."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.spnego import (
    MAX_TOKEN,
    Mechanism,
    NegState,
    NegTokenInit,
    NegTokenResp,
    RawToken,
    mechanism_name,
    mechanism_of,
    mechanism_tokens,
    missing_bytes,
    parse,
)

TRACE = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())["A1"]


def security_buffer(message: str, fields: int) -> bytes:
    """The token whose offset and length stand at `fields` in an SMB2 message."""
    data = bytes.fromhex(message)
    offset, length = (int.from_bytes(data[at : at + 2], "little") for at in (fields, fields + 2))
    return data[offset : offset + length]


HINT = security_buffer(TRACE["neg_rsp"], 120)
CLIENT = [security_buffer(message, 76) for message in TRACE["ss"][::2]]
SERVER = [security_buffer(message, 68) for message in TRACE["ss"][1::2]]
SAMBA_HINT = bytes.fromhex(
    "604806062b0601050502a03e303ca00e300c060a2b06010401823702020a"
    "a32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"
)  # smbd 4.17, ntlm_311_unsigned
ALL = [HINT, SAMBA_HINT, *CLIENT, *SERVER]


def test_the_first_token_of_a_windows_server_offers_negoex():
    token = parse(HINT)
    assert isinstance(token, NegTokenInit)
    assert [mechanism_name(oid) for oid in token.mech_types] == ["NegoEx", "NTLM"]
    assert token.mech_token is not None
    assert token.mech_token[:8] == b"NEGOEXTS"


def test_the_first_token_of_a_samba_server_has_a_hint():
    assert parse(SAMBA_HINT) == NegTokenInit((Mechanism.NTLM,), hint_name="not_defined_in_RFC4178@please_ignore")


def test_the_legs_of_a_logon_of_windows():
    first, second = map(parse, CLIENT)
    challenge, final = map(parse, SERVER)
    assert isinstance(first, NegTokenInit)
    assert first.mech_types == (Mechanism.NTLM,)
    assert first.mech_token is not None
    assert first.mech_token[:12] == b"NTLMSSP\x00\x01\x00\x00\x00"
    assert isinstance(challenge, NegTokenResp)
    assert (challenge.neg_state, challenge.supported_mech) == (NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM)
    assert isinstance(second, NegTokenResp)
    assert second.mech_list_mic is not None
    assert len(second.mech_list_mic) == 16
    assert isinstance(final, NegTokenResp)
    assert final.neg_state == NegState.ACCEPT_COMPLETED
    assert final.response_token is None


@pytest.mark.parametrize("place", range(len(ALL)))
def test_captured_tokens_are_rebuilt_byte_for_byte(place):
    token = parse(ALL[place])
    assert not isinstance(token, RawToken)
    assert token.build() == ALL[place]


@pytest.mark.parametrize("place", range(len(ALL)))
def test_every_truncation_is_refused_and_counted(place):
    token = ALL[place]
    for length in range(len(token)):
        with pytest.raises(ParseError):
            parse(token[:length])
        if length > 3:
            assert missing_bytes(token[:length]) == len(token) - length
    assert missing_bytes(token) == 0
    with pytest.raises(ParseError, match="1 bytes follow"):
        parse(token + b"\x00")


@pytest.mark.parametrize(
    "token",
    [
        NegTokenInit(),
        NegTokenInit((Mechanism.KERBEROS, "1.2.3"), b"\x01\x02", b"token", None, None, b"mic"),
        NegTokenInit((Mechanism.NTLM,), hint_name="name", hint_address=b"address", mech_list_mic=b"mic"),
        NegTokenInit(hint_address=b""),
        NegTokenResp(),
        NegTokenResp(NegState(9), "2.999.1", b"", b"m"),
        NegTokenResp(NegState.REQUEST_MIC, None, bytes(70_000)),
    ],
)
def test_tokens_round_trip(token):
    assert parse(token.build()) == token


def test_a_mic_in_place_of_the_hints_is_a_mic():
    # RFC 4178 has mechListMIC at [3], MS-SPNG has negHints there.
    assert parse(NegTokenInit(mech_list_mic=b"0123456789abcdef").build()) == NegTokenInit(
        mech_list_mic=b"0123456789abcdef"
    )


def test_a_bare_neg_token_init_needs_no_frame():
    framed = NegTokenInit((Mechanism.NTLM,)).build()
    inner = framed[2 + 8 :]
    assert inner[0] == 0xA0
    assert parse(inner) == parse(framed)


def test_raw_tokens_are_recognised():
    ntlm = b"NTLMSSP\x00\x01\x00\x00\x00"
    ap_req = der.build(0x6E, b"\x30\x00")
    framed = der.build(0x60, der.build_oid(Mechanism.KERBEROS), b"\x01\x00", ap_req)
    assert parse(ntlm) == RawToken(Mechanism.NTLM, ntlm)
    assert parse(ap_req) == RawToken(Mechanism.KERBEROS, ap_req)
    assert parse(framed) == RawToken(Mechanism.KERBEROS, framed)
    assert missing_bytes(ntlm) == 0
    assert missing_bytes(framed[:-1]) == 1


def test_an_empty_buffer_is_no_token_and_lacks_nothing():
    assert missing_bytes(b"") == 0
    with pytest.raises(ParseError):
        parse(b"")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("3000", "no GSS token begins with tag 0x30"),
        ("a1020400", "NegTokenResp: one element with tag 0x30"),
        ("a106 3004 a0020a00", "negState has 0 bytes"),
        ("a105 3003 a0010a", "DER length needs 1 bytes"),
        ("a10a 3008 a0020400 a0020400", "does not belong there"),
        ("a106 3004 04020a00", "tag 0x04 that does not belong there"),
        ("6002 0600", "object identifier"),
        ("6003 060901", "mechanism of an InitialContextToken is cut off"),
    ],
)
def test_malformed_tokens_are_refused(wire, reason):
    with pytest.raises(ParseError, match=reason):
        parse(bytes.fromhex(wire))


def test_mechanism_tokens_come_out_of_their_wrapping_in_order():
    types = [[token[8] for token in mechanism_tokens(side)] for side in (CLIENT, SERVER)]
    assert types == [[1, 3], [2]]


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
def test_fragments_are_joined_by_the_outer_length(cut):
    fragments = [CLIENT[0], CLIENT[1][:cut], CLIENT[1][cut:]]
    assert list(mechanism_tokens(fragments)) == list(mechanism_tokens(CLIENT))
    assert list(mechanism_tokens(fragments[:2])) == list(mechanism_tokens(CLIENT[:1]))


def test_an_endless_fragmented_token_is_refused():
    start = b"\x60\x84\x7f\xff\xff\xff"
    with pytest.raises(ParseError, match="longer than"):
        list(mechanism_tokens([start, *[bytes(65_536)] * (MAX_TOKEN // 65_536 + 1)]))


def test_the_servers_choice_of_mechanism_counts():
    kerberos = NegTokenInit((Mechanism.MS_KERBEROS, Mechanism.KERBEROS, Mechanism.NTLM), mech_token=b"x").build()
    refused = NegTokenResp(NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM).build()
    assert mechanism_of([kerberos], []) == Mechanism.MS_KERBEROS
    assert mechanism_of([kerberos], [refused]) == Mechanism.NTLM
    assert mechanism_of(CLIENT, SERVER) == Mechanism.NTLM
    assert mechanism_of([], []) is None
    assert mechanism_of([b"NTLMSSP\x00\x01\x00\x00\x00"], []) == Mechanism.NTLM


def test_unknown_mechanisms_keep_their_identifier():
    assert mechanism_name("1.3.6.1.4.1.1") == "1.3.6.1.4.1.1"
    assert mechanism_name(Mechanism.IAKERB) == "IAKERB"


@given(st.binary(max_size=80))
def test_any_bytes_are_a_token_or_a_parse_error(data):
    try:
        token = parse(data)
    except ParseError:
        return
    assert isinstance(token, NegTokenInit | NegTokenResp | RawToken)


@given(st.sampled_from(ALL), st.data())
def test_any_damage_to_a_real_token_is_a_token_or_a_parse_error(token, data):
    damaged = bytearray(token)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, min(len(token) - 1, 80)))] = data.draw(st.integers(0, 255))
    try:
        list(mechanism_tokens([bytes(damaged)]))
        missing_bytes(damaged)
        mechanism_of([bytes(damaged)], [bytes(damaged)])
    except ParseError:
        return
