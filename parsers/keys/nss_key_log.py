"""NSS key logs, as browsers and TLS libraries write them where SSLKEYLOGFILE names one.

    CLIENT_RANDOM <64 hex: client random> <96 hex: master secret>                       TLS 1.2 and before
    CLIENT_TRAFFIC_SECRET_0 <64 hex: client random> <64 or 96 hex: secret>              TLS 1.3, QUIC
    RSA <16 hex: first bytes of the encrypted pre-master secret> <96 hex: pre-master secret>
    RSA Session-ID:<hex> Master-Key:<96 hex>

Lines that begin with # are comments. A label that is not known is kept as it is: TLS 1.3 may get new ones.
"""

import re
from collections.abc import Iterable

from parsers.errors import UsageError
from parsers.keys.store import KeyStore, TlsSecret

__all__ = ["MARKER", "parse"]

MARKER = re.compile(r"[A-Z][A-Z0-9_]+ (?:[0-9a-fA-F]{16,}|Session-ID:)")
_LINE = re.compile(r"([A-Z][A-Z0-9_]{0,63}) ((?:[0-9a-fA-F]{2}){8,32}) ((?:[0-9a-fA-F]{2}){16,64})")
_SESSION = re.compile(r"RSA Session-ID:((?:[0-9a-fA-F]{2}){1,32}) Master-Key:((?:[0-9a-fA-F]{2}){48})")


def parse(lines: Iterable[str], name: str) -> KeyStore:
    """The secrets of a key log.

    Args:
        lines: of the log.
        name: of the file, for provenance and errors.

    Raises:
        UsageError: a line is none of a key log; the message names it, and shows no secret.
    """
    store = KeyStore()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        where = f"{name} line {number}"
        if found := _SESSION.fullmatch(text):
            store.add(TlsSecret("Session-ID", bytes.fromhex(found[1]), bytes.fromhex(found[2]), where))
        elif found := _LINE.fullmatch(text):
            store.add(TlsSecret(found[1], bytes.fromhex(found[2]), bytes.fromhex(found[3]), where))
        else:
            raise UsageError(
                f"{where}: a line of a key log is a label, the client random and the secret, both in hexadecimal digits"
            )
    return store
