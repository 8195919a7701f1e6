"""Broken primitives that NTLM and Kerberos RC4 cannot do without: MD4, RC4, single DES.

Everything weak is here, under its name, so that nothing else uses it by accident. None of it protects anything: it
recomputes what was recorded.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

__all__ = ["des", "hmac_md5", "md4", "md5", "rc4"]

_MASK = 0xFFFFFFFF
_START: tuple[int, ...] = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)


def md4(data: bytes) -> bytes:
    """MD4 (RFC 1320). Written out, because OpenSSL 3 offers it only through a provider that is often absent."""
    length = len(data)
    data += b"\x80" + bytes((55 - length) % 64) + struct.pack("<Q", (8 * length) & 0xFFFFFFFFFFFFFFFF)
    state = _START
    for block in struct.iter_unpack("<16I", data):
        a, b, c, d = state
        for function, constant, order, shifts in _ROUNDS:
            for place, index in enumerate(order):
                total = (a + function(b, c, d) + block[index] + constant) & _MASK
                shift = shifts[place & 3]
                a, b, c, d = d, ((total << shift) | (total >> (32 - shift))) & _MASK, b, c
        state = tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))
    return struct.pack("<4I", *state)


def md5(data: bytes) -> bytes:
    """MD5 (RFC 1321)."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def hmac_md5(key: bytes, data: bytes) -> bytes:
    """HMAC-MD5 (RFC 2104)."""
    return hmac.digest(key, data, "md5")


def rc4(key: bytes, data: bytes) -> bytes:
    """RC4 from the start of its key stream; encrypting and decrypting are one."""
    return Cipher(ARC4(key), mode=None).encryptor().update(data)


def des(key: bytes, block: bytes) -> bytes:
    """Single DES of one 8-byte block with a 7-byte key, whose bits are spread over 8 bytes (MS-NLMP 6, DES).

    Triple DES with one key three times is single DES.
    """
    bits = int.from_bytes(key, "big")
    spread = bytes((bits >> (49 - 7 * place) & 0x7F) << 1 for place in range(8))
    return Cipher(TripleDES(spread * 3), modes.ECB()).encryptor().update(block)  # noqa: S305


def _f(x: int, y: int, z: int) -> int:
    return (x & y) | (~x & z)


def _g(x: int, y: int, z: int) -> int:
    return (x & y) | (x & z) | (y & z)


def _h(x: int, y: int, z: int) -> int:
    return x ^ y ^ z


# Function, constant, order of the 16 words and the four shifts of each round (RFC 1320 3.4).
_ROUNDS: tuple[tuple[Callable[[int, int, int], int], int, tuple[int, ...], tuple[int, ...]], ...] = (
    (_f, 0x00000000, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), (3, 7, 11, 19)),
    (_g, 0x5A827999, (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13)),
    (_h, 0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)
