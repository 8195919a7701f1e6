import pytest

from parsers.errors import ParseError
from parsers.smb2.context_list import build_context_list, parse_context_list

PAIRS = [(1, b"abc"), (0x100, b""), (8, b"12345678")]
WIRE = bytes.fromhex("0100 0300 00000000 616263 0000000000 0001 0000 00000000 0800 0800 00000000 3132333435363738")


def test_contexts_are_aligned_but_the_last_is_not_padded():
    assert build_context_list(PAIRS) == WIRE
    assert parse_context_list(memoryview(bytes(64) + WIRE), 64, 3) == PAIRS


def test_no_contexts_need_no_place():
    assert build_context_list([]) == b""
    assert parse_context_list(memoryview(b""), 0, 0) == []


def test_a_context_that_is_cut_short_is_refused():
    message = memoryview(bytes(64) + WIRE)
    for length in range(len(message)):
        with pytest.raises(ParseError):
            parse_context_list(message[:length], 64, 3)


def test_more_contexts_than_there_are_are_refused():
    with pytest.raises(ParseError, match="context header"):
        parse_context_list(memoryview(bytes(64) + WIRE), 64, 0xFFFF)


def test_a_context_inside_of_the_header_is_refused():
    with pytest.raises(ParseError, match="context header"):
        parse_context_list(memoryview(bytes(64) + WIRE), 8, 1)
