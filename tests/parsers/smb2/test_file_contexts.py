import pytest

from parsers.errors import ParseError
from parsers.smb2.access import AccessMask
from parsers.smb2.file_contexts import (
    AllocationSize,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdRequest,
    OnDiskIdResponse,
    TimewarpToken,
)

EXAMPLES = [
    (AllocationSize(4096), "0010000000000000"),
    (TimewarpToken(0x01D777C08679DAD8), "d8da7986c077d701"),
    (MaximalAccessRequest(1), "0100000000000000"),
    (MaximalAccessResponse(0xC0000022, AccessMask(0x001F01FF)), "220000c0 ff011f00"),
    (OnDiskIdResponse(5, 0xFFFFFFFFFFFFFFFF), "0500000000000000 ffffffffffffffff" + "00" * 16),
]
EMPTY = [MaximalAccessRequest(), OnDiskIdRequest()]


@pytest.mark.parametrize(("context", "data"), EXAMPLES)
def test_a_context_has_the_bytes_of_the_specification(context, data):
    assert context.build() == bytes.fromhex(data)


@pytest.mark.parametrize(("context", "data"), EXAMPLES)
def test_a_context_is_read_back_and_refused_when_cut_short(context, data):
    built = bytes.fromhex(data)
    assert type(context).parse(built) == context
    for length in range(1, len(built)):
        with pytest.raises(ParseError):
            type(context).parse(built[:length])


@pytest.mark.parametrize("context", EMPTY)
def test_some_requests_have_no_data(context):
    assert context.build() == b""
    assert type(context).parse(b"") == context
