"""Witnesses: the messages of MS-NLMP 4.2.4.3 and of the published trace A1 (tests/data/smb_vectors.json)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss.ntlm.messages import (
    SIGNATURE,
    Authenticate,
    AvFlags,
    AvId,
    AvPair,
    Challenge,
    MessageType,
    Negotiate,
    NegotiateFlags,
    NtlmV2Response,
    Version,
    build_av_pairs,
    message_type,
    parse_av_pairs,
)

unhex = bytes.fromhex

# MS-NLMP 4.2.4.3
SPEC_CHALLENGE = unhex(
    "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000060070170000000f"
    "53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600650072000000 0000"
)
SPEC_AUTHENTICATE = unhex(
    "4e544c4d535350000300000018001800 6c00000054005400840000000c000c00480000000800080054000000100010005c00000010001000"
    "d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f004d00500055005400450052"
    "0086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000"
    "aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000"
    "c5dad2544fc9799094ce1ce90bc9d03e"
)


def trace_messages() -> list[bytes]:
    """The raw messages of trace A1, cut out of its SESSION_SETUP messages; the trailing MIC of SPNEGO is dropped."""
    from parsers.gss.spnego import mechanism_tokens

    trace = json.loads((Path(__file__).parents[3] / "data" / "smb_vectors.json").read_text())["A1"]
    buffers = []
    for message, fields in zip(trace["ss"], (76, 68, 76), strict=False):
        data = unhex(message)
        offset, length = (int.from_bytes(data[at : at + 2], "little") for at in (fields, fields + 2))
        buffers.append(data[offset : offset + length])
    return list(mechanism_tokens(buffers))


TRACE = trace_messages()
PARSERS = {1: Negotiate.parse, 2: Challenge.parse, 3: Authenticate.parse}
SAMPLES = [*TRACE, SPEC_CHALLENGE, SPEC_AUTHENTICATE]


def parse(message: bytes) -> Negotiate | Challenge | Authenticate:
    return PARSERS[message_type(message)](message)


def test_the_challenge_of_the_specification():
    message = Challenge.parse(SPEC_CHALLENGE)
    assert message.server_challenge == unhex("0123456789abcdef")
    assert message.target_name == "Server"
    assert [(pair.av_id, pair.text) for pair in message.target_info] == [
        (AvId.NB_DOMAIN_NAME, "Domain"),
        (AvId.NB_COMPUTER_NAME, "Server"),
    ]
    assert str(message.version) == "6.0.6000"
    assert message.flags & NegotiateFlags.EXTENDED_SESSIONSECURITY


def test_the_authenticate_message_of_the_specification():
    message = Authenticate.parse(SPEC_AUTHENTICATE)
    assert (message.domain, message.user, message.workstation) == ("Domain", "User", "COMPUTER")
    assert message.lm_response == unhex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
    assert message.nt_response[:16] == unhex("68cd0ab851e51c96aabc927bebef6a1c")
    assert message.encrypted_random_session_key == unhex("c5dad2544fc9799094ce1ce90bc9d03e")
    assert str(message.version) == "5.1.2600"
    assert message.mic is None


def test_the_ntlm_v2_response_of_the_specification():
    response = NtlmV2Response.parse(Authenticate.parse(SPEC_AUTHENTICATE).nt_response)
    assert response.challenge_from_client == b"\xaa" * 8
    assert response.time_stamp == 0
    assert [pair.text for pair in response.av_pairs] == ["Domain", "Server"]
    assert response.flags == AvFlags(0)
    assert response.nt_proof_str + response.temp == Authenticate.parse(SPEC_AUTHENTICATE).nt_response


def test_the_published_trace():
    negotiate, challenge, authenticate = map(parse, TRACE)
    assert isinstance(negotiate, Negotiate)
    assert str(negotiate.version) == "6.3.9600"
    assert isinstance(challenge, Challenge)
    assert challenge.server_challenge == unhex("0D1D8BA31179D008")
    assert isinstance(authenticate, Authenticate)
    assert (authenticate.user, authenticate.domain) == ("administrator", "SUT311")
    assert authenticate.mic is not None
    response = NtlmV2Response.parse(authenticate.nt_response)
    assert response.flags == AvFlags.MIC_PRESENT
    assert AvId.TARGET_NAME in [pair.av_id for pair in response.av_pairs]


@pytest.mark.parametrize("place", range(len(SAMPLES)))
def test_what_is_built_reads_the_same(place):
    message = parse(SAMPLES[place])
    assert parse(message.build()) == message


def test_a_challenge_of_windows_is_rebuilt_byte_for_byte():
    assert parse(TRACE[1]).build() == TRACE[1]


@pytest.mark.parametrize("place", range(len(SAMPLES)))
def test_no_truncation_reads_like_the_whole(place):
    sample = SAMPLES[place]
    whole = parse(sample)
    for length in range(len(sample)):
        try:
            message = parse(sample[:length])
        except ParseError:
            continue
        # A short NEGOTIATE_MESSAGE is legal: old clients stop after the flags.
        assert isinstance(message, Negotiate)
        assert length >= 16
        assert message.flags == whole.flags


@pytest.mark.parametrize("place", range(1, len(SAMPLES)))
def test_every_payload_is_bounded(place):
    sample = SAMPLES[place]
    fields = {2: [12, 40], 3: [12, 20, 28, 36, 44, 52]}[message_type(sample)]
    for field in fields:
        for offset in (len(sample), 0xFFFFFFFF):
            damaged = sample[: field + 4] + offset.to_bytes(4, "little") + sample[field + 8 :]
            with pytest.raises(ParseError, match="leaves the"):
                parse(damaged)
        damaged = sample[: field + 4] + (16).to_bytes(4, "little") + sample[field + 8 :]
        with pytest.raises(ParseError, match="inside of the fixed fields"):
            parse(damaged)


def test_an_old_challenge_ends_after_the_challenge():
    flags = NegotiateFlags.NTLM | NegotiateFlags.OEM
    short = SIGNATURE + unhex("02000000 0400 0400 20000000") + flags.to_bytes(4, "little") + bytes(8) + b"HOST"
    assert Challenge.parse(short) == Challenge(flags, bytes(8), "HOST")


def test_an_old_authenticate_message_has_neither_key_nor_flags():
    fields = [(24, 56), (24, 80), (1, 52), (2, 53), (1, 55), (0, 0)]
    header = b"".join(length.to_bytes(2, "little") * 2 + offset.to_bytes(4, "little") for length, offset in fields[:5])
    message = SIGNATURE + unhex("03000000") + header + b"DUSW" + bytes(24) + b"\x01" * 24
    parsed = Authenticate.parse(message)
    assert (parsed.domain, parsed.user, parsed.workstation) == ("D", "US", "W")
    assert parsed.nt_response == b"\x01" * 24
    assert parsed.flags == NegotiateFlags(0)
    assert parsed.version is None


def test_names_in_oem_encoding_are_read():
    flags = NegotiateFlags.OEM | NegotiateFlags.OEM_DOMAIN_SUPPLIED | NegotiateFlags.OEM_WORKSTATION_SUPPLIED
    message = Negotiate(flags, "DOMAIN", "WORKSTATION")
    assert Negotiate.parse(message.build()) == message
    authenticate = Authenticate(flags, b"", b"", "DÖMAIN", "user", "ws")
    assert Authenticate.parse(authenticate.build()) == authenticate


def test_names_that_are_no_unicode_survive_as_replacements():
    odd = Authenticate(NegotiateFlags.UNICODE, b"", b"", "", "ab", "").build()
    broken = odd.replace("ab".encode("utf-16-le"), b"\x00\xd8a\x00")
    assert Authenticate.parse(broken).user == "\ufffda"


def test_a_mic_is_read_only_where_it_is_announced():
    pairs = build_av_pairs([AvPair(AvId.FLAGS, (2).to_bytes(4, "little"))])
    response = bytes(16) + unhex("0101000000000000") + bytes(8) + bytes(8) + bytes(4) + pairs
    with_mic = Authenticate(NegotiateFlags.UNICODE, b"", response, "D", "U", "W", b"k" * 16, None, b"m" * 16)
    assert Authenticate.parse(with_mic.build()).mic == b"m" * 16
    without = response.replace(pairs, build_av_pairs([AvPair(AvId.FLAGS, (1).to_bytes(4, "little"))]))
    not_announced = Authenticate(NegotiateFlags.UNICODE, b"", without, "D", "U", "W", b"k" * 16, None, b"m" * 16)
    assert Authenticate.parse(not_announced.build()).mic is None


@pytest.mark.parametrize(
    ("wire", "pairs"),
    [
        ("", []),
        ("00000000", []),
        ("01000200410000000000", [(AvId.NB_COMPUTER_NAME, "A")]),
        ("010002004100", [(AvId.NB_COMPUTER_NAME, "A")]),
        ("63000000 00000000 ffff", [(AvId(0x63), "")]),
    ],
)
def test_av_pairs_end_at_the_end_mark_or_with_the_data(wire, pairs):
    assert [(pair.av_id, pair.text) for pair in parse_av_pairs(unhex(wire))] == pairs


@pytest.mark.parametrize("wire", ["01", "0100", "010001", "0100ffff00"])
def test_av_pairs_that_are_cut_off_are_refused(wire):
    with pytest.raises(ParseError):
        parse_av_pairs(unhex(wire))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not an NTLM message"),
        (b"NTLMSSP\x01\x01\x00\x00\x00", "not an NTLM message"),
        (SIGNATURE + b"\x01\x00\x00", "not an NTLM message"),
        (SIGNATURE + b"\x02\x00\x00\x00" + bytes(60), "CHALLENGE where NEGOTIATE was expected"),
        (SIGNATURE + b"\x09\x00\x00\x00" + bytes(60), "0x9 where NEGOTIATE was expected"),
        (SIGNATURE + b"\x01\x00\x00\x00", "needs 16 bytes"),
    ],
)
def test_other_bytes_are_refused(message, reason):
    with pytest.raises(ParseError, match=reason):
        Negotiate.parse(message)


def test_a_version_reads_as_people_write_it():
    assert str(Version(10, 0, 17763)) == "10.0.17763"
    assert MessageType(1) is MessageType.NEGOTIATE


@given(st.sampled_from(SAMPLES), st.data())
def test_any_damage_gives_a_message_or_a_parse_error(sample, data):
    damaged = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(sample) - 1))] = data.draw(st.integers(0, 255))
    for parser in PARSERS.values():
        try:
            message = parser(bytes(damaged))
        except ParseError:
            continue
        repr(message)


@given(st.sampled_from([1, 2, 3]), st.binary(max_size=120))
def test_any_bytes_give_a_message_or_a_parse_error(number, data):
    try:
        message = PARSERS[number](SIGNATURE + number.to_bytes(4, "little") + data)
    except ParseError:
        return
    assert message.flags >= 0


@given(st.binary(max_size=80))
def test_any_response_is_an_ntlm_v2_response_or_a_parse_error(data):
    try:
        response = NtlmV2Response.parse(data)
    except ParseError:
        return
    assert response.nt_proof_str + response.temp == data
