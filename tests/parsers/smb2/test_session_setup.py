"""Witness: the published handshakes (tests/data/smb_vectors.json), and real captures as tshark reads them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())
HANDSHAKES = [name for name, vector in VECTORS.items() if "ss" in vector]

REQUEST = SessionSetupRequest(
    SessionSetupFlags.BINDING, SecurityMode.SIGNING_ENABLED, GlobalCapabilities.DFS, 2**63 + 5, b"\x60token"
)
RESPONSE = SessionSetupResponse(SessionFlags.ENCRYPT_DATA | SessionFlags.IS_GUEST, b"\xa1token")


@pytest.mark.parametrize("original", [REQUEST, RESPONSE, SessionSetupResponse(SessionFlags(0), b"")])
def test_it_parses_what_it_builds_and_refuses_every_prefix(check_codec, original):
    check_codec(original)


@pytest.mark.parametrize("name", HANDSHAKES)
def test_published_messages_are_rebuilt_to_the_byte(name):
    messages = [bytes.fromhex(message) for message in VECTORS[name]["ss"]]
    for place, message in enumerate(messages):
        codec = SessionSetupResponse if place % 2 else SessionSetupRequest
        assert codec.parse(memoryview(message)).build() == message[64:]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_published_request_says_whether_it_binds(name):
    request = SessionSetupRequest.parse(memoryview(bytes.fromhex(VECTORS[name]["ss"][0])))
    assert bool(request.flags & SessionSetupFlags.BINDING) == VECTORS[name]["binding"]
    assert request.security_buffer.startswith(b"\x60")


@pytest.mark.parametrize("codec", [SessionSetupRequest, SessionSetupResponse])
def test_another_structure_size_is_refused(codec):
    with pytest.raises(ParseError, match="StructureSize"):
        codec.parse(memoryview(bytes(64 + 30)))


@pytest.mark.fuzz
@given(data=st.data())
@pytest.mark.parametrize("original", [REQUEST, RESPONSE])
def test_damage_gives_a_message_or_a_parse_error(check_damage, damage, original, data):
    check_damage(type(original), data.draw(damage(original.build())))


CAPTURES = ["samba/ntlm_202_signed.pcapng", "samba/torture_session_bind.pcapng", "public/zeek/smb/smb3.pcap"]


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_requests(dissect, capture):
    messages = dissect(capture, "smb2.cmd==1 && smb2.flags.response==0")
    assert messages
    for dissected in messages:
        request = SessionSetupRequest.parse(dissected.message)
        assert request.flags == dissected.number("smb2.ses_req_flags")
        assert request.security_mode == dissected.number("smb2.sec_mode")
        assert request.capabilities == dissected.number("smb2.capabilities")
        assert request.previous_session_id == dissected.number("smb2.previous_sesid")
        assert request.security_buffer.hex(":") == dissected.fields["smb2.security_blob"][0]


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_responses(dissect, capture):
    legs = [
        dissected
        for dissected in dissect(capture, "smb2.cmd==1 && smb2.flags.response==1")
        if dissected.number("smb2.nt_status") in {0, 0xC0000016}
    ]
    assert legs
    for dissected in legs:
        response = SessionSetupResponse.parse(dissected.message)
        assert response.session_flags == dissected.number("smb2.session_flags")
        assert response.security_buffer.hex(":") == dissected.fields.get("smb2.security_blob", [""])[0]
