"""Any file with keys -> a store. What kind of file it is shows in its content, never in its name.

A key file may name other files, of any kind; they are read with it.
"""

import codecs
import os
import re
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

from parsers.errors import ParseError, UsageError
from parsers.keys import ccache, hash_list, keytab, linux_dump, nss_key_log, rsa, samba_log, toml, wireshark
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import KeyStore
from parsers.keys.toml import FileReference, KeyFile

__all__ = ["KeyFormat", "detect", "load_keys"]

MAX_SIZE = 32 << 20
"""Bytes of a key file. Samba's logs are rotated at 5 MB, and the hashes of 300,000 accounts take 30 MB."""


class KeyFormat(Enum):
    """The kinds of files, in the words that a message uses."""

    TOML = "a key file in TOML"
    WIRESHARK = "a table of SMB2 session keys of Wireshark"
    SAMBA_LOG = "output of Samba with `debug encryption`"
    LINUX_DUMP = "a key dump of the Linux client"
    HASH_LIST = "a list of NT hashes"
    KEYTAB = "a Kerberos keytab"
    CCACHE = "a Kerberos credentials cache"
    NSS_KEY_LOG = "an NSS key log of TLS sessions"
    RSA_KEY = "a private key in PEM"


_MAGICS = {
    b"\x05\x01": KeyFormat.KEYTAB,
    b"\x05\x02": KeyFormat.KEYTAB,
    b"\x05\x03": KeyFormat.CCACHE,
    b"\x05\x04": KeyFormat.CCACHE,
}
_MARKERS = {
    KeyFormat.SAMBA_LOG: samba_log.MARKER.search,
    KeyFormat.LINUX_DUMP: linux_dump.MARKER.search,
    KeyFormat.NSS_KEY_LOG: nss_key_log.MARKER.match,
    KeyFormat.RSA_KEY: rsa.MARKER.match,
    KeyFormat.WIRESHARK: wireshark.MARKER.match,
    KeyFormat.HASH_LIST: hash_list.MARKER.match,
}
_TOML = re.compile(r"""\s*(?:\[\[?\s*["']?[A-Za-z]|["']?[A-Za-z0-9_-]+["']?\s*=)""")
_TICKETS: dict[KeyFormat, Callable[[bytes, str], Sequence[KeytabEntry | CcacheCredential]]] = {
    KeyFormat.KEYTAB: keytab.parse,
    KeyFormat.CCACHE: ccache.parse,
}
_KINDS = {  # what tables of a key file promise
    "keytab": KeyFormat.KEYTAB,
    "ccache": KeyFormat.CCACHE,
    "keylog": KeyFormat.NSS_KEY_LOG,
    "rsa": KeyFormat.RSA_KEY,
}
_PARSERS = {
    KeyFormat.WIRESHARK: wireshark.parse,
    KeyFormat.SAMBA_LOG: samba_log.parse,
    KeyFormat.LINUX_DUMP: linux_dump.parse,
    KeyFormat.HASH_LIST: hash_list.parse,
    KeyFormat.NSS_KEY_LOG: nss_key_log.parse,
}


def load_keys(path: Path | str) -> KeyStore:
    """The keys in a file of any format that is known, and in the files that it names; each of these is read once.

    Raises:
        UsageError: a file cannot be read, is larger than 32 MiB, is of no format that is known or of one whose keys are
            not used here, or a line of it is wrong; the message says which, and shows no secret.
    """
    store = KeyStore()
    waiting = [FileReference(Path(path), toml.IMPORT, "")]
    known = {os.path.realpath(path)}
    for reference in waiting:  # which grows
        try:
            found = _load(reference)
        except UsageError as error:
            raise UsageError(f"{reference.where}: {error}" if reference.where else str(error)) from error
        store.merge(found.store)
        for named in found.references:
            if os.path.realpath(named.path) not in known:
                known.add(os.path.realpath(named.path))
                waiting.append(named)
    return store


def _load(reference: FileReference) -> KeyFile:
    """What one file says."""
    path = reference.path
    data = _read(path)
    found = detect(data)
    if found is None:
        raise UsageError(f"{path} is no file with keys that is known; docs/keys.md lists what can be read")
    expected = _KINDS.get(reference.kind, found)
    if found is not expected:
        raise UsageError(f"{path} is {found.value}, not {expected.value}: name it in [[{toml.IMPORT}]]")
    if found is KeyFormat.TOML:
        return toml.parse(data, path)
    if found is KeyFormat.RSA_KEY:
        return KeyFile(rsa.parse(data, str(path)))
    if found in _TICKETS:
        return KeyFile(_tickets(found, data, path))
    return KeyFile(_PARSERS[found](_lines(data), str(path)))


def _tickets(kind: KeyFormat, data: bytes, path: Path | str) -> KeyStore:
    """A keytab or a credentials cache."""
    store = KeyStore()
    try:
        for secret in _TICKETS[kind](data, str(path)):
            store.add(secret)
    except ParseError as error:
        raise UsageError(f"{path} looks like {kind.value}, but cannot be read: {error.reason}") from None
    return store


def detect(data: bytes) -> KeyFormat | None:
    """The format of a file's bytes; None if it is none of these. A file without any content is an empty TOML file."""
    if data[:2] in _MAGICS:
        return _MAGICS[data[:2]]
    lines = (line for line in _lines(data) if line.strip() and not line.lstrip().startswith("#"))
    first = next(lines, None)
    if first is None or _TOML.match(first):
        return KeyFormat.TOML
    for line in (first, *lines):
        for found, marks in _MARKERS.items():
            if marks(line):
                return found
    return None


def _read(path: Path | str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_SIZE:
        raise UsageError(f"{path} is larger than {MAX_SIZE >> 20} MiB: keep the lines with keys only")
    return data


def _lines(data: bytes) -> list[str]:
    """The lines of a text in UTF-8, or in UTF-16 as Windows shells write it; a log may have some other bytes."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf16 else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
