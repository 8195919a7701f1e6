"""Witness: SMB1 NEGOTIATE requests of real captures, their dialects as tshark reads them."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.multiprotocol import MultiProtocolNegotiateRequest

HEADER = bytes.fromhex("ff534d42 72 00000000 18 53c8 0000 0000000000000000 0000 ffff fffe 0000 0000")
REQUEST = MultiProtocolNegotiateRequest(("NT LM 0.12", "SMB 2.002", "SMB 2.???"))


def test_it_parses_what_it_builds_and_refuses_every_prefix():
    message = memoryview(HEADER + REQUEST.build())
    assert MultiProtocolNegotiateRequest.parse(message) == REQUEST
    for length in range(len(message)):
        with pytest.raises(ParseError):
            MultiProtocolNegotiateRequest.parse(message[:length])


@pytest.mark.parametrize("dialect", ["SMB 2.002", "SMB 2.???"])
def test_either_dialect_string_offers_smb2(dialect):
    assert MultiProtocolNegotiateRequest(("NT LM 0.12", dialect)).offers_smb2


def test_smb1_alone_does_not_offer_smb2():
    assert not MultiProtocolNegotiateRequest(("NT LM 0.12",)).offers_smb2


@pytest.mark.parametrize(
    ("place", "value", "reason"), [(0, 0xFE, "not an SMB1"), (4, 0x73, "not an SMB1"), (9, 0x98, "response")]
)
def test_other_messages_are_refused(place, value, reason):
    message = bytearray(HEADER + REQUEST.build())
    message[place] = value
    with pytest.raises(ParseError, match=reason):
        MultiProtocolNegotiateRequest.parse(memoryview(message))


@pytest.mark.parametrize("strings", [b"\x02A", b"\x02A\0B\0", b"\x02A\0\0"])
def test_a_string_without_format_or_end_is_refused(strings):
    body = b"\0" + len(strings).to_bytes(2, "little") + strings
    with pytest.raises(ParseError, match="dialect string"):
        MultiProtocolNegotiateRequest.parse(memoryview(HEADER + body))


@pytest.mark.fuzz
@given(st.binary(max_size=80))
def test_any_bytes_give_dialects_or_a_parse_error(data):
    for message in (data, HEADER + data):
        try:
            parsed = MultiProtocolNegotiateRequest.parse(memoryview(message))
        except ParseError:
            continue
        assert MultiProtocolNegotiateRequest.parse(memoryview(HEADER + parsed.build())) == parsed


@pytest.mark.witness
def test_tshark_reads_the_same_dialects(shared, tshark):
    capture = shared / "captures" / "public" / "zeek" / "smb" / "smb2.pcap"
    command = [tshark, "-r", str(capture), "-Y", "smb.cmd==0x72 && smb.flags.response==0", "-T", "fields"]
    fields = ["-e", "tcp.payload", "-e", "smb.dialect.name", "-E", "aggregator=|"]
    lines = subprocess.run([*command, *fields], capture_output=True, check=True, text=True).stdout.splitlines()
    assert lines
    for line in lines:
        payload, names = line.split("\t")
        request = MultiProtocolNegotiateRequest.parse(memoryview(bytes.fromhex(payload.replace(":", "")))[4:])
        assert list(request.dialects) == names.split("|")
        assert request.offers_smb2
