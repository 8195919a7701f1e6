"""Kerberos cryptography: key derivation, encryption, checksums, keys from passwords. Pure functions.

RFC 3961 5 (simplified profile) with RFC 3962 (AES with HMAC-SHA1), RFC 8009 (AES with HMAC-SHA2), RFC 4757 (RC4).
What it refuses: DES, triple DES and Camellia, with `UnsupportedError`.
"""

import hmac
import math
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from parsers.errors import ParseError, SessionscopeError, UnsupportedError
from parsers.gss.kerberos.names import ChecksumType, Etype, etype_name
from parsers.gss.ntlm.legacy import hmac_md5, md4, md5, rc4

__all__ = [
    "MAX_ITERATIONS",
    "TagError",
    "checksum",
    "checksum_size",
    "computer_salt",
    "confounder_size",
    "decrypt",
    "default_salt",
    "derive_key",
    "encrypt",
    "is_supported",
    "key_size",
    "n_fold",
    "string_to_key",
]

MAX_ITERATIONS = 1 << 20
"""Bound of PBKDF2's count, which may come from a KDC: half a second of work."""

_BLOCK = 16
_RC4_TAG_SIZE = 16
_RC4_CONFOUNDER_SIZE = 8


class TagError(SessionscopeError):
    """The checksum of an encrypted part does not fit: another key, or bytes that are not the ones which were sent."""


@dataclass(frozen=True, slots=True)
class _Aes:
    """An AES encryption type; sizes in bytes. `sha2` is RFC 8009, which signs the ciphertext and derives otherwise."""

    hash_name: str
    key_size: int
    tag_size: int
    iterations: int
    sha2: bool


_AES: dict[int, _Aes] = {
    Etype.AES128_CTS_HMAC_SHA1_96: _Aes("sha1", 16, 12, 4096, sha2=False),
    Etype.AES256_CTS_HMAC_SHA1_96: _Aes("sha1", 32, 12, 4096, sha2=False),
    Etype.AES128_CTS_HMAC_SHA256_128: _Aes("sha256", 16, 16, 32768, sha2=True),
    Etype.AES256_CTS_HMAC_SHA384_192: _Aes("sha384", 32, 24, 32768, sha2=True),
}
_CHECKSUM_ETYPES: dict[int, int] = {
    ChecksumType.HMAC_SHA1_96_AES128: Etype.AES128_CTS_HMAC_SHA1_96,
    ChecksumType.HMAC_SHA1_96_AES256: Etype.AES256_CTS_HMAC_SHA1_96,
    ChecksumType.HMAC_SHA256_128_AES128: Etype.AES128_CTS_HMAC_SHA256_128,
    ChecksumType.HMAC_SHA384_192_AES256: Etype.AES256_CTS_HMAC_SHA384_192,
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
}
_PASSWORD_LABEL = b"kerberos"

# The purposes of a derived key (RFC 3961 5.3).
_CHECKSUM_KEY, _ENCRYPTION_KEY, _INTEGRITY_KEY = 0x99, 0xAA, 0x55


def is_supported(etype: int) -> bool:
    """Whether this module decrypts it."""
    return etype in _AES or etype == Etype.RC4_HMAC


def key_size(etype: int) -> int:
    """Bytes in a key.

    Raises:
        UnsupportedError: an encryption type that is not supported.
    """
    return 16 if etype == Etype.RC4_HMAC else _aes(etype).key_size


def confounder_size(etype: int) -> int:
    """Random bytes in front of the plaintext.

    Raises:
        UnsupportedError: an encryption type that is not supported.
    """
    if etype == Etype.RC4_HMAC:
        return _RC4_CONFOUNDER_SIZE
    _aes(etype)
    return _BLOCK


# ----------------------------------------------------------------------------------------------- encryption


def decrypt(*, etype: int, key: bytes, usage: int, data: bytes) -> bytes:
    """The plaintext of an EncryptedData's cipher, without confounder.

    Args:
        etype: of the EncryptedData.
        key: the base key; what is used is derived from it.
        usage: key usage number (RFC 4120 7.5.1).
        data: the cipher octets.

    Raises:
        TagError: the checksum does not fit.
        ParseError: the key has the wrong size, or the data is too short.
        UnsupportedError: an encryption type that is not supported.
    """
    _check(etype, key)
    tag_size = _RC4_TAG_SIZE if etype == Etype.RC4_HMAC else _aes(etype).tag_size
    if len(data) < tag_size + confounder_size(etype):
        raise ParseError(f"an encrypted part of {len(data)} bytes is too short for {etype_name(etype)}")
    if etype == Etype.RC4_HMAC:
        return _rc4_decrypt(key, usage, data)
    profile = _aes(etype)
    encryption_key, integrity_key = _keys(etype, key, usage)
    ciphertext, tag = data[:-tag_size], data[-tag_size:]
    plaintext = _cts_decrypt(encryption_key, ciphertext)
    signed = bytes(_BLOCK) + ciphertext if profile.sha2 else plaintext  # RFC 8009 5, RFC 3961 5.3
    _verify(_tag(profile, integrity_key, signed), tag)
    return plaintext[_BLOCK:]


