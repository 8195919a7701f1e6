import pytest

from parsers.errors import ParseError
from parsers.smb2.durable import (
    DurableFlags,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.file_id import FileId

GUID = bytes(range(16))
EXAMPLES = [
    (DurableRequest(), "00000000000000000000000000000000"),
    (DurableResponse(), "0000000000000000"),
    (DurableReconnect(FileId(0x7A80D494, 0x0C692997)), "94d4807a00000000 9729690c00000000"),
    (DurableRequestV2(60_000, DurableFlags.PERSISTENT, GUID), "60ea0000 02000000 0000000000000000" + GUID.hex()),
    (
        DurableReconnectV2(FileId(1, 2), GUID, DurableFlags(0)),
        "0100000000000000 0200000000000000" + GUID.hex() + "00000000",
    ),
    (DurableResponseV2(300_000, DurableFlags.PERSISTENT), "e0930400 02000000"),
]


@pytest.mark.parametrize(("context", "data"), EXAMPLES)
def test_a_context_has_the_bytes_of_the_specification(context, data):
    assert context.build() == bytes.fromhex(data)


@pytest.mark.parametrize(("context", "data"), EXAMPLES)
def test_a_context_is_read_back_and_refused_when_cut_short(context, data):
    built = bytes.fromhex(data)
    assert type(context).parse(built) == context
    for length in range(len(built)):
        with pytest.raises(ParseError):
            type(context).parse(built[:length])
