import pytest

from parsers.errors import ParseError
from parsers.smb2.simple import SimpleBody


def test_it_is_four_bytes(check_codec):
    check_codec(SimpleBody())
    assert SimpleBody().build() == b"\x04\0\0\0"


def test_another_size_is_refused():
    with pytest.raises(ParseError, match="StructureSize is 9"):
        SimpleBody.parse(memoryview(bytes(64) + b"\x09\0\0\0"))


@pytest.mark.witness
def test_the_trivial_messages_of_a_real_capture_are_trivial(dissect):
    trivial = "(smb2.cmd==2 || smb2.cmd==4 || smb2.cmd==13) && smb2.nt_status==0"
    messages = dissect("samba/ntlm_202_signed.pcapng", trivial)
    assert {dissected.number("smb2.cmd") for dissected in messages} >= {4}
    for dissected in messages:
        assert SimpleBody.parse(dissected.message).build() == dissected.message[64:]
