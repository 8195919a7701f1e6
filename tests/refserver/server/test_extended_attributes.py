"""Extended attributes (MS-FSA 2.1.5.15.5, MS-SMB2 3.3.5.9.1)."""

import pytest

from parsers import ntstatus
from parsers.smb2.create import CreateDisposition
from parsers.smb2.create_contexts import RawCreateContext
from refserver.errors import StatusError
from refserver.server.extended_attributes import parse_full_ea, set_full_ea
from tests.refserver.server.opens import Opener, opener

OVERWRITE = CreateDisposition.OVERWRITE


@pytest.fixture
def client() -> Opener:
    return opener()


def test_extended_attributes_come_with_the_file(client: Opener) -> None:
    def entry(name: bytes, value: bytes, following: int = 0) -> bytes:
        start = following.to_bytes(4, "little") + bytes([0, len(name)]) + len(value).to_bytes(2, "little")
        return start + name + b"\0" + value

    data = entry(b"ONE", b"1", 16) + bytes(3) + entry(b"TWO", b"22")
    file = client.open(contexts=[RawCreateContext(b"ExtA", data)])
    assert client.record(file).node.attributes().ea == {b"ONE": b"1", b"TWO": b"22"}
    assert parse_full_ea(data) == [(b"ONE", b"1"), (b"TWO", b"22")]
    client.open(disposition=OVERWRITE, contexts=[RawCreateContext(b"ExtA", entry(b"three", b"3"))])
    assert client.record(file).node.attributes().ea == {b"three": b"3"}


@pytest.mark.parametrize("data", [b"\1", bytes(8), bytes((0, 0, 0, 0, 0, 3, 9, 0)) + b"ONE\0", bytes((1, 0, 0, 0)) * 4])
def test_an_entry_that_leaves_its_place_is_refused(data: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        parse_full_ea(data)
    assert refused.value.status == ntstatus.STATUS_INVALID_PARAMETER


def test_names_have_no_case_and_an_empty_value_removes(client: Opener) -> None:
    node = client.record(client.open()).node
    set_full_ea(node, [(b"Name", b"1"), (b"other", b"2")])
    set_full_ea(node, [(b"NAME", b"3"), (b"OTHER", b"")])
    assert node.attributes().ea == {b"NAME": b"3"}
