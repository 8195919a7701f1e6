"""Addresses as small integers, so that flows can be grouped in columns."""

import ipaddress

import numpy as np
import numpy.typing as npt

__all__ = ["AddressBook"]


class AddressBook:
    """Gives every network address a number, the same for as long as the book lives.

    An address is its packed bytes: 4 for IPv4, 16 for IPv6.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._packed: list[bytes] = []
        self._ipv4 = np.zeros(1, np.uint32)  # sorted; 0.0.0.0 stands in it from the start, so that it is never empty
        self._ipv4_numbers = np.array([self.number(bytes(4))])

    def number(self, packed: bytes) -> int:
        """The number of one packed address."""
        known = self._numbers.get(packed)
        if known is None:
            known = self._numbers[packed] = len(self._packed)
            self._packed.append(packed)
        return known

    def number_ipv4(self, addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Numbers of many IPv4 addresses, given as big-endian integers in native order."""
        place = np.searchsorted(self._ipv4, addresses)
        if bool((self._ipv4[np.minimum(place, len(self._ipv4) - 1)] != addresses).any()):
            self._learn(addresses)
            place = np.searchsorted(self._ipv4, addresses)
        return self._ipv4_numbers[place]

    def _learn(self, addresses: npt.NDArray[np.uint32]) -> None:
        """Number new IPv4 addresses; the sorted columns beside the dictionary answer many questions at once."""
        new = np.setdiff1d(addresses, self._ipv4)
        numbers = [self.number(value.to_bytes(4, "big")) for value in new.tolist()]
        places = np.searchsorted(self._ipv4, new)
        self._ipv4 = np.insert(self._ipv4, places, new)
        self._ipv4_numbers = np.insert(self._ipv4_numbers, places, numbers)

    def number_ipv6(self, addresses: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        """Numbers of many IPv6 addresses, given as 16-byte void items."""
        return np.array([self.number(packed) for packed in addresses.tolist()], np.int64)

    def text(self, number: int) -> str:
        """The address in its usual notation."""
        return str(ipaddress.ip_address(self._packed[number]))
