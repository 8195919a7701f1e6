"""What was found out about a message. "Could not check" is never "failed"."""

from enum import StrEnum

__all__ = ["Decryption", "Signature"]


class Decryption(StrEnum):
    """Whether a message could be read."""

    PLAINTEXT = "plaintext"
    DECRYPTED = "decrypted"
    NO_KEY = "no_key"
    NO_HANDSHAKE = "no_handshake"
    WRONG_KEY = "wrong_key"
    DAMAGED = "damaged"
    UNSUPPORTED = "unsupported"


class Signature(StrEnum):
    """Whether a signed message is what its sender wrote.

    `NOT_COVERED`: nothing of the message's own signs it. The tag of its transform header protects it, or the server did
    not know the session and sent the request's header back, flag and signature included.
    """

    UNSIGNED = "unsigned"
    VALID = "valid"
    INVALID = "invalid"
    NO_KEY = "no_key"
    NOT_COVERED = "not_covered"
