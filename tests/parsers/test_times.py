"""FILETIME against Python's calendar, and against tshark for the clock of a real server."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.times import NANOSECONDS, filetime_to_ns, ns_to_filetime

BEGINNING = datetime(1601, 1, 1, tzinfo=UTC)  # of FILETIME (MS-DTYP 2.3.3)
UNIX = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = (datetime(9999, 12, 31, tzinfo=UTC) - BEGINNING) // timedelta(microseconds=1) * 10


@pytest.mark.parametrize(
    ("filetime", "moment"),
    [
        (1, "1601-01-01T00:00:00.0000001"),
        (0x019DB1DED53E8000, "1970-01-01T00:00:00"),
        (0x01D2CEF4A9E78C8A, "2017-05-17T10:02:16.5032074"),  # zeek/smb/smb3.pcap, frame 2, as tshark prints it
    ],
)
def test_known_times(filetime, moment):
    whole, _, fraction = moment.partition(".")
    seconds = (datetime.fromisoformat(whole + "+00:00") - UNIX) // timedelta(seconds=1)
    assert filetime_to_ns(filetime) == seconds * NANOSECONDS + int(fraction.ljust(9, "0"))


@given(st.integers(1, LAST_MOMENT))
def test_the_calendar_agrees(filetime):
    ns = filetime_to_ns(filetime)
    assert ns is not None
    assert UNIX + timedelta(microseconds=ns // 1000) == BEGINNING + timedelta(microseconds=filetime // 10)


@given(st.integers(1, 0x7FFF_FFFF_FFFF_FFFE))
def test_a_time_comes_back(filetime):
    ns = filetime_to_ns(filetime)
    assert ns is not None
    assert ns_to_filetime(ns) == filetime


@pytest.mark.parametrize("filetime", [0, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF])
def test_what_means_not_set_or_never_is_no_time(filetime):
    assert filetime_to_ns(filetime) is None


def test_nanoseconds_between_two_ticks_belong_to_the_earlier():
    assert ns_to_filetime(-1) == ns_to_filetime(-100) == 0x019DB1DED53E7FFF
    assert ns_to_filetime(99) == ns_to_filetime(0) == 0x019DB1DED53E8000
