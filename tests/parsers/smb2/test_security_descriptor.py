"""Security descriptors (MS-DTYP 2.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.security_descriptor import (
    SECURITY_DESCRIPTOR,
    Control,
    SecurityDescriptor,
    build_ace,
    build_acl,
    build_sid,
)

u32 = st.integers(0, 0xFFFF_FFFF)
sids = st.builds(lambda authority, subs: build_sid(authority, *subs), st.integers(0, 255), st.lists(u32, max_size=15))
aces = st.builds(build_ace, st.integers(0, 1), st.integers(0, 31), u32, sids)
acls = st.lists(aces, max_size=3).map(lambda some: build_acl(*some))
PRESENT = Control.SELF_RELATIVE | Control.DACL_PRESENT | Control.SACL_PRESENT
descriptors = st.builds(
    SecurityDescriptor, st.just(PRESENT), sids | st.just(b""), sids | st.just(b""), acls | st.just(b""), acls
)
EVERYONE = build_sid(1, 0)


@given(descriptors)
def test_descriptors_survive(descriptor: SecurityDescriptor) -> None:
    assert SecurityDescriptor.parse(descriptor.build()) == descriptor


def test_a_descriptor_looks_as_the_specification_says() -> None:
    assert bytes.fromhex("010100000000000100000000") == EVERYONE
    acl = build_acl(build_ace(0, 3, 0x001F01FF, EVERYONE))
    assert acl == bytes.fromhex("02001c000100000000031400ff011f00010100000000000100000000")
    built = SecurityDescriptor(PRESENT & ~Control.SACL_PRESENT, EVERYONE, b"", b"", acl).build()
    assert built == bytes.fromhex("0100048014000000000000000000000020000000") + EVERYONE + acl
    assert SECURITY_DESCRIPTOR.size == 20


def test_a_list_without_its_bit_is_not_there() -> None:
    built = SecurityDescriptor(Control.SELF_RELATIVE, EVERYONE, b"", b"", build_acl()).build()
    assert SecurityDescriptor.parse(built) == SecurityDescriptor(Control.SELF_RELATIVE, EVERYONE)


def test_what_is_cut_short_is_none() -> None:
    data = SecurityDescriptor(PRESENT, EVERYONE, EVERYONE, build_acl(), build_acl(build_ace(0, 0, 1, EVERYONE))).build()
    for length in range(len(data)):
        with pytest.raises(ParseError):
            SecurityDescriptor.parse(data[:length])


@pytest.mark.parametrize(("place", "value"), [(0, 2), (21, 16)])
def test_revisions_and_counts_are_checked(place: int, value: int) -> None:
    data = bytearray(SecurityDescriptor(owner=EVERYONE).build() + bytes(80))
    data[place] = value
    with pytest.raises(ParseError):
        SecurityDescriptor.parse(bytes(data))


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        descriptor = SecurityDescriptor.parse(b"\1" + data)
    except ParseError:
        return
    assert len(descriptor.owner) <= len(data)
