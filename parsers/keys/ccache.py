"""Credentials caches: a client's tickets with their session keys, as MIT Kerberos writes them (versions 3 and 4).

Numbers are big-endian. The configuration that a cache keeps among its tickets is left out.
"""

from dataclasses import dataclass, field
from pathlib import Path

from parsers.errors import ParseError, UsageError
from parsers.reader import Reader
from parsers.secret import Secret
from parsers.times import NANOSECONDS

__all__ = ["MAX_CREDENTIALS", "CcacheCredential", "load", "parse"]

MAX_CREDENTIALS = 1 << 16
"""Bound of what is read of one file."""

_V3, _V4 = b"\x05\x03", b"\x05\x04"
_CONFIGURATION_REALM = "X-CACHECONF:"
_MAX_COMPONENTS = 64  # of a principal, which has one to three
_MAX_LIST = 1024  # addresses and authorization data of one ticket


@dataclass(frozen=True, slots=True)
class CcacheCredential(Secret):
    """A ticket and its session key, of `etype`. Names without realm, components joined by "/"; times in nanoseconds.

    `ticket` is in DER. A time that is not set is None.
    """

    client: str
    client_realm: str
    server: str
    server_realm: str
    etype: int
    key: bytes = field(repr=False)
    authtime: int | None
    starttime: int | None
    endtime: int | None
    renew_till: int | None
    flags: int
    ticket: bytes = field(repr=False)
    provenance: str


def load(path: Path | str) -> list[CcacheCredential]:
    """The tickets in a file, in its order.

    Raises:
        UsageError: it cannot be read, or is no credentials cache; the message says what and where.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"the credentials cache {path} cannot be read: {error.strerror}") from error
    try:
        return parse(data, str(path))
    except ParseError as error:
        raise UsageError(f"{path} is no credentials cache that can be read: {error.reason}") from None


def parse(data: bytes, provenance: str) -> list[CcacheCredential]:
    """The tickets in the bytes of a file; `provenance` says in words which.

    Raises:
        ParseError: no credentials cache of version 3 or 4, or one that is cut off.
    """
    reader = Reader(data)
    version = bytes(reader.take(2, "version of a credentials cache"))
    if version not in (_V3, _V4):
        raise ParseError(f"it begins with {version.hex()}, a credentials cache with 0504 or 0503")
    if version == _V4:
        reader.take(reader.big(2, "size of the header"), "header")
    _principal(reader)
    credentials: list[CcacheCredential] = []
    while reader.remaining:
        credential = _credential(reader, provenance, etype_twice=version == _V3)
        if credential.server_realm != _CONFIGURATION_REALM:
            credentials.append(credential)
        if len(credentials) > MAX_CREDENTIALS:
            raise ParseError(f"it has more than {MAX_CREDENTIALS} tickets")
    return credentials


def _credential(reader: Reader, provenance: str, *, etype_twice: bool) -> CcacheCredential:
    client, client_realm = _principal(reader)
    server, server_realm = _principal(reader)
    etype = reader.big(2, "encryption type")
    if etype_twice:
        reader.big(2, "encryption type")
    key = _octets(reader, "key")
    authtime, starttime, endtime, renew_till = (_time(reader) for _ in range(4))
    reader.u8("is_skey")
    flags = reader.big(4, "flags of a ticket")
    for what in ("address", "authorization data"):
        _skip_list(reader, what)
    ticket = _octets(reader, "ticket")
    _octets(reader, "second ticket")
    return CcacheCredential(
        client,
        client_realm,
        server,
        server_realm,
        etype,
        key,
        authtime,
        starttime,
        endtime,
        renew_till,
        flags,
        ticket,
        provenance,
    )


def _principal(reader: Reader) -> tuple[str, str]:
    """Name and realm."""
    reader.big(4, "name type")
    components = reader.big(4, "number of components")
    if components > _MAX_COMPONENTS:
        raise ParseError(f"a principal has {components} components", reader.position)
    realm, *names = (_text(reader) for _ in range(components + 1))
    return "/".join(names), realm


def _skip_list(reader: Reader, what: str) -> None:
    count = reader.big(4, f"number of {what}")
    if count > _MAX_LIST:
        raise ParseError(f"{count} times {what} in one ticket", reader.position)
    for _ in range(count):
        reader.take(2, f"type of {what}")
        _octets(reader, what)


def _octets(reader: Reader, what: str) -> bytes:
    return bytes(reader.take(reader.big(4, f"size of {what}"), what))


def _text(reader: Reader) -> str:
    return str(reader.take(reader.big(4, "size of a name"), "name"), "utf-8", "backslashreplace")


def _time(reader: Reader) -> int | None:
    return reader.big(4, "time") * NANOSECONDS or None
