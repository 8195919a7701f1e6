"""Witness: CREATE messages of Samba, Windows and macOS in real captures, as tshark reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.access import AccessMask
from parsers.smb2.create import (
    CREATE_REQUEST,
    CreateAction,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    CreateResponseFlags,
    FileAttributes,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from parsers.smb2.create_contexts import RawCreateContext
from parsers.smb2.durable import DurableFlags, DurableReconnect, DurableRequestV2, DurableResponseV2
from parsers.smb2.file_contexts import MaximalAccessRequest, MaximalAccessResponse
from parsers.smb2.file_id import FileId
from parsers.smb2.lease import Lease, LeaseFlags, LeaseState, LeaseV2

LEASE = LeaseV2(bytes(range(16)), LeaseState(7), LeaseFlags(4), bytes(16), 1)


def request(name: str, *contexts) -> CreateRequest:
    return CreateRequest(
        OplockLevel.LEASE,
        ImpersonationLevel.IMPERSONATION,
        AccessMask.FILE_READ_DATA | AccessMask.SYNCHRONIZE,
        FileAttributes.NORMAL,
        ShareAccess.READ | ShareAccess.DELETE,
        CreateDisposition.OPEN_IF,
        CreateOptions.NON_DIRECTORY_FILE,
        name,
        contexts,
    )


REQUEST = request("dir\\a.txt", LEASE, MaximalAccessRequest())
RESPONSE = CreateResponse(
    OplockLevel.LEASE,
    CreateResponseFlags.REPARSEPOINT,
    CreateAction.CREATED,
    *range(1, 5),
    allocation_size=4096,
    end_of_file=12,
    file_attributes=FileAttributes.ARCHIVE,
    file_id=FileId(0x1122, 2**64 - 1),
    contexts=(LEASE, MaximalAccessResponse(0, AccessMask(0x1F01FF))),
)


@pytest.mark.parametrize("original", [REQUEST, request("a"), request("", LEASE), RESPONSE])
def test_it_parses_what_it_builds_and_refuses_every_prefix(check_codec, original):
    check_codec(original)


def test_the_root_without_contexts_has_one_byte_of_buffer(check_codec):
    assert request("").build()[CREATE_REQUEST.size :] == b"\0"
    check_codec(request(""), optional=1)


def test_contexts_begin_aligned_after_the_name():
    fixed = CREATE_REQUEST.parse(REQUEST.build())
    assert (fixed.name_offset, fixed.name_length) == (120, 18)
    assert (fixed.create_contexts_offset, fixed.create_contexts_length) == (144, 100)


def test_a_name_of_lone_surrogates_survives():
    odd = request("a\ud83d\udc00b\ud800\\\udfff")
    assert CreateRequest.parse(memoryview(bytes(64) + odd.build())).name == "a\U0001f400b\ud800\\\udfff"


def test_a_name_of_odd_length_is_refused():
    body = CREATE_REQUEST.build(CREATE_REQUEST.parse(REQUEST.build())._replace(name_length=17))
    with pytest.raises(ParseError, match="file name has an odd length"):
        CreateRequest.parse(memoryview(bytes(64) + body + bytes(200)))


@pytest.mark.parametrize("codec", [CreateRequest, CreateResponse])
def test_another_structure_size_is_refused(codec):
    with pytest.raises(ParseError, match="StructureSize"):
        codec.parse(memoryview(bytes(64 + 100)))


def test_what_is_read_outlives_its_buffer():
    message = bytearray(bytes(64) + RESPONSE.build())
    parsed = CreateResponse.parse(memoryview(message))
    message[:] = bytes(len(message))
    assert parsed == RESPONSE


@pytest.mark.fuzz
@given(data=st.data())
@pytest.mark.parametrize("original", [REQUEST, RESPONSE])
def test_damage_gives_a_message_or_a_parse_error(check_damage, damage, original, data):
    check_damage(type(original), data.draw(damage(original.build())))


CAPTURES = [
    "samba/torture_lease.pcapng",
    "samba/torture_durable_open.pcapng",
    "samba/torture_replay.pcapng",
    "public/suricata/smb2-delete/input.pcap",
    "public/suricata/smb-length-5786/input.pcap",
    "public/zeek/smb/smb2-multiple-pdus.pcap",
]


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_requests(dissect, capture):
    messages = of_create(dissect(capture, "smb2.cmd==5 && smb2.flags.response==0"), response=False)
    assert messages
    for dissected in messages:
        parsed = CreateRequest.parse(dissected.message)
        assert parsed.requested_oplock_level == dissected.number("smb2.create.oplock")
        assert parsed.impersonation_level == dissected.number("smb2.impersonation.level")
        assert parsed.desired_access == dissected.number("smb.access_mask")
        assert parsed.file_attributes == dissected.number("smb2.file_attribute")
        assert parsed.share_access == dissected.number("smb.share_access")
        assert parsed.create_disposition == dissected.number("smb2.create.disposition")
        assert parsed.create_options == dissected.number("smb.create_options")
        assert parsed.name == dissected.fields["smb2.filename"][0]
        check_contexts(parsed.contexts, dissected)


@pytest.mark.witness
@pytest.mark.parametrize("capture", CAPTURES)
def test_tshark_reads_the_same_responses(dissect, capture):
    messages = of_create(dissect(capture, "smb2.cmd==5 && smb2.flags.response==1"), response=True)
    assert messages
    for dissected in messages:
        parsed = CreateResponse.parse(dissected.message)
        assert parsed.oplock_level == dissected.number("smb2.create.oplock")
        assert parsed.create_action == dissected.number("smb2.create.action")
        assert parsed.end_of_file == dissected.number("smb2.eof")
        assert parsed.allocation_size == dissected.number("smb2.allocation_size")
        assert parsed.file_attributes == dissected.number("smb2.file_attribute")
        assert as_guid(file_id_bytes(parsed.file_id)) == dissected.fields["smb2.fid"][0]
        check_contexts(parsed.contexts, dissected)


def of_create(messages, *, response):
    """A compound's frame shows all its messages: only the CREATEs that have a CREATE body."""
    return [
        dissected
        for dissected in messages
        if dissected.number("smb2.cmd") == 5
        and dissected.number("smb2.flags.response") == response
        and (not response or dissected.number("smb2.nt_status") == 0)
    ]


