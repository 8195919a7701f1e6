import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss import der

# Object identifiers as they stand in captured tokens.
OIDS = {
    "06062b0601050502": "1.3.6.1.5.5.2",
    "060a2b06010401823702020a": "1.3.6.1.4.1.311.2.2.10",
    "06092a864886f712010202": "1.2.840.113554.1.2.2",
    "06092a864882f712010202": "1.2.840.48018.1.2.2",
    "06028837": "2.999",  # X.660's own example arc; the first byte holds two arcs
}


@pytest.mark.parametrize(("wire", "dotted"), OIDS.items())
def test_object_identifiers_read_and_write(wire, dotted):
    assert der.parse(bytes.fromhex(wire)).oid() == dotted
    assert der.build_oid(dotted) == bytes.fromhex(wire)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_round_trip(length):
    wire = der.build(der.OCTET_STRING, bytes(length))
    element = der.parse(wire)
    assert (element.tag, len(element.content), element.size) == (der.OCTET_STRING, length, len(wire))
    assert der.announced_size(wire) == len(wire)


def test_lengths_have_the_shortest_form():
    # X.690 8.1.3.5 and 10.1
    assert der.build(4, bytes(127))[:2] == b"\x04\x7f"
    assert der.build(4, bytes(128))[:3] == b"\x04\x81\x80"
    assert der.build(4, bytes(256))[:4] == b"\x04\x82\x01\x00"


def test_a_longer_length_than_necessary_is_accepted():
    assert bytes(der.parse(b"\x04\x82\x00\x01A").content) == b"A"


def test_children_are_read_in_order():
    wire = der.build(der.SEQUENCE, der.build(der.INTEGER, b"\x05"), der.build(der.context(2), b""))
    assert [(child.tag, bytes(child.content)) for child in der.parse(wire).children()] == [(0x02, b"\x05"), (0xA2, b"")]


@pytest.mark.parametrize("inner", [b"", b"\x04\x00", b"\x30\x00\x30\x00"])
def test_only_refuses_what_is_not_one_element_of_that_tag(inner):
    with pytest.raises(ParseError, match="the thing: one element with tag 0x30 expected"):
        der.parse(der.build(der.context(0), inner)).only(der.SEQUENCE, "the thing")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("1f8101", "more than one byte"),
        ("3080", "length of 0 bytes"),
        ("308500000000ff", "length of 5 bytes"),
        ("040201", "needs 4 bytes, 3 are here"),
        ("040101ff", "1 bytes follow"),
        ("", "DER tag needs 1 bytes"),
    ],
)
def test_what_is_not_der_is_refused(wire, reason):
    with pytest.raises(ParseError, match=reason):
        der.parse(bytes.fromhex(wire))


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x2a\x86", b"\x01" * 65])
def test_a_broken_object_identifier_is_refused(content):
    with pytest.raises(ParseError, match="object identifier"):
        der.parse(der.build(der.OBJECT_IDENTIFIER, content)).oid()


def nested(levels: int) -> der.Element:
    wire = b""
    for _ in range(levels):
        wire = der.build(der.SEQUENCE, wire)
    return der.parse(wire)


def test_nesting_is_bounded():
    def descend(element: der.Element) -> int:
        return 1 + max((descend(child) for child in element.children()), default=0)

    assert descend(nested(der.MAX_DEPTH)) == der.MAX_DEPTH
    with pytest.raises(ParseError, match="nested deeper than 24"):
        descend(nested(der.MAX_DEPTH + 1))


def test_the_announced_size_is_known_as_soon_as_the_header_is():
    wire = der.build(der.SEQUENCE, bytes(300))
    assert [der.announced_size(wire[:length]) for length in range(6)] == [None, None, None, None, 304, 304]


def test_an_announced_size_that_is_not_der_is_refused():
    with pytest.raises(ParseError):
        der.announced_size(b"\x30\x80")
    with pytest.raises(ParseError):
        der.announced_size(b"\x30\x85\x01\x01\x01\x01\x01")


@given(st.binary(max_size=60))
def test_any_bytes_are_der_or_a_parse_error(data):
    def walk(element: der.Element) -> None:
        if element.tag & 0x20:
            for child in element.children():
                walk(child)
        elif element.tag == der.OBJECT_IDENTIFIER:
            element.oid()

    try:
        element = der.parse(data)
        size = der.announced_size(data)
        assert size == element.size
        walk(element)
    except ParseError:
        return


@given(st.lists(st.integers(0, 2**40), min_size=0, max_size=6), st.integers(0, 2), st.integers(0, 39))
def test_any_object_identifier_round_trips(rest, first, second):
    dotted = ".".join(map(str, (first, second, *rest)))
    assert der.parse(der.build_oid(dotted)).oid() == dotted
