r"""Witness: real captures as tshark reads them; the extension is read as the specification words it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.access import AccessMask
from parsers.smb2.tree import (
    ShareCapabilities,
    ShareFlags,
    ShareType,
    TreeConnectContext,
    TreeConnectContextType,
    TreeConnectFlags,
    TreeConnectRequest,
    TreeConnectResponse,
)

PATH = r"\\server\share"
PLAIN = TreeConnectRequest(TreeConnectFlags(0), PATH)
EXTENDED = TreeConnectRequest(
    TreeConnectFlags.EXTENSION_PRESENT | TreeConnectFlags.REDIRECT_TO_OWNER,
    PATH,
    (
        TreeConnectContext(TreeConnectContextType.REMOTED_IDENTITY, b"ticket"),
        TreeConnectContext(TreeConnectContextType(7), b"?"),
    ),
)
RESPONSE = TreeConnectResponse(
    ShareType.DISK,
    ShareFlags.ENCRYPT_DATA | ShareFlags.NO_CACHING,
    ShareCapabilities.CONTINUOUS_AVAILABILITY,
    AccessMask(0x001F01FF),
)


@pytest.mark.parametrize("original", [PLAIN, EXTENDED, RESPONSE])
def test_it_parses_what_it_builds_and_refuses_every_prefix(check_codec, original):
    check_codec(original)


def test_the_extension_stands_before_the_path_and_its_contexts_after():
    built = EXTENDED.build()
    assert built[:8] == bytes.fromhex("0900 0600 5800 1c00")  # PathOffset 88: header, fixed part, extension
    assert built[8:24] == bytes.fromhex("78000000 0200") + bytes(10)  # the contexts, aligned, at 120
    assert built[24:52].decode("utf-16-le") == PATH
    assert built[56:70] == bytes.fromhex("0100 0600 00000000") + b"ticket"


def test_an_extension_without_contexts_is_read():
    request = TreeConnectRequest(TreeConnectFlags.EXTENSION_PRESENT, PATH)
    assert TreeConnectRequest.parse(memoryview(bytes(64) + request.build())) == request


def test_a_path_of_odd_length_is_refused():
    body = bytearray(PLAIN.build())
    body[6] -= 1
    with pytest.raises(ParseError, match="odd length"):
        TreeConnectRequest.parse(memoryview(bytes(64) + bytes(body)))


def test_the_caching_modes_exclude_each_other():
    assert ShareFlags.AUTO_CACHING | ShareFlags.VDO_CACHING == ShareFlags.NO_CACHING


@pytest.mark.fuzz
@given(data=st.data())
@pytest.mark.parametrize("original", [EXTENDED, RESPONSE])
def test_damage_gives_a_message_or_a_parse_error(check_damage, damage, original, data):
    check_damage(type(original), data.draw(damage(original.build())))


CAPTURES = ["samba/ntlm_202_signed.pcapng", "samba/ntlm_311_share_enc.pcapng", "public/zeek/smb/smb3.pcap"]


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_requests(dissect, capture):
    messages = dissect(capture, "smb2.cmd==3 && smb2.flags.response==0")
    assert messages
    for dissected in messages:
        request = TreeConnectRequest.parse(dissected.message)
        assert request.path == dissected.fields["smb2.tree"][-1]
        assert request.contexts == ()


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_responses(dissect, capture):
    messages = dissect(capture, "smb2.cmd==3 && smb2.flags.response==1 && smb2.nt_status==0")
    assert messages
    for dissected in messages:
        response = TreeConnectResponse.parse(dissected.message)
        assert response.share_type == dissected.number("smb2.share_type", -1)
        assert response.share_flags == dissected.number("smb2.share_flags")
        assert response.capabilities == dissected.number("smb2.share_caps")
        assert response.maximal_access == dissected.number("smb.access_mask")
