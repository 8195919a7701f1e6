"""Writes the keys that were found and proved, for Wireshark and for this program."""

from collections.abc import Iterable
from pathlib import Path

from parsers.errors import UsageError
from parsers.keys.export import Session as SessionKeys
from parsers.keys.export import write_toml, write_wireshark
from parsers.smb2.session import Session

__all__ = ["check_kind", "write_keys"]

_WRITERS = {"toml": write_toml, "wireshark": write_wireshark}


def write_keys(sessions: Iterable[Session], path: Path | str, kind: str = "toml") -> int:
    """Write the proved keys of sessions to a file that only its owner can read; returns of how many sessions.

    Args:
        sessions: those without a proved key are passed over.
        path: of the file; what was there is replaced.
        kind: "toml" is a key file of this program, "wireshark" is for `smb2_seskey_list` in Wireshark's configuration.

    Raises:
        UsageError: there is nothing to write, no such kind, or the file cannot be written; nothing was written then.
    """
    check_kind(kind)
    found = list(dict.fromkeys(_keys(session) for session in sessions if session.keys_proved))
    found = [keys for keys in found if any(keys[1:])]
    if not found:
        raise UsageError("no session was opened, so there are no keys to write; `sessionscope keys check` says why")
    _WRITERS[kind](path, found)
    return len(found)


def check_kind(kind: str) -> None:
    """Refuse what cannot be written, before a long capture is read.

    Raises:
        UsageError: no such kind, or one whose keys are not found yet.
    """
    if kind == "nss":
        raise UsageError("an NSS key log is for TLS, which is not decrypted yet: choose toml or wireshark")
    if kind not in _WRITERS:
        raise UsageError(f"{kind!r} is no kind of key file; there are {', '.join(_WRITERS)}")


def _keys(session: Session) -> SessionKeys:
    """What is proved of the session's keys. Of half a key, or one that signs only, no cipher key is derived."""
    if session.has_half_key:
        return session.session_id, None, None, None
    return session.session_id, session.full_session_key, session.decryption_key, session.encryption_key
