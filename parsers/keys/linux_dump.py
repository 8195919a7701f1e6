"""Keys that the Linux client shows: in the kernel's log (CONFIG_CIFS_DEBUG_DUMP_KEYS), and by `smbinfo keys`.

    [  162.7] CIFS: VFS: generate_smb3signingkey: dumping generated AES session keys
    [  162.7] CIFS: VFS: Session Id    01 00 00 00 00 34 00 00
    [  162.7] CIFS: VFS: Cipher type   2
    [  162.7] CIFS: VFS: Session Key   e3 84 10 ...
    [  162.7] CIFS: VFS: Signing Key   88 2c 27 ...
    [  162.7] CIFS: VFS: ServerIn Key  c3 9c 07 ...
    [  162.7] CIFS: VFS: ServerOut Key 5a 71 4f ...

`smbinfo keys` writes `Session Id: 01 00 ...`, `ServerIn  Key: ...` and `ServerOut key: ...`; on older kernels, which
know no keys of 32 bytes, `Encryption key: ...` and `Decryption key: ...`, what the client encrypts and decrypts with.
"""

import re
from collections.abc import Iterable, Iterator

from parsers.errors import UsageError
from parsers.keys.session_dump import DumpField, Label, collect
from parsers.keys.store import KeyStore

__all__ = ["MARKER", "parse"]

MARKER = re.compile(r"dumping generated AES session keys|\bSession Id:?\s+(?:[0-9a-f]{2} ){7}[0-9a-f]{2}\s*$")

_FIELD = re.compile(
    r"(\bSession Id|\bSession Key|\bServerIn\s+Key|\bServerOut\s+Key|^Encryption key|^Decryption key)(?::|\s)(.*)",
    re.IGNORECASE,
)
_LABELS = {
    "sessionid": Label.SESSION_ID,
    "sessionkey": Label.SESSION_KEY,
    "serverinkey": Label.SERVER_IN_KEY,
    "serveroutkey": Label.SERVER_OUT_KEY,
    "encryptionkey": Label.SERVER_IN_KEY,
    "decryptionkey": Label.SERVER_OUT_KEY,
}


def parse(lines: Iterable[str], name: str) -> KeyStore:
    """The session keys and direction keys in a kernel log or in the output of smbinfo; other lines are passed over.

    Args:
        lines: of the log.
        name: of the file, for provenance and errors.

    Raises:
        UsageError: a key is damaged, or has an impossible size; the message names the line.
    """
    return collect(_fields(lines, name), name)


def _fields(lines: Iterable[str], name: str) -> Iterator[DumpField]:
    for number, line in enumerate(lines, 1):
        if found := _FIELD.search(line):
            label = _LABELS["".join(found[1].lower().split())]
            digits = found[2].split()
            if not all(re.fullmatch("[0-9a-fA-F]{2}", pair) for pair in digits):
                raise UsageError(f"{name} line {number}: {found[1]} must be pairs of hexadecimal digits")
            yield DumpField(number, label, bytes.fromhex("".join(digits)))
