"""Private keys that are made for a test."""

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_key(passphrase: bytes | None = None, *, old: bool = False) -> str:
    """An RSA key in PEM: PKCS #8, or PKCS #1 if `old`."""
    form = PrivateFormat.TraditionalOpenSSL if old else PrivateFormat.PKCS8
    locked = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return KEY.private_bytes(Encoding.PEM, form, locked).decode()


def elliptic_key() -> str:
    """A key that is no RSA key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
