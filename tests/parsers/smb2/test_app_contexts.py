import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.app_contexts import (
    AppInstanceId,
    AppInstanceVersion,
    OriginatorFlags,
    PosixRequest,
    PosixResponse,
    SvhdxOpenDevice,
    VirtualDiskProperties,
)

GUID = bytes(range(16))
OWNER = bytes.fromhex("0105 000000000005 15000000 01000000 02000000 03000000 e8030000")  # S-1-5-21-1-2-3-1000
GROUP = bytes.fromhex("0102 000000000016 02000000 64000000")  # S-1-22-2-100
DISK = SvhdxOpenDevice(1, GUID, 3, OriginatorFlags.VHDMP, 77, "node1")
DISK_V2 = SvhdxOpenDevice(2, None, 0, OriginatorFlags.PVHDPARSER, 78, "", VirtualDiskProperties(1, 2, 512, 4096, 2**40))
CONTEXTS = [
    AppInstanceId(GUID),
    AppInstanceVersion(1, 2**64 - 1),
    DISK,
    DISK_V2,
    PosixRequest(0o100644),
    PosixResponse(1, 0, 0o755, OWNER, GROUP),
]


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_is_read_back(context):
    assert type(context).parse(context.build()) == context


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_is_refused_when_cut_short(context):
    built = context.build()
    for length in set(range(len(built))) - {168}:  # 168 bytes of version 2 are all of version 1
        with pytest.raises(ParseError):
            type(context).parse(built[:length])


@pytest.mark.parametrize(
    ("context", "data"),
    [
        (AppInstanceId(GUID), "1400 0000" + GUID.hex()),
        (AppInstanceVersion(1, 2), "1800 0000 00000000 0100000000000000 0200000000000000"),
        (PosixRequest(0o755), "ed010000"),
        (PosixResponse(2, 3, 4, OWNER, GROUP), "02000000 03000000 04000000" + OWNER.hex() + GROUP.hex()),
    ],
)
def test_a_context_has_the_bytes_of_the_specification(context, data):
    assert context.build() == bytes.fromhex(data)


def test_a_shared_virtual_disk_has_the_places_of_the_specification():
    built = DISK_V2.build()
    assert (len(DISK.build()), len(built)) == (168, 192)
    assert built[4] == 0  # no initiator id
    assert DISK.build()[40:52] == bytes.fromhex("0a00 6e006f0064006500 3100")  # length, then the host name
    assert built[168:] == bytes.fromhex("01000000 02000000 00020000 00100000 0000000000010000")


@pytest.mark.parametrize("length", [127, 0xFFFF])
def test_a_host_name_longer_than_its_field_is_refused(length):
    built = bytearray(DISK.build())
    built[40:42] = length.to_bytes(2, "little")
    with pytest.raises(ParseError, match="InitiatorHostName"):
        SvhdxOpenDevice.parse(built)


@pytest.mark.fuzz
@given(st.binary(max_size=200))
@pytest.mark.parametrize("kind", [SvhdxOpenDevice, PosixResponse])
def test_any_bytes_give_a_context_or_a_parse_error(kind, data):
    try:
        parsed = kind.parse(data)
    except ParseError:
        return
    assert kind.parse(parsed.build()) == parsed
