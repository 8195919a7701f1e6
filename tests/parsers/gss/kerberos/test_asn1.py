from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import asn1
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey, Fields, PrincipalName
from parsers.gss.kerberos.names import Etype, NameType

unhex = bytes.fromhex
NAME = PrincipalName(NameType.SRV_INST, ("cifs", "server.example.com"))
ENCRYPTED = EncryptedData(Etype.AES256_CTS_HMAC_SHA1_96, 3, b"cipher")
KEY = EncryptionKey(Etype.RC4_HMAC, b"sixteen bytes ok")


def read(reader, wire: bytes):
    return reader(der.parse(wire))


@pytest.mark.parametrize(
    "record", [NAME, ENCRYPTED, EncryptedData(Etype(99), None, b""), KEY, PrincipalName(NameType(-5), ())]
)
def test_compound_types_round_trip_and_no_prefix_is_taken_for_them(record):
    wire = record.build()
    assert type(record).parse(der.parse(wire)) == record
    for length in range(len(wire)):
        with pytest.raises(ParseError):
            type(record).parse(der.parse(wire[:length]))


def test_a_principal_is_written_as_people_write_it():
    assert str(NAME) == "cifs/server.example.com"
    # RFC 4120 5.2.2: name-type [0] INTEGER, name-string [1] SEQUENCE OF GeneralString
    assert PrincipalName(NameType.PRINCIPAL, ("bob",)).build() == unhex("300ea003020101a10730051b03626f62")


def test_no_key_shows():
    assert "sixteen" not in repr(KEY)
    assert repr(ENCRYPTED) == "EncryptedData(aes256-cts-hmac-sha1-96, kvno 3, 6 bytes)"


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (-1, "0201ff"),
        (-128, "020180"),
        (-129, "0202ff7f"),
        (-138, "0202ff76"),
        (0xFFFFFFFF, "020500ffffffff"),
    ],
)
def test_integers_have_their_shortest_form(value, wire):
    # X.690 8.3
    assert asn1.build_integer(value) == unhex(wire)
    assert read(asn1.integer, unhex(wire)) == value


def test_a_kvno_that_was_written_as_a_negative_number_is_the_same_number():
    wire = asn1.build_fields((0, asn1.build_integer(18)), (1, unhex("0204ffff0001")), (2, asn1.build_octets(b"")))
    assert EncryptedData.parse(der.parse(wire)).kvno == 0xFFFF0001


@pytest.mark.parametrize("wire", ["0200", "020a00000000000000000000", "0a0100", "030100"])
def test_what_is_no_integer_is_refused(wire):
    with pytest.raises(ParseError, match="INTEGER"):
        read(asn1.integer, unhex(wire))


@pytest.mark.parametrize(("value", "fits"), [(0, True), (999_999, True), (1_000_000, False), (-1, False)])
def test_microseconds_are_fewer_than_a_second(value, fits):
    wire = asn1.build_integer(value)
    if fits:
        assert read(asn1.microseconds, wire) == value
    else:
        with pytest.raises(ParseError, match="microseconds"):
            read(asn1.microseconds, wire)


def test_times_are_nanoseconds():
    # RFC 4120 5.2.3 has this example: 6 November 1985, 21 hours, 6 minutes, 27 seconds after midnight.
    wire = der.build(0x18, b"19851106210627Z")
    assert read(asn1.time, wire) == int(datetime(1985, 11, 6, 21, 6, 27, tzinfo=UTC).timestamp()) * 10**9
    assert asn1.build_time(read(asn1.time, wire)) == wire


@pytest.mark.parametrize(
    ("text", "second"), [(b"99991231235959Z", 9_223_372_035), (b"00010101000000Z", -9_223_372_035)]
)
def test_times_beyond_64_bits_are_the_last_that_fit(text, second):
    assert read(asn1.time, der.build(0x18, text)) == second * 10**9


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"19851106210627",
        b"19851306210627Z",
        b"19850230000000Z",
        b"00000101000000Z",
        b"1985110621062xZ",
        b"198511062106.2Z",
        b"19851106210627.5Z",
        b"19851106250000Z",
        b"\xb2" * 14 + b"Z",
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ParseError, match="KerberosTime"):
        read(asn1.time, der.build(0x18, text))


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("03050040800000", 0x40800000),
        ("030200a0", 0xA0000000),
        ("030100", 0),
        ("0306000000000180", 1),
        ("030307ff80", 0xFF800000),
    ],
)
def test_flags_are_counted_from_the_first_bit(wire, value):
    assert read(asn1.flags, unhex(wire)) == value


@pytest.mark.parametrize("wire", ["0300", "03020800", "040400000000"])
def test_what_are_no_flags_is_refused(wire):
    with pytest.raises(ParseError, match="KerberosFlags"):
        read(asn1.flags, unhex(wire))


def test_names_that_are_not_utf_8_are_shown_as_escapes():
    assert read(asn1.text, der.build(0x1B, b"M\xfcller")) == "M\\xfcller"
    assert read(asn1.text, der.build(0x1B, "Müller".encode())) == "Müller"


def test_fields_are_found_by_number():
    fields = Fields(
        der.parse(asn1.build_fields((1, asn1.build_integer(5)), (7, asn1.build_text("x")), (9, None))), "Thing"
    )
    assert fields.need(1, asn1.integer) == 5
    assert fields.maybe(7, asn1.text) == "x"
    assert fields.maybe(9, asn1.text) is None
    with pytest.raises(ParseError, match=r"Thing has no field \[9\]"):
        fields.need(9, asn1.text)
    with pytest.raises(ParseError, match="KerberosString has tag 0x1b, found 0x02"):
        fields.maybe(1, asn1.text)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("3100", "Thing is a SEQUENCE, found tag 0x31"),
        ("3004a000a000", "does not belong there"),
        ("3003020105", "tag 0x02 that does not belong there"),
        ("3002bf00", "more than one byte"),
    ],
)
def test_other_sequences_are_refused(wire, reason):
    with pytest.raises(ParseError, match=reason):
        Fields(der.parse(unhex(wire)), "Thing")


def test_a_field_has_one_element():
    fields = Fields(der.parse(unhex("300aa000a106020101020102")), "Thing")
    for number, count in ((0, 0), (1, 2)):
        with pytest.raises(ParseError, match=rf"field \[{number}\] of Thing has {count} elements"):
            fields.need(number, asn1.integer)


def test_messages_have_the_tag_and_the_version_that_they_must():
    wire = asn1.build_application(14, (0, asn1.build_integer(4)))
    with pytest.raises(ParseError, match="AP-REP has tag 0x6f, found 0x6e"):
        asn1.application(der.parse(wire), 15, "AP-REP")
    with pytest.raises(ParseError, match="Kerberos version 4"):
        asn1.check_version(asn1.application(der.parse(wire), 14, "AP-REQ"), 0)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_parse_error(data):
    for reader in (asn1.integer, asn1.text, asn1.time, asn1.flags, PrincipalName.parse, asn1.list_of(asn1.octets)):
        try:
            read(reader, data)
        except ParseError:
            continue
