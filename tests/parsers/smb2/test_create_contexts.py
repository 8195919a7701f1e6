"""Witness: the chain of contexts that Windows sent (zeek testing/btest/Traces/smb/smb2-multiple-pdus.pcap)."""

import pytest

from parsers.errors import ParseError
from parsers.smb2.access import AccessMask
from parsers.smb2.app_contexts import (
    AppInstanceId,
    AppInstanceVersion,
    OriginatorFlags,
    PosixRequest,
    PosixResponse,
    SvhdxOpenDevice,
    VirtualDiskProperties,
)
from parsers.smb2.create_contexts import (
    CREATE_CONTEXT,
    REQUEST_CONTEXTS,
    RESPONSE_CONTEXTS,
    RawCreateContext,
    build_create_contexts,
    parse_create_contexts,
)
from parsers.smb2.durable import (
    DurableFlags,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.file_contexts import (
    AllocationSize,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdRequest,
    OnDiskIdResponse,
    TimewarpToken,
)
from parsers.smb2.file_id import FileId
from parsers.smb2.lease import Lease, LeaseFlags, LeaseState, LeaseV2

GUID = bytes(range(16))
SID = bytes.fromhex("0101000000000001 00000000")
LEASES = (Lease(GUID, LeaseState(7), LeaseFlags(0)), LeaseV2(GUID, LeaseState(1), LeaseFlags(4), GUID[::-1], 3))
DISKS = (
    SvhdxOpenDevice(1, GUID, 0, OriginatorFlags.VHDMP, 1, "n"),
    SvhdxOpenDevice(2, GUID, 0, OriginatorFlags.VHDMP, 1, "n", VirtualDiskProperties(0, 0, 0, 0, 0)),
)
REQUESTS = (
    *LEASES,
    *DISKS,
    AllocationSize(1),
    AppInstanceId(GUID),
    AppInstanceVersion(1, 2),
    DurableReconnect(FileId(1, 2)),
    DurableReconnectV2(FileId(1, 2), GUID, DurableFlags(2)),
    DurableRequest(),
    DurableRequestV2(0, DurableFlags(0), GUID),
    MaximalAccessRequest(),
    MaximalAccessRequest(5),
    OnDiskIdRequest(),
    PosixRequest(0o644),
    RawCreateContext(b"AAPL", b"\x01\0\0\0"),
    RawCreateContext(b"ExtA", b"attributes"),
    RawCreateContext(b"SecD", b"descriptor"),
    TimewarpToken(9),
)
RESPONSES = (
    *LEASES,
    *DISKS,
    DurableResponse(),
    DurableResponseV2(60_000, DurableFlags(2)),
    MaximalAccessResponse(0, AccessMask(0x1F01FF)),
    OnDiskIdResponse(1, 2),
    PosixResponse(1, 0, 0o644, SID, SID),
    RawCreateContext(b"AAPL", b""),
)
BOTH = [
    pytest.param(REQUESTS, REQUEST_CONTEXTS, id="request"),
    pytest.param(RESPONSES, RESPONSE_CONTEXTS, id="response"),
]
WINDOWS = bytes.fromhex(
    "18000000 1000 0400 0000 0000 00000000 4d784163 00000000"
    "00000000 1000 0400 0000 1800 34000000 52714c73 00000000"
    "aa380037c6de80a30ba559d4e8af6dc5 00000000 04000000 0000000000000000 ddcaa13c97574b0189d461e272e0e4d1 0000 0000"
)


@pytest.mark.parametrize(("contexts", "parsers"), BOTH)
def test_every_kind_goes_through_one_chain_in_its_order(contexts, parsers):
    chain = memoryview(build_create_contexts(contexts))
    assert parse_create_contexts(chain, parsers) == contexts


@pytest.mark.parametrize(("contexts", "parsers"), BOTH)
def test_a_chain_that_is_cut_short_is_refused(contexts, parsers):
    chain = memoryview(build_create_contexts((*contexts[:3], contexts[0])))
    for length in range(1, len(chain)):
        with pytest.raises(ParseError):
            parse_create_contexts(chain[:length], parsers)


def test_every_known_name_and_length_has_a_parser_that_accepts_it():
    kinds = {(context.name, len(context.build())) for context in REQUESTS if not isinstance(context, RawCreateContext)}
    assert kinds == REQUEST_CONTEXTS.keys()
    for (_, size), parser in RESPONSE_CONTEXTS.items():
        parser(bytes(size))


def test_no_chain_is_no_contexts():
    assert build_create_contexts(()) == b""
    assert parse_create_contexts(memoryview(b""), REQUEST_CONTEXTS) == ()


def test_a_real_chain_is_rebuilt_to_the_byte():
    contexts = parse_create_contexts(memoryview(WINDOWS), REQUEST_CONTEXTS)
    assert [type(context) for context in contexts] == [MaximalAccessRequest, LeaseV2]
    assert build_create_contexts(contexts) == WINDOWS


def test_a_known_name_with_another_length_is_kept_raw():
    odd = RawCreateContext(b"RqLs", bytes(33))
    assert parse_create_contexts(memoryview(build_create_contexts((odd,))), REQUEST_CONTEXTS) == (odd,)


def chain_of(**replaced: int) -> memoryview:
    return memoryview(CREATE_CONTEXT.build(CREATE_CONTEXT.parse(WINDOWS)._replace(**replaced)) + WINDOWS[16:])


@pytest.mark.parametrize(
    "replaced",
    [
        {"next": 8},  # into itself
        {"next": len(WINDOWS)},  # to the end, where nothing is
        {"next": 0xFFFFFFFF},
        {"name_offset": 8},  # into its own fixed part
        {"name_offset": 0x7000},
        {"name_length": 0xFFFF},
        {"data_length": 9},
        {"data_length": 8, "data_offset": 20},  # into the following context
    ],
)
def test_a_context_out_of_its_place_is_refused(replaced):
    with pytest.raises(ParseError):
        parse_create_contexts(chain_of(**replaced), REQUEST_CONTEXTS)
