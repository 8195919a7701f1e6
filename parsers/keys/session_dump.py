"""What programs print of a session's keys, field by field -> secrets of a store. The readers of such dumps share it."""

from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from parsers.errors import UsageError
from parsers.keys.store import DirectionKeys, KeyStore, SessionKey

__all__ = ["DumpField", "Label", "collect"]

SESSION_ID_SIZE = 8


class Label(Enum):
    """What a field is; Samba and Linux name the ciphers' keys after the server that receives or sends."""

    SESSION_ID = auto()
    SESSION_KEY = auto()
    SERVER_IN_KEY = auto()
    SERVER_OUT_KEY = auto()


class DumpField(NamedTuple):
    """One field of a dump: the line on which it begins, its name and its bytes as they were printed."""

    line: int
    label: Label
    value: bytes

    def __repr__(self) -> str:
        return f"DumpField({self.line}, {self.label.name})"


def collect(fields: Iterable[DumpField], name: str) -> KeyStore:
    """The keys of all sessions. A session begins with its id, whose bytes are printed in wire order: little-endian.

    Args:
        fields: in the order of the file.
        name: of the file, for provenance and errors.

    Raises:
        UsageError: a key before any session id, an id that has not 8 bytes, or a key of an impossible size; the message
            names the line.
    """
    store = KeyStore()
    session: list[DumpField] = []
    for field in fields:
        if field.label is Label.SESSION_ID:
            _add(store, session, name)
            session = []
        elif not session:
            raise UsageError(f"{name} line {field.line}: a key without the Session Id that belongs before it")
        session.append(field)
    _add(store, session, name)
    return store


def _add(store: KeyStore, session: list[DumpField], name: str) -> None:
    """Add the keys of one session, the id first; a key without bytes is missing."""
    if not session:
        return
    identifier, *rest = session
    if len(identifier.value) != SESSION_ID_SIZE:
        raise UsageError(f"{name} line {identifier.line}: a Session Id has 8 bytes, this one {len(identifier.value)}")
    session_id = int.from_bytes(identifier.value, "little")
    found = {field.label: field for field in rest if field.value}
    key, to_server, to_client = (
        found.get(label) for label in (Label.SESSION_KEY, Label.SERVER_IN_KEY, Label.SERVER_OUT_KEY)
    )
    line = identifier.line
    try:
        if key is not None:
            line = key.line
            store.add(SessionKey(session_id, key.value, f"{name} line {line}"))
        first = to_server or to_client
        if first is not None:
            line = first.line
            in_key, out_key = (None if field is None else field.value for field in (to_server, to_client))
            store.add(DirectionKeys(session_id, in_key, out_key, f"{name} line {line}"))
    except UsageError as error:
        raise UsageError(f"{name} line {line}: {error}") from None