def encrypt(*, etype: int, key: bytes, usage: int, plaintext: bytes, confounder: bytes) -> bytes:
    """The other direction of `decrypt`; `confounder` has `confounder_size(etype)` random bytes.

    Raises:
        ParseError: the key has the wrong size.
        UnsupportedError: an encryption type that is not supported.
    """
    _check(etype, key)
    assert len(confounder) == confounder_size(etype)
    if etype == Etype.RC4_HMAC:
        return _rc4_encrypt(key, usage, confounder + plaintext)
    profile = _aes(etype)
    encryption_key, integrity_key = _keys(etype, key, usage)
    ciphertext = _cts_encrypt(encryption_key, confounder + plaintext)
    signed = bytes(_BLOCK) + ciphertext if profile.sha2 else confounder + plaintext
    return ciphertext + _tag(profile, integrity_key, signed)


def checksum(*, checksum_type: int, key: bytes, usage: int, data: bytes) -> bytes:
    """A keyed checksum (RFC 3961 5.3, RFC 8009 6, RFC 4757 4).

    Raises:
        ParseError: the key has the wrong size.
        UnsupportedError: a checksum type that is not supported.
    """
    if checksum_type == ChecksumType.HMAC_MD5:  # takes keys of every size (MS-PAC 2.8.1)
        return hmac_md5(hmac_md5(key, b"signaturekey\x00"), md5(_rc4_usage(usage) + data))
    etype = _CHECKSUM_ETYPES.get(checksum_type)
    if etype is None:
        raise UnsupportedError(f"checksum type {checksum_type} is not supported")
    _check(etype, key)
    return _tag(_aes(etype), derive_key(etype=etype, key=key, usage=usage, purpose=_CHECKSUM_KEY), data)


def checksum_size(checksum_type: int) -> int | None:
    """Bytes of a checksum; None for a type that is not supported."""
    if checksum_type == ChecksumType.HMAC_MD5:
        return _RC4_TAG_SIZE
    etype = _CHECKSUM_ETYPES.get(checksum_type)
    return None if etype is None else _aes(etype).tag_size


# ----------------------------------------------------------------------------------------------- keys


def derive_key(*, etype: int, key: bytes, usage: int, purpose: int) -> bytes:
    """Kc, Ke or Ki: DK(base-key, usage | purpose) (RFC 3961 5.3), KDF-HMAC-SHA2 in RFC 8009 5. AES only.

    Args:
        etype: an AES encryption type.
        key: the base key.
        usage: key usage number.
        purpose: 0x99 checksum, 0xAA encryption, 0x55 integrity.

    Raises:
        UnsupportedError: not AES.
    """
    profile = _aes(etype)
    constant = usage.to_bytes(4, "big") + bytes((purpose,))
    if profile.sha2:
        size = profile.key_size if purpose == _ENCRYPTION_KEY else profile.tag_size
        return _kdf_hmac_sha2(profile, key, constant, size)
    return _dk(key, constant)


