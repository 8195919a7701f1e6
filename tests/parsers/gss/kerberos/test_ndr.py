import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss.kerberos.ndr import NdrReader, NdrWriter, build_sid, sid, sid_text

unhex = bytes.fromhex


def framed(body: bytes) -> bytes:
    """MS-RPCE 2.2.6: common header, private header, object."""
    return unhex("01100800cccccccc") + len(body).to_bytes(4, "little") + bytes(4) + body


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        # The examples of MS-DTYP 2.4.2.4: Everyone, Administrators; and a domain's.
        ("010100000000000100000000", "S-1-1-0"),
        ("01020000000000052000000020020000", "S-1-5-32-544"),
        ("0104000000000005150000009c3b227ba26c8319f1a2fa8a", "S-1-5-21-2065841052-428043426-2331681521"),
        ("0100ffffffffffff", "S-1-0xffffffffffff"),
    ],
)
def test_sids_are_written_as_windows_writes_them(wire, text):
    assert sid(unhex(wire)) == text
    for length in range(len(unhex(wire))):
        with pytest.raises(ParseError):
            sid(unhex(wire)[:length])
    with pytest.raises(ParseError, match="SID of revision"):
        sid(unhex(wire) + b"\x00")


def test_an_authority_of_more_than_32_bits_is_hexadecimal():
    assert sid_text(1 << 32, [1]) == "S-1-0x000100000000-1"
    assert sid_text((1 << 32) - 1, []) == "S-1-4294967295"


@pytest.mark.parametrize("wire", ["0201" + "00" * 10, "0110" + "00" * 70])
def test_other_revisions_and_too_many_sub_authorities_are_refused(wire):
    with pytest.raises(ParseError, match="SID of revision"):
        sid(unhex(wire))


def test_numbers_are_aligned_from_behind_the_headers():
    reader = NdrReader(framed(unhex("ff0000007b000000")))
    reader.take(1, "a byte")
    assert reader.number("count") == 123
    assert reader.remaining == 0
    with pytest.raises(ParseError, match="count needs 4 bytes"):
        reader.number("count")


def test_an_array_has_the_size_that_was_announced():
    body = framed((3).to_bytes(4, "little"))
    assert NdrReader(body).count(3, "groups") == 3
    with pytest.raises(ParseError, match="groups: 4 announced, 3 in the array"):
        NdrReader(body).count(4, "groups")


def string(maximum: int, offset: int, actual: int, text: str) -> bytes:
    header = b"".join(number.to_bytes(4, "little") for number in (maximum, offset, actual))
    return framed(header + text.encode("utf-16-le"))


def test_strings_are_read_in_the_length_that_their_descriptor_says():
    assert NdrReader(string(6, 0, 6, "carol\x00")).unicode_string(10, "name") == "carol"
    assert NdrReader(string(0, 0, 0, "")).unicode_string(0, "name") == ""
    broken = framed(unhex("010000000000000001000000") + b"\x00\xd8")
    assert NdrReader(broken).unicode_string(2, "name") == "\\x00\\xd8"


@pytest.mark.parametrize(
    ("maximum", "offset", "actual", "length"),
    [(5, 1, 5, 10), (4, 0, 5, 10), (5, 0, 5, 12), (0xFFFFFFFF, 0, 0xFFFFFFFF, 10)],
)
def test_strings_that_contradict_themselves_are_refused(maximum, offset, actual, length):
    with pytest.raises(ParseError, match="name"):
        NdrReader(string(maximum, offset, actual, "carol")).unicode_string(length, "name")


def test_a_sid_behind_a_pointer_has_its_count_in_front():
    inner = unhex("01020000000000052000000020020000")
    assert NdrReader(framed(unhex("02000000") + inner)).sid("SID") == "S-1-5-32-544"
    with pytest.raises(ParseError):
        NdrReader(framed(unhex("03000000") + inner + bytes(4))).sid("SID")
    with pytest.raises(ParseError, match="a SID of 4294967295 sub-authorities"):
        NdrReader(framed(unhex("ffffffff") + inner)).sid("SID")


@pytest.mark.parametrize("header", ["02100800cccccccc", "01000800cccccccc", "01100900cccccccc"])
def test_other_headers_are_refused(header):
    with pytest.raises(ParseError, match="NDR is not version 1"):
        NdrReader(unhex(header) + bytes(8))


def test_an_object_that_is_cut_off_is_refused():
    whole = framed(b"12345678")
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            NdrReader(whole[:length])


@given(st.binary(max_size=60))
def test_any_bytes_are_values_or_a_parse_error(data):
    for read in (lambda r: r.sid("x"), lambda r: r.unicode_string(4, "x"), lambda r: r.count(2, "x")):
        try:
            read(NdrReader(framed(data)))
        except ParseError:
            continue


@pytest.mark.parametrize("text", ["S-1-5-21-1-2-3-1103", "S-1-18-1", "S-1-0x123456789abc-7"])
def test_a_sid_that_is_built_is_read_again(text):
    assert sid(build_sid(text)) == text


def test_what_is_written_is_read_again():
    writer = NdrWriter()
    assert (writer.referent(), writer.referent(), writer.referent(False)) == (0x20000, 0x20004, 0)
    writer.put(b"odd")
    writer.number(7)
    writer.unicode_string("näme")
    writer.sid("S-1-5-32-544")
    built = writer.build()
    assert len(built) % 8 == 0
    reader = NdrReader(built)
    assert reader.take(3, "bytes") == b"odd"
    assert reader.number("a number") == 7
    assert reader.unicode_string(8, "a name") == "näme"
    assert reader.sid("a SID") == "S-1-5-32-544"
