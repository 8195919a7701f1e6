"""SMB2 cryptography: key derivation, preauthentication hash, signatures and encryption (MS-SMB2 3.1.4, 3.1.5).

Derivation is pure functions. `Signer` and `Decryptor` hold nothing but a prepared key, because setting one up costs
as much as using it on a small message. Which key belongs to which message is decided elsewhere.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from parsers.enums import OpenEnum
from parsers.errors import ParseError, SessionscopeError, UnsupportedError, UsageError
from parsers.layout import Buffer
from parsers.secret import Secret
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.transform import (
    TRANSFORM_ENCRYPTED,
    TRANSFORM_HEADER,
    TRANSFORM_PROTOCOL_ID,
    TransformHeaderFixed,
)

__all__ = [
    "PREAUTH_START",
    "Cipher",
    "Decryptor",
    "Derivation",
    "SessionKeys",
    "Signer",
    "SigningAlgorithm",
    "TagError",
    "derivations",
    "derive_keys",
    "encrypt",
    "kdf",
    "key_size",
    "preauth_hash",
    "signature",
]

PREAUTH_START = bytes(64)
"""Value of a connection's preauthentication hash before its first message (MS-SMB2 3.3.5.4)."""

_SESSION_KEY_SIZE = 16
_NO_SIGNATURE = bytes(16)
_TRANSFORM_SIZE = TRANSFORM_HEADER.size


class Cipher(OpenEnum):
    """MS-SMB2 2.2.3.1.2, Ciphers."""

    AES_128_CCM = 1
    AES_128_GCM = 2
    AES_256_CCM = 3
    AES_256_GCM = 4


class SigningAlgorithm(OpenEnum):
    """MS-SMB2 2.2.3.1.7, SigningAlgorithms."""

    HMAC_SHA256 = 0
    AES_CMAC = 1
    AES_GMAC = 2


class TagError(SessionscopeError):
    """The tag does not fit: another key, or bytes that are not the ones which were sent."""


# ----------------------------------------------------------------------------------------------- keys


class Derivation(StrEnum):
    """How keys were derived from the session key; the wording is for people.

    Implementations disagree about AES-256 ciphers, because MS-SMB2 3.1.4.2 asks for L = 256 without saying for which
    keys. The first way is what Windows and Samba do. `SIGNING_L256` changes the signing key alone (Linux clients),
    `CIPHER_KEYS_FROM_16_BYTES` the cipher keys alone (Linux clients with a 32-byte Kerberos key).
    """

    SPECIFIED = "as specified"
    SIGNING_L256 = "signing key derived with L = 256 and cut to 16 bytes"
    CIPHER_KEYS_FROM_16_BYTES = "cipher keys derived from the first 16 bytes of the session key"


@dataclass(frozen=True, slots=True)
class SessionKeys(Secret):
    """The keys of one session, or of one channel (of which only `signing` counts).

    The directions are absolute: `client_to_server` is EncryptionKey on the client and DecryptionKey on the server.
    They are None where no cipher exists (dialects 2.x; 3.1.1 without a negotiated cipher).
    """

    signing: bytes = field(repr=False)
    application: bytes = field(repr=False)
    client_to_server: bytes | None = field(default=None, repr=False)
    server_to_client: bytes | None = field(default=None, repr=False)