def n_fold(*, data: bytes, size: int) -> bytes:
    """n-fold (RFC 3961 5.1): `data` repeated, each copy rotated right by 13 bits more, summed in ones' complement.

    Args:
        data: at least one byte.
        size: bytes of the result.
    """
    bits = 8 * len(data)
    value = int.from_bytes(data, "big")
    total_size = math.lcm(len(data), size)
    copies = bytearray()
    for place in range(total_size // len(data)):
        turn = 13 * place % bits
        rotated = (value >> turn) | ((value << (bits - turn)) & ((1 << bits) - 1))
        copies += rotated.to_bytes(len(data), "big")
    total = sum(int.from_bytes(copies[at : at + size], "big") for at in range(0, total_size, size))
    while total >> (8 * size):
        total = (total & ((1 << (8 * size)) - 1)) + (total >> (8 * size))
    return total.to_bytes(size, "big")


def string_to_key(*, etype: int, password: str, salt: bytes, iterations: int | None = None) -> bytes:
    """The long-term key of a password (RFC 3962 4, RFC 8009 4, RFC 4757 2).

    Args:
        etype: encryption type of the key.
        password: as typed.
        salt: of the account; RC4 has none.
        iterations: of PBKDF2; None is the type's default.

    Raises:
        ParseError: more iterations than `MAX_ITERATIONS`, or none.
        UnsupportedError: an encryption type that is not supported.
    """
    if etype == Etype.RC4_HMAC:
        return md4(password.encode("utf-16-le", "surrogatepass"))
    profile = _aes(etype)
    count = profile.iterations if iterations is None else iterations
    if not 1 <= count <= MAX_ITERATIONS:
        raise ParseError(f"{count} iterations of PBKDF2 are out of bounds")
    if profile.sha2:
        salt = etype_name(etype).encode() + b"\x00" + salt
    kdf = PBKDF2HMAC(_HASHES[profile.hash_name], profile.key_size, salt, count)
    tkey = kdf.derive(password.encode("utf-8", "surrogatepass"))
    if profile.sha2:
        return _kdf_hmac_sha2(profile, tkey, _PASSWORD_LABEL, profile.key_size)
    return _dk(tkey, _PASSWORD_LABEL)


def default_salt(*, realm: str, components: tuple[str, ...]) -> bytes:
    """Realm and name, one behind the other (RFC 4120 4); users of Active Directory have it too (MS-KILE 3.1.1.2)."""
    return (realm + "".join(components)).encode()


def computer_salt(*, realm: str, account: str) -> bytes:
    """Of a computer account of Active Directory, e.g. `DC1$` (MS-KILE 3.1.1.2)."""
    return f"{realm}host{account.removesuffix('$').lower()}.{realm.lower()}".encode()


# ----------------------------------------------------------------------------------------------- helpers


def _aes(etype: int) -> _Aes:
    profile = _AES.get(etype)
    if profile is None:
        raise UnsupportedError(f"{etype_name(etype)} is not supported")
    return profile


def _check(etype: int, key: bytes) -> None:
    size = key_size(etype)
    if len(key) != size:
        raise ParseError(f"a key for {etype_name(etype)} has {len(key)} bytes, not {size}")


def _keys(etype: int, key: bytes, usage: int) -> tuple[bytes, bytes]:
    """Ke and Ki."""
    return (
        derive_key(etype=etype, key=key, usage=usage, purpose=_ENCRYPTION_KEY),
        derive_key(etype=etype, key=key, usage=usage, purpose=_INTEGRITY_KEY),
    )


def _dk(key: bytes, constant: bytes) -> bytes:
    """DK (RFC 3961 5.1): AES of the folded constant, of its result, and so on. random-to-key does nothing for AES."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    block = n_fold(data=constant, size=_BLOCK)
    derived = b""
    while len(derived) < len(key):
        block = encryptor.update(block)
        derived += block
    return derived


def _kdf_hmac_sha2(profile: _Aes, key: bytes, label: bytes, size: int) -> bytes:
    """KDF-HMAC-SHA2 (RFC 8009 3)."""
    message = b"\x00\x00\x00\x01" + label + b"\x00" + (8 * size).to_bytes(4, "big")
    return hmac.digest(key, message, profile.hash_name)[:size]


def _tag(profile: _Aes, key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, profile.hash_name)[: profile.tag_size]


def _verify(expected: bytes, tag: bytes) -> None:
    if not hmac.compare_digest(expected, tag):
        raise TagError("the checksum of an encrypted part does not fit")


def _cts_encrypt(key: bytes, data: bytes) -> bytes:
    """CBC with ciphertext stealing, the last two blocks always exchanged (RFC 3962 5); the first vector is zero."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK))).encryptor()
    blocks = encryptor.update(data + bytes(-len(data) % _BLOCK))
    if len(data) <= _BLOCK:
        return blocks
    last = len(data) - len(blocks) + _BLOCK  # bytes in the last block, 1 to 16
    return blocks[: -2 * _BLOCK] + blocks[-_BLOCK:] + blocks[-2 * _BLOCK :][:last]


def _cts_decrypt(key: bytes, data: bytes) -> bytes:
    """The other direction of `_cts_encrypt`; at least one block."""
    if len(data) == _BLOCK:
        return Cipher(algorithms.AES(key), modes.ECB()).decryptor().update(data)  # noqa: S305
    last = (len(data) - 1) % _BLOCK + 1
    head, swapped, stolen = data[: -_BLOCK - last], data[-_BLOCK - last : -last], data[-last:]
    # What CBC would xor into the last block is the stolen ciphertext; its missing end decrypts to itself.
    middle = Cipher(algorithms.AES(key), modes.ECB()).decryptor().update(swapped)  # noqa: S305
    complete = stolen + middle[last:]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK))).decryptor()
    return decryptor.update(head + complete + swapped)[: len(data)]


def _rc4_usage(usage: int) -> bytes:
    """The message type T of RFC 4757 3, little-endian: the usage, but for the replies of a KDC."""
    return (8 if usage in (3, 9) else usage).to_bytes(4, "little")


def _rc4_encrypt(key: bytes, usage: int, data: bytes) -> bytes:
    """RFC 4757 5."""
    k1 = hmac_md5(key, _rc4_usage(usage))
    tag = hmac_md5(k1, data)
    return tag + rc4(hmac_md5(k1, tag), data)


def _rc4_decrypt(key: bytes, usage: int, data: bytes) -> bytes:
    """RFC 4757 5."""
    k1 = hmac_md5(key, _rc4_usage(usage))
    tag = data[:_RC4_TAG_SIZE]
    plaintext = rc4(hmac_md5(k1, tag), data[_RC4_TAG_SIZE:])
    _verify(hmac_md5(k1, plaintext), tag)
    return plaintext[_RC4_CONFOUNDER_SIZE:]
