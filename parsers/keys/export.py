"""Writes session keys to files that only their owner can read, for this program and for Wireshark."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from parsers.errors import UsageError
from parsers.keys import wireshark

__all__ = ["Session", "toml_table", "write_toml", "write_wireshark"]

Session = tuple[int, bytes | None, bytes | None, bytes | None]
"""Session id, session key, client-to-server key, server-to-client key; None for what there is not."""


def write_toml(path: Path | str, sessions: Iterable[Session]) -> None:
    """Write a key file that `load_keys` reads. A session without any key is left out.

    Raises:
        UsageError: the file cannot be written.
    """
    _write(path, "\n".join(map(toml_table, _with_keys(sessions))))


def toml_table(session: Session) -> str:
    """The lines of one session in a key file."""
    session_id, *keys = session
    names = ("key", "client_to_server", "server_to_client")
    rows = [f'{name} = "{key.hex()}"' for name, key in zip(names, keys, strict=True) if key]
    return "\n".join(["[[session]]", f'id = "0x{session_id:016x}"', *rows, ""])


def write_wireshark(path: Path | str, sessions: Iterable[Session]) -> None:
    """Write a table for Wireshark: `smb2_seskey_list` in its configuration folder. A session without key is left out.

    Raises:
        UsageError: the file cannot be written.
    """
    _write(path, wireshark.build(_with_keys(sessions)))


def _with_keys(sessions: Iterable[Session]) -> Iterable[Session]:
    return (session for session in sessions if any(session[1:]))


def _write(path: Path | str, text: str) -> None:
    """Write for the owner alone, all or nothing: what was there stays until the new file is complete."""
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():  # a device or a pipe, which is written to as it is
            target.write_text(text, encoding="utf-8", newline="\n")
            return
        # Created with the mode 0600, whatever the umask is.
        with NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            new = Path(file.name)
            try:
                file.write(text)
                file.flush()
                new.replace(target)
            finally:
                new.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be written: {error.strerror}") from error