def kdf(*, key: bytes, label: bytes, context: bytes, bits: int = 128) -> bytes:
    """SP 800-108 counter mode with HMAC-SHA256 and r = 32, one block (MS-SMB2 3.1.4.2).

    HMAC-SHA256(Ki, 00000001h || Label || 00h || Context || L), leftmost L bits; the label carries its own NUL too.

    Args:
        key: Ki.
        label: with its terminating NUL.
        context: constant with its NUL (3.0.x), or the 64-byte preauthentication hash (3.1.1).
        bits: L, 128 or 256.
    """
    fixed_input = b"\x00\x00\x00\x01" + label + b"\x00" + context + bits.to_bytes(4, "big")
    return hmac.digest(key, fixed_input, "sha256")[: bits // 8]


def preauth_hash(*, previous: bytes, message: Buffer) -> bytes:
    """SHA-512(previous || message), 64 bytes (MS-SMB2 3.3.5.4, 3.3.5.5).

    Args:
        previous: `PREAUTH_START`, or the hash after the message before.
        message: from the SMB2 header to the last byte that was sent, signature as sent, without transport header.
    """
    digest = hashlib.sha512(previous)
    digest.update(message)
    return digest.digest()


def key_size(cipher: int) -> int:
    """Bytes in a key of `cipher`.

    Raises:
        UnsupportedError: no such cipher is known.
    """
    if cipher in (Cipher.AES_128_CCM, Cipher.AES_128_GCM):
        return 16
    if cipher in (Cipher.AES_256_CCM, Cipher.AES_256_GCM):
        return 32
    raise UnsupportedError(f"cipher {Cipher(cipher).name} is not supported")


def derive_keys(
    *, dialect: int, session_key: bytes, preauth_hash: bytes | None = None, cipher: int | None = None
) -> SessionKeys:
    """The keys of a session (MS-SMB2 3.3.5.5.3; 3.3.1.8 for their sizes).

    Args:
        dialect: 0x0202, 0x0210, 0x0300, 0x0302 or 0x0311.
        session_key: the whole key that GSS gave, of any length. `Session.SessionKey` is its first 16 bytes, padded
            with zeros; `Session.FullSessionKey`, which only AES-256 ciphers use, is all of it.
        preauth_hash: `Session.PreauthIntegrityHashValue`, 64 bytes; only 3.1.1 uses it, and needs it.
        cipher: the negotiated one, or None; 3.0.x has only AES-128-CCM, and older dialects have none.

    Raises:
        UnsupportedError: unknown dialect or cipher.
    """
    short_key = session_key[:_SESSION_KEY_SIZE].ljust(_SESSION_KEY_SIZE, b"\x00")
    if dialect in (Dialect.SMB_2_0_2, Dialect.SMB_2_1):
        return SessionKeys(signing=short_key, application=short_key)
    if dialect in (Dialect.SMB_3_0, Dialect.SMB_3_0_2):
        return SessionKeys(
            signing=kdf(key=short_key, label=b"SMB2AESCMAC\x00", context=b"SmbSign\x00"),
            application=kdf(key=short_key, label=b"SMB2APP\x00", context=b"SmbRpc\x00"),
            client_to_server=kdf(key=short_key, label=b"SMB2AESCCM\x00", context=b"ServerIn \x00"),
            server_to_client=kdf(key=short_key, label=b"SMB2AESCCM\x00", context=b"ServerOut\x00"),
        )
    if dialect != Dialect.SMB_3_1_1:
        raise UnsupportedError(f"no key derivation is known for dialect {Dialect(dialect).display}")
    if preauth_hash is None:
        raise ValueError("keys of dialect 3.1.1 need the preauthentication hash")
    # Signing and application keys have 128 bits and come from 16 bytes under every cipher (Derivation says more).
    signing = kdf(key=short_key, label=b"SMBSigningKey\x00", context=preauth_hash)
    application = kdf(key=short_key, label=b"SMBAppKey\x00", context=preauth_hash)
    if cipher is None:
        return SessionKeys(signing, application)
    bits = 8 * key_size(cipher)
    cipher_key = session_key if bits == 256 else short_key
    return SessionKeys(
        signing,
        application,
        client_to_server=kdf(key=cipher_key, label=b"SMBC2SCipherKey\x00", context=preauth_hash, bits=bits),
        server_to_client=kdf(key=cipher_key, label=b"SMBS2CCipherKey\x00", context=preauth_hash, bits=bits),
    )


def derivations(
    *, dialect: int, session_key: bytes, preauth_hash: bytes | None = None, cipher: int | None = None
) -> Iterator[tuple[Derivation, SessionKeys]]:
    """Every known way to derive the keys, the specified one first; each later one differs from it in some key.

    Args and errors are those of `derive_keys`. Try them until a signature or a tag fits, signing and cipher keys
    apart, and name the one that did.
    """
    specified = derive_keys(dialect=dialect, session_key=session_key, preauth_hash=preauth_hash, cipher=cipher)
    yield Derivation.SPECIFIED, specified
    if dialect != Dialect.SMB_3_1_1 or preauth_hash is None or cipher is None or key_size(cipher) != 32:
        return
    short_key = session_key[:_SESSION_KEY_SIZE].ljust(_SESSION_KEY_SIZE, b"\x00")
    long_signing = kdf(key=short_key, label=b"SMBSigningKey\x00", context=preauth_hash, bits=256)[:16]
    yield (
        Derivation.SIGNING_L256,
        SessionKeys(long_signing, specified.application, specified.client_to_server, specified.server_to_client),
    )
    if session_key != short_key:
        yield (
            Derivation.CIPHER_KEYS_FROM_16_BYTES,
            derive_keys(dialect=dialect, session_key=short_key, preauth_hash=preauth_hash, cipher=cipher),
        )


# ----------------------------------------------------------------------------------------------- signatures

# The last four bytes of the GMAC nonce (MS-SMB2 3.1.4.1), by 1 * from_server + 2 * is_cancel: a little-endian integer
# in Samba and in the field; Microsoft's protocol test suite writes the two bits into the last two bytes instead.
_NONCE_TAILS = tuple(bytes((bits, 0, 0, 0)) for bits in range(4))
_NONCE_TAILS_OF_TEST_SUITE = tuple(bytes((0, 0, bits >> 1, bits & 1)) for bits in range(4))
_CANCEL = Command.CANCEL.to_bytes(2, "little")
_SERVER_TO_REDIR = int(Flags.SERVER_TO_REDIR)  # a plain number: an enumeration member costs 0.2 us a message


class Signer(Secret):
    """Computes and checks signatures with one key (MS-SMB2 3.1.4.1, 3.1.5.1).

    MessageId, role and CANCEL, which make the nonce of AES-GMAC, are read from the message's own header.
    """

    __slots__ = ("_gmac", "_mac")

    def __init__(self, *, algorithm: int, key: bytes) -> None:
        """Prepare `key`.

        Raises:
            UnsupportedError: unknown algorithm.
            UsageError: the key has not 16 bytes.
        """
        if len(key) != _SESSION_KEY_SIZE:
            raise UsageError(f"a signing key has {_SESSION_KEY_SIZE} bytes; {len(key)} were given")
        self._gmac: AESGCM | None = None
        self._mac: CMAC | HMAC
        if algorithm == SigningAlgorithm.AES_GMAC:
            self._gmac = AESGCM(key)
        elif algorithm == SigningAlgorithm.AES_CMAC:
            self._mac = CMAC(AES(key))
        elif algorithm == SigningAlgorithm.HMAC_SHA256:
            self._mac = HMAC(key, SHA256())
        else:
            raise UnsupportedError(f"signing algorithm {SigningAlgorithm(algorithm).name} is not supported")

    def tag(self, message: Buffer) -> bytes:
        """The 16 bytes that belong into the Signature field of `message`, whatever stands there now.

        Args:
            message: one SMB2 message from its header to the end of its padding (MS-SMB2 3.1.4.1); best a memoryview,
                which is not copied.

        Raises:
            ParseError: shorter than a header.
        """
        if len(message) < HEADER_SIZE:
            raise ParseError(f"a signed message has {HEADER_SIZE} bytes at least, {len(message)} are here")
        if self._gmac is not None:
            return _gmac(self._gmac, message, _NONCE_TAILS)
        mac = self._mac.copy()
        mac.update(message[:48])  # type: ignore[arg-type]  # declared bytes, takes any buffer
        mac.update(_NO_SIGNATURE)
        mac.update(message[64:])  # type: ignore[arg-type]  # as above
        return mac.finalize()[:16]

    def verify(self, message: Buffer) -> bool:
        """Whether the Signature field of `message` is right, under either known nonce of AES-GMAC.

        Raises:
            ParseError: shorter than a header.
        """
        # Not in constant time: what is checked here was recorded before.
        sent = bytes(message[48:64])
        if self.tag(message) == sent:
            return True
        return self._gmac is not None and _gmac(self._gmac, message, _NONCE_TAILS_OF_TEST_SUITE) == sent


def _gmac(gmac: AESGCM, message: Buffer, tails: tuple[bytes, ...]) -> bytes:
    unsigned = b"".join((message[:48], _NO_SIGNATURE, message[64:]))  # the one copy: AESGCM takes one buffer
    from_server = unsigned[16] & _SERVER_TO_REDIR
    is_cancel = unsigned[12:14] == _CANCEL
    return gmac.encrypt(unsigned[24:32] + tails[from_server + 2 * is_cancel], b"", unsigned)


def signature(*, algorithm: int, key: bytes, message: Buffer) -> bytes:
    """The signature of one message; `Signer` explains, and is the one to use for many."""
    return Signer(algorithm=algorithm, key=key).tag(message)


# ----------------------------------------------------------------------------------------------- encryption


class Decryptor(Secret):
    """Opens transform messages with the key of one direction (MS-SMB2 2.2.41, 3.1.4.3).

    The tag stands in the header, the ciphers want it behind the ciphertext: that is all the work here.
    """

    __slots__ = ("_aead", "_nonce_end")

    def __init__(self, *, cipher: int, key: bytes) -> None:
        """Prepare `key`.

        Raises:
            UnsupportedError: unknown cipher.
            UsageError: the key has not the size which the cipher needs.
        """
        self._aead, self._nonce_end = _aead(cipher, key)

    def decrypt(self, transform: memoryview) -> bytes:
        """The plain bytes of one transform message; best for small ones.

        Args:
            transform: transform header and ciphertext, exactly.

        Raises:
            TagError: the tag does not fit.
            ParseError: shorter than a transform header.
        """
        if len(transform) < _TRANSFORM_SIZE:
            raise _too_short(len(transform))
        try:
            return self._aead.decrypt(
                transform[20 : self._nonce_end], b"".join((transform[52:], transform[4:20])), transform[20:52]
            )
        except InvalidTag:
            raise TagError("the tag of the encrypted message does not fit") from None

    def decrypt_many(self, arena: memoryview, starts: list[int], lengths: list[int], places: list[int]) -> list[bool]:
        """Decrypt many transform messages whose tags have been moved behind their ciphertexts; the fast way.

        Nothing is copied, and nothing is raised: False says that the tag of that message does not fit, and that what
        stands at its place is not to be used.

        Args:
            arena: writable uint8 view that holds everything.
            starts: where each transform header begins.
            lengths: of header and ciphertext, `TRANSFORM_HEADER.size` at least; the tag follows in 16 bytes.
            places: where the plain bytes of each go; there are 52 less than of the message.
        """
        decrypt_into, nonce_end, header = self._aead.decrypt_into, self._nonce_end, _TRANSFORM_SIZE
        fits = []
        for start, length, place in zip(starts, lengths, places, strict=True):
            covered, sealed, end = start + 20, start + header, start + length
            try:
                decrypt_into(
                    arena[covered : start + nonce_end],
                    arena[sealed : end + 16],
                    arena[covered:sealed],
                    arena[place : place + end - sealed],
                )
            except InvalidTag:
                fits.append(False)
            else:
                fits.append(True)
        return fits


def encrypt(*, cipher: int, key: bytes, nonce: bytes, session_id: int, plaintext: Buffer) -> bytes:
    """A whole transform message, header included (MS-SMB2 2.2.41, 3.1.4.3).

    Args:
        cipher: the negotiated one; AES-128-CCM for 3.0.x, whose EncryptionAlgorithm equals the Flags of 3.1.1.
        key: of the direction in which the message goes.
        nonce: 11 bytes (CCM) or 12 bytes (GCM), never used before with this key.
        session_id: of the session whose key it is.
        plaintext: one message, a compound of them, or a compressed message.

    Raises:
        UnsupportedError: unknown cipher.
        UsageError: the key or the nonce has not the size which the cipher needs.
    """
    aead, nonce_end = _aead(cipher, key)
    if len(nonce) != nonce_end - 20:
        raise UsageError(f"{Cipher(cipher).name} needs a nonce of {nonce_end - 20} bytes; {len(nonce)} were given")
    header = TransformHeaderFixed(
        TRANSFORM_PROTOCOL_ID,
        _NO_SIGNATURE,
        nonce.ljust(16, b"\x00"),
        len(plaintext),
        0,
        TRANSFORM_ENCRYPTED,
        session_id,
    )
    sealed = aead.encrypt(nonce, plaintext, TRANSFORM_HEADER.build(header)[20:])
    return TRANSFORM_HEADER.build(header._replace(signature=sealed[-16:])) + sealed[:-16]


def _aead(cipher: int, key: bytes) -> tuple[AESGCM | AESCCM, int]:
    """The prepared cipher, and where its nonce ends in the transform header."""
    if len(key) != key_size(cipher):
        raise UsageError(f"{Cipher(cipher).name} needs a key of {key_size(cipher)} bytes; {len(key)} were given")
    if cipher in (Cipher.AES_128_GCM, Cipher.AES_256_GCM):
        return AESGCM(key), 20 + 12
    return AESCCM(key, tag_length=16), 20 + 11


def _too_short(length: int) -> ParseError:
    return ParseError(f"an encrypted message has {_TRANSFORM_SIZE} bytes at least, {length} are here")
