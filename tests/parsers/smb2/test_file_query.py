"""Structures of QUERY_INFO about a file (MS-FSCC 2.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.layout import Layout
from parsers.smb2 import file_query

LAYOUTS = [
    (file_query.BASIC, 40),
    (file_query.STANDARD, 24),
    (file_query.INTERNAL, 8),
    (file_query.NUMBER, 4),
    (file_query.POSITION, 8),
    (file_query.ALL, 96),
    (file_query.NETWORK_OPEN, 56),
    (file_query.ATTRIBUTE_TAG, 8),
    (file_query.COMPRESSION, 16),
    (file_query.PIPE_LOCAL, 40),
    (file_query.FILE_ID, 24),
    (file_query.STREAM, 24),
]
STREAMS = [("::$DATA", 7, 4096), (":second:$DATA", 0, 0)]


@pytest.mark.parametrize(("layout", "size"), LAYOUTS)
def test_each_has_the_size_that_the_specification_gives(layout: Layout[tuple[object, ...]], size: int) -> None:
    assert layout.size == size
    data = bytes(range(1, size + 1))
    assert layout.build(layout.parse(data)) == data
    for length in range(size):
        with pytest.raises(ParseError):
            layout.parse(data[:length])


def test_all_is_the_others_one_after_the_other() -> None:
    data = bytes(range(96))
    everything = file_query.ALL.parse(data)
    assert everything[:6] == file_query.BASIC.parse(data)
    assert everything[6:12] == file_query.STANDARD.parse(data, 40)
    assert everything.index_number == file_query.INTERNAL.parse(data, 64).index_number
    assert everything.current_byte_offset == file_query.POSITION.parse(data, 80).current_byte_offset


@given(st.text())
def test_a_name_stands_behind_its_length(name: str) -> None:
    assert file_query.parse_name(file_query.build_name(name)) == name


def test_a_name_that_is_cut_short_is_none() -> None:
    data = file_query.build_name("name")
    for length in range(len(data)):
        with pytest.raises(ParseError):
            file_query.parse_name(data[:length])


def test_streams_survive() -> None:
    data = file_query.build_streams(STREAMS)
    assert file_query.parse_streams(data) == STREAMS
    assert file_query.build_streams([]) == b""
    assert file_query.parse_streams(b"") == []


def test_streams_that_are_cut_short_are_none() -> None:
    data = file_query.build_streams(STREAMS)
    for length in range(1, len(data)):
        with pytest.raises(ParseError):
            file_query.parse_streams(data[:length])


def test_a_stream_does_not_exceed_what_it_takes() -> None:
    with pytest.raises(ParseError):
        file_query.build_streams([(":s:$DATA", 2, 1)])


def test_the_answer_of_a_samba_server_is_read() -> None:
    """FileStreamInformation of one unnamed stream of 6 bytes, allocated 1 MiB."""
    data = bytes.fromhex(
        "00000000 0e000000 0600000000000000 0000100000000000 3a003a002400440041005400 4100".replace(" ", "")
    )
    assert file_query.parse_streams(data) == [("::$DATA", 6, 1 << 20)]
    assert file_query.build_streams([("::$DATA", 6, 1 << 20)]) == data