def check_contexts(contexts, dissected):
    names = [context.name.decode("latin-1") for context in contexts if len(context.name) == 4]
    assert names == dissected.fields.get("smb2.tag", [])
    assert not [context for context in contexts if isinstance(context, RawCreateContext) and context.name != b"AAPL"]
    leases = [context for context in contexts if isinstance(context, Lease | LeaseV2)]
    assert [as_guid(lease.lease_key) for lease in leases] == dissected.fields.get("smb2.lease.lease_key", [])
    assert [lease.lease_state for lease in leases] == numbers(dissected, "smb2.lease.lease_state")
    assert [lease.lease_flags for lease in leases] == numbers(dissected, "smb2.lease.lease_flags")
    epochs = [lease.epoch for lease in leases if isinstance(lease, LeaseV2)]
    assert epochs == numbers(dissected, "smb2.lease.lease_oplock")
    timed = [context for context in contexts if isinstance(context, DurableRequestV2 | DurableResponseV2)]
    assert [context.timeout for context in timed] == numbers(dissected, "smb2.dh2x.timeout")
    for context in contexts:
        if isinstance(context, DurableRequestV2):
            assert as_guid(context.create_guid) == dissected.fields["smb2.dh2x.create_guid"][0]
            assert context.flags & DurableFlags.PERSISTENT == 2 * dissected.number("smb2.dh2x.flags.persistent_handle")
        if isinstance(context, DurableReconnect):
            assert as_guid(file_id_bytes(context.file_id)) == dissected.fields["smb2.fid"][-1]


def numbers(dissected, name):
    return [int(value, 0) for value in dissected.fields.get(name, [])]


def file_id_bytes(file_id: FileId) -> bytes:
    return file_id.persistent.to_bytes(8, "little") + file_id.volatile.to_bytes(8, "little")


def as_guid(data: bytes) -> str:
    """As MS-DTYP 2.3.4.2 prints 16 bytes: three little-endian parts, then the rest as it is."""
    parts = (data[3::-1], data[5:3:-1], data[7:5:-1], data[8:10], data[10:])
    return "-".join(part.hex() for part in parts)
