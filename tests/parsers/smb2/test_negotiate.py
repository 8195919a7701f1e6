"""Witness: the published handshakes (tests/data/smb_vectors.json), and real captures as tshark reads them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.crypto import Cipher
from parsers.smb2.dialects import Dialect
from parsers.smb2.negotiate import (
    NEGOTIATE_REQUEST,
    GlobalCapabilities,
    NegotiateRequest,
    NegotiateResponse,
    SecurityMode,
)
from parsers.smb2.negotiate_contexts import EncryptionCapabilities, HashAlgorithm, PreauthIntegrityCapabilities

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())
HANDSHAKES = [name for name, vector in VECTORS.items() if "neg_req" in vector]

PREAUTH = PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), bytes(range(32)))
CIPHERS = EncryptionCapabilities((Cipher.AES_128_GCM, Cipher.AES_128_CCM))
REQUEST_311 = NegotiateRequest(
    SecurityMode.SIGNING_ENABLED,
    GlobalCapabilities.DFS | GlobalCapabilities.ENCRYPTION,
    bytes(range(16)),
    (Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_1_1),
    (PREAUTH, CIPHERS),
)
REQUEST_21 = NegotiateRequest(
    SecurityMode.SIGNING_REQUIRED, GlobalCapabilities(0), bytes(16), (Dialect.SMB_2_0_2, Dialect.SMB_2_1)
)
SIZES = (8 << 20, 8 << 20, 1 << 20)
RESPONSE_311 = NegotiateResponse(
    SecurityMode.SIGNING_ENABLED,
    Dialect.SMB_3_1_1,
    bytes(range(16, 32)),
    GlobalCapabilities.LARGE_MTU,
    *SIZES,
    system_time=132706382804253400,
    server_start_time=0,
    security_buffer=b"\x60token",
    contexts=(PREAUTH, EncryptionCapabilities((Cipher.AES_128_GCM,))),
)
RESPONSE_21 = NegotiateResponse(
    SecurityMode.SIGNING_ENABLED, Dialect.SMB_2_1, bytes(16), GlobalCapabilities.DFS, *SIZES, 1, 2, b"\x60token"
)


@pytest.mark.parametrize("original", [REQUEST_311, REQUEST_21, RESPONSE_311, RESPONSE_21])
def test_it_parses_what_it_builds_and_refuses_every_prefix(check_codec, original):
    check_codec(original)


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_published_request_is_rebuilt_to_the_byte(name):
    message = bytes.fromhex(VECTORS[name]["neg_req"])
    request = NegotiateRequest.parse(memoryview(message))
    assert Dialect.SMB_3_1_1 in request.dialects
    assert {type(context) for context in request.contexts} >= {PreauthIntegrityCapabilities, EncryptionCapabilities}
    assert request.build() == message[64:]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_published_response_is_rebuilt_to_the_byte(name):
    message = bytes.fromhex(VECTORS[name]["neg_rsp"])
    response = NegotiateResponse.parse(memoryview(message))
    ciphers = [context.ciphers for context in response.contexts if isinstance(context, EncryptionCapabilities)]
    assert response.dialect_revision is Dialect.SMB_3_1_1
    assert [cipher.name for cipher in ciphers[0]] == [VECTORS[name]["cipher"].replace("-", "_")]
    assert response.security_buffer.startswith(b"\x60")
    assert response.build() == message[64:]


def test_before_3_1_1_the_context_fields_are_reserved():
    fixed = NEGOTIATE_REQUEST.parse(REQUEST_21.build())._replace(negotiate_context_offset=5, negotiate_context_count=9)
    message = memoryview(bytes(64) + NEGOTIATE_REQUEST.build(fixed) + REQUEST_21.build()[36:])
    assert NegotiateRequest.parse(message) == REQUEST_21


@pytest.mark.parametrize("codec", [NegotiateRequest, NegotiateResponse])
def test_another_structure_size_is_refused(codec):
    with pytest.raises(ParseError, match="StructureSize"):
        codec.parse(memoryview(bytes(64 + 100)))


def test_more_dialects_than_the_message_holds_are_refused():
    fixed = NEGOTIATE_REQUEST.parse(REQUEST_21.build())._replace(dialect_count=0xFFFF)
    with pytest.raises(ParseError, match="dialects"):
        NegotiateRequest.parse(memoryview(bytes(64) + NEGOTIATE_REQUEST.build(fixed) + bytes(4)))


@pytest.mark.fuzz
@given(data=st.data())
@pytest.mark.parametrize("original", [REQUEST_311, RESPONSE_311])
def test_damage_gives_a_message_or_a_parse_error(check_damage, damage, original, data):
    check_damage(type(original), data.draw(damage(original.build())))


CAPTURES = [
    "samba/ntlm_202_signed.pcapng",
    "samba/ntlm_311_enc_gcm_sign_aes-128-gmac.pcapng",
    "samba/torture_connect.pcapng",
    "public/zeek/smb/smb2.pcap",
    "public/zeek/smb/smb3.pcap",
    "public/zeek/smb/smb3_negotiate_context.pcap",
]


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_requests(dissect, capture):
    messages = dissect(capture, "smb2.cmd==0 && smb2.flags.response==0")
    assert messages or capture.endswith("smb2.pcap")  # which begins with an SMB1 NEGOTIATE
    for dissected in messages:
        request = NegotiateRequest.parse(dissected.message)
        shown = [int(value, 0) for value in dissected.fields["smb2.dialect"]]
        assert list(request.dialects) == shown
        assert request.capabilities == dissected.number("smb2.capabilities")
        assert request.security_mode == dissected.number("smb2.sec_mode")
        assert [context.context_type for context in request.contexts] == numbers(dissected, "type")
        assert listed(request, "ciphers") == numbers(dissected, "cipher_id")
        assert listed(request, "hash_algorithms") == numbers(dissected, "hash_algorithm")
        assert listed(request, "signing_algorithms") == numbers(dissected, "signing_id")
        assert listed(request, "compression_algorithms") == numbers(dissected, "comp_alg_id")
        netnames = [context.net_name for context in request.contexts if hasattr(context, "net_name")]
        assert netnames == dissected.fields.get("smb2.negotiate_context.netname", [])


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_responses(dissect, capture):
    responses = [
        dissected
        for dissected in dissect(capture, "smb2.cmd==0 && smb2.flags.response==1")
        if dissected.number("smb2.nt_status") == 0
    ]
    for dissected in responses:
        response = NegotiateResponse.parse(dissected.message)
        assert response.dialect_revision == dissected.number("smb2.dialect")
        assert response.max_transact_size == dissected.number("smb2.max_trans_size")
        assert response.max_read_size == dissected.number("smb2.max_read_size")
        assert response.max_write_size == dissected.number("smb2.max_write_size")
        assert response.capabilities == dissected.number("smb2.capabilities")
        assert listed(response, "ciphers") == numbers(dissected, "cipher_id")
        assert listed(response, "signing_algorithms") == numbers(dissected, "signing_id")
        assert response.security_buffer.hex(":") == dissected.fields["smb2.security_blob"][0]
    assert responses or "negotiate_context" in capture


def listed(message, attribute):
    """The identifiers of all contexts that have such a list."""
    return [value for context in message.contexts for value in getattr(context, attribute, ())]


def numbers(dissected, name):
    return [int(value, 0) for value in dissected.fields.get(f"smb2.negotiate_context.{name}", [])]
