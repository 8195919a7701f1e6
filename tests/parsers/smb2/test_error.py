"""Witness: the specification's example of a symbolic link (MS-SMB2 2.2.2.2.1.1), and failures of real servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.error import (
    ErrorContext,
    ErrorId,
    ErrorResponse,
    SymbolicLinkError,
    SymlinkFlags,
    parse_required_length,
)

REDIRECT = ErrorContext(ErrorId.SHARE_REDIRECT, b"moved")
DEFAULT = ErrorContext(ErrorId.DEFAULT, b"\x10\x27\0\0")
LINK = SymbolicLinkError(
    0x2E,
    SymlinkFlags(0),
    r"\??\D:\DonHall\MiscDocuments\PDocs",
    r"D:\DonHall\MiscDocuments\PDocs",
)


@pytest.mark.parametrize(
    ("response", "optional"),
    [
        (ErrorResponse(), 1),
        (ErrorResponse(error_data=b"\x10\x27\0\0"), 0),
        (ErrorResponse(contexts=(REDIRECT,)), 0),
        (ErrorResponse(contexts=(REDIRECT, DEFAULT)), 0),
    ],
)
def test_it_parses_what_it_builds_and_refuses_every_prefix(check_codec, response, optional):
    check_codec(response, optional)


def test_contexts_are_aligned_to_eight_bytes():
    built = ErrorResponse(contexts=(REDIRECT, DEFAULT)).build()
    assert built[8:] == bytes.fromhex("05000000 53526472 6d6f766564 000000 04000000 00000000 10270000")


def test_an_empty_error_ends_in_one_byte():
    assert ErrorResponse().build() == b"\x09\0" + bytes(7)


def test_the_error_data_is_the_default_context_or_plain():
    assert ErrorResponse(contexts=(REDIRECT, DEFAULT)).default_data == DEFAULT.data
    assert ErrorResponse(error_data=b"plain").default_data == b"plain"
    assert ErrorResponse(contexts=(REDIRECT,)).default_data == b""


def test_the_required_length_is_four_bytes():
    assert parse_required_length(DEFAULT.data) == 10_000
    with pytest.raises(ParseError):
        parse_required_length(b"\0\0\0")


def test_a_symbolic_link_has_the_lengths_of_the_published_example():
    built = LINK.build()
    assert int.from_bytes(built[18:20], "little") == 0x44  # SubstituteNameLength
    assert int.from_bytes(built[:4], "little") == len(built) - 4  # SymLinkLength
    assert int.from_bytes(built[12:14], "little") == len(built) - 28 + 12  # ReparseDataLength: PathBuffer plus 12
    assert SymbolicLinkError.parse(built) == LINK
    for length in range(len(built)):
        with pytest.raises(ParseError):
            SymbolicLinkError.parse(built[:length])


def test_another_tag_than_that_of_a_link_is_refused():
    with pytest.raises(ParseError, match="SymLinkErrorTag"):
        SymbolicLinkError.parse(LINK.build()[:4] + bytes(4) + LINK.build()[8:])


@pytest.mark.fuzz
@given(data=st.data())
def test_damage_gives_an_error_response_or_a_parse_error(check_damage, damage, data):
    check_damage(ErrorResponse, data.draw(damage(ErrorResponse(contexts=(REDIRECT, DEFAULT)).build())))


@pytest.mark.fuzz
@given(st.binary(max_size=60))
def test_any_bytes_give_a_link_or_a_parse_error(data):
    for damaged in (data, LINK.build()[:12] + data):
        try:
            parsed = SymbolicLinkError.parse(damaged)
        except ParseError:
            continue
        assert SymbolicLinkError.parse(parsed.build()) == parsed


@pytest.mark.witness
@pytest.mark.parametrize(
    ("capture", "filter_"),
    [
        ("samba/torture_lease.pcapng", "smb2.cmd==5 && smb2.nt_status!=0"),
        ("public/zeek/smb/smb_v2_only_non_zero_reserved1.pcap", "smb2.cmd==5 && smb2.nt_status!=0"),
    ],
)
def test_failures_of_real_servers_carry_no_data(dissect, capture, filter_):
    failures = [dissected for dissected in dissect(capture, filter_) if dissected.number("smb2.nt_status")]
    assert failures
    for dissected in failures:
        assert ErrorResponse.parse(dissected.message) == ErrorResponse()
