"""The secrets that a user supplies, and where each came from.

The store holds and hands out; it proves nothing. No secret shows in `repr` or `str`, and nothing here can be pickled,
so that none gets into a log, a traceback or another process unnoticed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from parsers.errors import UsageError
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.secret import Secret

__all__ = ["AnySecret", "Credential", "DirectionKeys", "KeyStore", "RsaKey", "SessionKey", "TlsSecret"]

NT_HASH_SIZE = 16
KEY_SIZES = (16, 32)
"""Sizes of session and direction keys: AES-128 and AES-256, or the Kerberos key of such a cipher."""

MAX_SESSION_ID = 0xFFFF_FFFF_FFFF_FFFF
_COMMAND_LINE = "given on the command line"


@dataclass(frozen=True, slots=True)
class Credential(Secret):
    """A user's password, which may be empty, or NT hash. `domain` None fits any domain; exactly one secret is set.

    Raises:
        UsageError: no user, both secrets or none, or a hash that has not 16 bytes.
    """

    user: str
    domain: str | None
    password: str | None = field(default=None, repr=False)
    nt_hash: bytes | None = field(default=None, repr=False)
    provenance: str = _COMMAND_LINE

    def __post_init__(self) -> None:
        if (self.password is None) == (self.nt_hash is None):
            raise UsageError(f"user {self.user} needs either a password or an NT hash")
        if self.nt_hash is not None and len(self.nt_hash) != NT_HASH_SIZE:
            raise UsageError(
                f"the NT hash of user {self.user} has {len(self.nt_hash)} bytes; it must have {NT_HASH_SIZE}"
            )

    @property
    def account(self) -> str:
        r"""`DOMAIN\user`, or the user alone where the domain may be any."""
        return self.user if self.domain is None else f"{self.domain}\\{self.user}"


@dataclass(frozen=True, slots=True)
class SessionKey(Secret):
    """The key that authentication gave to a session, 16 bytes, or 32 from Kerberos with AES-256.

    Raises:
        UsageError: a key of another size, or no session identifier.
    """

    session_id: int
    key: bytes = field(repr=False)
    provenance: str = _COMMAND_LINE

    def __post_init__(self) -> None:
        _check_session_id(self.session_id)
        _check_key(self.session_id, "key", self.key)


@dataclass(frozen=True, slots=True)
class DirectionKeys(Secret):
    """Cipher keys of a session: one direction at least. They decrypt without the session's set-up in the capture.

    Raises:
        UsageError: no key, keys of different or unknown sizes, or no session identifier.
    """

    session_id: int
    client_to_server: bytes | None = field(default=None, repr=False)
    server_to_client: bytes | None = field(default=None, repr=False)
    provenance: str = _COMMAND_LINE

    def __post_init__(self) -> None:
        _check_session_id(self.session_id)
        keys = {"client_to_server": self.client_to_server, "server_to_client": self.server_to_client}
        present = {name: key for name, key in keys.items() if key is not None}
        if not present:
            raise UsageError(f"session 0x{self.session_id:016x} needs client_to_server, server_to_client or both")
        for name, key in present.items():
            _check_key(self.session_id, name, key)
        if len({len(key) for key in present.values()}) != 1:
            raise UsageError(f"the two direction keys of session 0x{self.session_id:016x} have different sizes")


@dataclass(frozen=True, slots=True)
class TlsSecret(Secret):
    """One line of a key log: a secret of the TLS session with this client random.

    `label` is the log's; "Session-ID" says that `identifier` is a session id, "RSA" that it is the beginning of the
    encrypted pre-master secret.
    """

    label: str
    identifier: bytes
    secret: bytes = field(repr=False)
    provenance: str = _COMMAND_LINE


@dataclass(frozen=True, slots=True)
class RsaKey(Secret):
    """The private key of a TLS server; `fingerprint` is the SHA-256 of its public key (SubjectPublicKeyInfo)."""

    key: RSAPrivateKey = field(repr=False)
    fingerprint: str
    bits: int
    provenance: str = _COMMAND_LINE


AnySecret: TypeAlias = Credential | SessionKey | DirectionKeys | KeytabEntry | CcacheCredential | TlsSecret | RsaKey


class KeyStore(Secret):
    """All secrets of one analysis. The same session may have several keys: whoever uses them proves which one fits."""

    __slots__ = (
        "_ccache", "_credentials", "_direction_keys", "_keytab", "_rsa_keys", "_session_keys", "_tls_secrets",
    )  # fmt: skip

    def __init__(self) -> None:
        self._credentials: list[Credential] = []
        self._session_keys: dict[int, list[SessionKey]] = {}
        self._direction_keys: dict[int, list[DirectionKeys]] = {}
        self._keytab: list[KeytabEntry] = []
        self._ccache: list[CcacheCredential] = []
        self._tls_secrets: list[TlsSecret] = []
        self._rsa_keys: list[RsaKey] = []

    def __repr__(self) -> str:
        return (
            f"KeyStore({len(self._credentials)} credentials, {len(self._session_keys)} sessions with keys, "
            f"{len(self._direction_keys)} sessions with direction keys, {len(self._keytab)} keys of keytabs, "
            f"{len(self._ccache)} cached tickets, {len(self._tls_secrets)} secrets of TLS, "
            f"{len(self._rsa_keys)} RSA keys)"
        )

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __iter__(self) -> Iterator[AnySecret]:
        yield from self._credentials
        yield from chain.from_iterable(self._session_keys.values())
        yield from chain.from_iterable(self._direction_keys.values())
        yield from self._keytab
        yield from self._ccache
        yield from self._tls_secrets
        yield from self._rsa_keys

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """All of them, in the order in which they were added."""
        return tuple(self._credentials)

    @property
    def keytab(self) -> tuple[KeytabEntry, ...]:
        """The keys of all keytabs."""
        return tuple(self._keytab)

    @property
    def ccache(self) -> tuple[CcacheCredential, ...]:
        """The tickets of all credentials caches."""
        return tuple(self._ccache)

    def session_keys_for(self, session_id: int) -> tuple[SessionKey, ...]:
        """Session keys for this SessionId, perhaps none."""
        return tuple(self._session_keys.get(session_id, ()))

    def direction_keys_for(self, session_id: int) -> tuple[DirectionKeys, ...]:
        """Direction keys for this SessionId, perhaps none."""
        return tuple(self._direction_keys.get(session_id, ()))

    def add(self, secret: AnySecret) -> None:
        """Add one secret."""
        if isinstance(secret, Credential):
            self._credentials.append(secret)
        elif isinstance(secret, SessionKey):
            self._session_keys.setdefault(secret.session_id, []).append(secret)
        elif isinstance(secret, DirectionKeys):
            self._direction_keys.setdefault(secret.session_id, []).append(secret)
        elif isinstance(secret, KeytabEntry):
            self._keytab.append(secret)
        elif isinstance(secret, CcacheCredential):
            self._ccache.append(secret)
        elif isinstance(secret, TlsSecret):
            self._tls_secrets.append(secret)
        else:
            self._rsa_keys.append(secret)

    def merge(self, other: "KeyStore") -> None:
        """Add all secrets of another store, after those that are here."""
        for secret in tuple(other):
            self.add(secret)

    def add_password(self, text: str, provenance: str = _COMMAND_LINE) -> None:
        r"""Add `DOMAIN\user:password`, `user@domain:password` or `user:password`.

        What follows the first colon is the password, colons and spaces included; it may be empty.

        Raises:
            UsageError: no user or no colon.
        """
        user, domain, password = _account(text, r"a password is given as DOMAIN\user:password")
        self.add(Credential(user, domain, password=password, provenance=provenance))

    def add_nt_hash(self, text: str, provenance: str = _COMMAND_LINE) -> None:
        r"""Add `DOMAIN\user:hash`, `user@domain:hash` or `user:hash`; the hash in 32 hexadecimal digits.

        Raises:
            UsageError: no user, no colon, or no such hash.
        """
        user, domain, digits = _account(text, r"an NT hash is given as DOMAIN\user:hash")
        if not re.fullmatch("[0-9a-fA-F]{32}", digits.strip()):
            raise UsageError(f"the NT hash of user {user} must have 32 hexadecimal digits")
        self.add(Credential(user, domain, nt_hash=bytes.fromhex(digits), provenance=provenance))


def _account(text: str, form: str) -> tuple[str, str | None, str]:
    r"""User, domain and secret of `DOMAIN\user:secret`; no message shows the secret."""
    account, colon, secret = text.partition(":")
    if not colon:
        raise UsageError(f"{form}; there is no colon")
    domain: str | None = None
    user = account
    if "\\" in account:
        domain, _, user = account.partition("\\")
    elif "@" in account:
        user, _, domain = account.rpartition("@")
    if not user and domain is None:
        raise UsageError(f"{form}; there is no user before the colon")
    return user, domain, secret


def _check_session_id(session_id: int) -> None:
    if not 0 < session_id < MAX_SESSION_ID:
        raise UsageError(f"{session_id:#x} is no session id: it must be positive and below 0x{MAX_SESSION_ID:x}")


def _check_key(session_id: int, name: str, key: bytes) -> None:
    if len(key) not in KEY_SIZES:
        raise UsageError(f"{name} of session 0x{session_id:016x} has {len(key)} bytes; it must have 16 or 32")
