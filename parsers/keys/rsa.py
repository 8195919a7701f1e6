"""RSA private keys of TLS servers: PEM files without a passphrase (RFC 7468; PKCS #1 or PKCS #8)."""

import re
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from parsers.errors import UsageError
from parsers.keys.store import KeyStore, RsaKey

__all__ = ["MARKER", "parse"]

MARKER = re.compile(r"-----BEGIN (?:RSA |ENCRYPTED |EC )?PRIVATE KEY-----")


def parse(data: bytes, name: str) -> KeyStore:
    """The key of a PEM file.

    Args:
        data: of the file; what stands around the first private key is passed over.
        name: of the file, for provenance and errors.

    Raises:
        UsageError: it cannot be read, needs a passphrase, or is no RSA key.
    """
    begin = data.find(b"-----BEGIN ")
    try:
        key = load_pem_private_key(data[max(begin, 0) :], password=None)
    except TypeError:
        raise UsageError(f"{name} is locked with a passphrase: `openssl pkey -in {name} -out plain.pem`") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{name} looks like a private key in PEM, but cannot be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{name} is no RSA key; other keys do not decrypt TLS, give a key log")
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    store = KeyStore()
    store.add(RsaKey(key, sha256(public).hexdigest(), key.key_size, name))
    return store
