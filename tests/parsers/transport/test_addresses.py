"""Addresses as numbers, against Python's ipaddress."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from parsers.transport.addresses import AddressBook

IPV4 = st.integers(0, 2**32 - 1) | st.integers(0x0A000000, 0x0A000010)  # few enough that some come again
IPV6 = st.integers(0, 2**128 - 1) | st.integers(0, 5)


@given(st.lists(st.lists(IPV4, max_size=30), max_size=5), st.sampled_from(["<u4", ">u4"]))
def test_numbers_stand_for_the_same_ipv4_addresses_in_every_block(blocks, dtype):
    book = AddressBook()
    numbers = [book.number_ipv4(np.array(block, dtype)) for block in blocks]
    for block, column in zip(blocks, numbers, strict=True):
        assert column.dtype == np.int64
        assert [book.text(number) for number in column.tolist()] == [str(IPv4Address(value)) for value in block]
    values = [value for block in blocks for value in block]
    pairs = set(zip(values, [number for column in numbers for number in column.tolist()], strict=True))
    assert len(pairs) == len({value for value, _ in pairs}) == len({number for _, number in pairs})


@given(st.lists(IPV6, max_size=30))
def test_numbers_stand_for_the_same_ipv6_addresses(values):
    book = AddressBook()
    packed = [value.to_bytes(16, "big") for value in values]
    column = book.number_ipv6(np.array([np.void(each) for each in packed], "V16"))
    assert column.dtype == np.int64
    assert [book.text(number) for number in column.tolist()] == [str(IPv6Address(value)) for value in values]
    assert [book.number(each) for each in packed] == column.tolist()


@given(st.lists(st.ip_addresses(), max_size=30))
def test_one_address_has_the_number_that_it_has_among_many(addresses):
    book = AddressBook()
    first = {str(address): book.number(address.packed) for address in addresses}
    column = book.number_ipv4(np.array([int(address) for address in addresses if address.version == 4], np.uint32))
    assert column.tolist() == [first[str(address)] for address in addresses if address.version == 4]
    assert {book.text(number): number for number in first.values()} == first


def test_the_versions_of_an_address_are_not_the_same():
    book = AddressBook()
    assert book.number(bytes(4)) != book.number(bytes(16))
    mapped = ip_address("::ffff:10.0.0.1")
    assert book.number(mapped.packed) != book.number(mapped.ipv4_mapped.packed)


def test_no_addresses_give_no_numbers():
    assert AddressBook().number_ipv4(np.empty(0, np.uint32)).tolist() == []
    assert AddressBook().number_ipv6(np.empty(0, "V16")).tolist() == []
