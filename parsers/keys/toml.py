"""The key file: TOML with secrets of users and sessions, and names of other files. docs/keys.md shows it to users.

Every mistake in it is a `UsageError` that names the line. The other files are for the caller to read.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parsers.errors import UsageError
from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey

__all__ = ["IMPORT", "FileReference", "KeyFile", "parse"]

IMPORT = "import"
"""The table that names a file of any format."""

_KNOWN = {
    "user": ("name", "domain", "password", "nt_hash"),
    "session": ("id", "key", "client_to_server", "server_to_client"),
    "keytab": ("path",),
    "ccache": ("path",),
    "keylog": ("path",),
    "rsa": ("path",),
    IMPORT: ("path",),
}
_HEADER = re.compile(r"""\s*\[\[?\s*["']?([A-Za-z0-9_-]+)""")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")
_DECODE_ERROR = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)")
_HEX_ID = re.compile("0[xX][0-9a-fA-F]{1,16}")
_HEX = re.compile("(?:[0-9a-fA-F]{2} *)+")


@dataclass(frozen=True, slots=True)
class FileReference:
    """Another file that a key file names: `kind` is the name of the table, `where` says in which line it stands."""

    path: Path
    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a key file says."""

    store: KeyStore = field(default_factory=KeyStore)
    references: list[FileReference] = field(default_factory=list)


def parse(data: bytes, path: Path | str) -> KeyFile:
    """What the bytes of a file say; `path` names it in provenance and errors, and is where relative paths begin.

    Raises:
        UsageError: it is not TOML, or says something that is not understood; the message names the line, and shows no
            secret.
    """
    path = Path(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"the key file {path} is not UTF-8 text") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(_decode_message(path, text, str(error))) from None
    except RecursionError:
        raise UsageError(f"the key file {path} is nested too deeply") from None
    lines = _line_numbers(text)
    found = KeyFile()
    for name, content in document.items():
        _Table(path, lines, name, 0, {}).check_table()
        if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
            line = lines.get((name, 0, ""), lines.get(("", 0, name), 1))
            raise UsageError(f"{path} line {line}: write [[{name}]], in double brackets, above each {name}")
        for place, entry in enumerate(content):
            _add(found, _Table(path, lines, name, place, entry))
    return found


@dataclass(frozen=True, slots=True)
class _Table:
    """One `[[user]]` or another, and where it stands in the file."""

    path: Path
    lines: dict[tuple[str, int, str], int]
    name: str
    place: int
    content: Mapping[str, object]

    def where(self, key: str = "") -> str:
        """File and line of `key`, or of the table if it has no line of its own."""
        for wanted in ((self.name, self.place, key), (self.name, self.place, ""), ("", 0, self.name)):
            if wanted in self.lines:
                return f"{self.path} line {self.lines[wanted]}"
        return f"{self.path}"

    def error(self, key: str, message: str) -> UsageError:
        """The mistake at `key`."""
        return UsageError(f"{self.where(key)}: {message}")

    def check_table(self) -> None:
        """Raise unless tables of this name are known."""
        self.check_name("table", self.name, tuple(_KNOWN))

    def check_name(self, kind: str, found: str, known: tuple[str, ...]) -> None:
        """Raise unless `found` is one of the `known` names."""
        if found not in known:
            nearest = difflib.get_close_matches(found.lower(), known, n=1, cutoff=0.5)
            hint = f'did you mean "{nearest[0]}"?' if nearest else f"known are {', '.join(known)}"
            raise self.error(found if kind == "key" else "", f'unknown {kind} "{found}"; {hint}')

    def text(self, key: str) -> str | None:
        """A string, None if absent."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(key, f'{key} must be a string: {key} = "..."')
        if value is not None and any(character < " " for character in value):
            # "CORPUS\bob" in double quotes is a backspace and "ob".
            raise self.error(key, f"{key} has a control character; write text with backslashes in single quotes")
        return value

    def secret(self, key: str, sizes: tuple[int, ...]) -> bytes | None:
        """Hexadecimal digits for so many bytes, None if absent."""
        value = self.text(key)
        if value is None:
            return None
        if not _HEX.fullmatch(value) or len(secret := bytes.fromhex(value)) not in sizes:
            digits = " or ".join(str(2 * size) for size in sizes)
            raise self.error(key, f"{key} must have {digits} hexadecimal digits")
        return secret

    def session_id(self) -> int:
        """`id`, as the tables show it or as a number."""
        value = self.content.get("id")
        if value is None:
            raise self.error("", 'a session needs its id: id = "0x0000281cac000069"')
        if isinstance(value, str) and _HEX_ID.fullmatch(value.strip()):
            return int(value.strip(), 16)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self.error("id", 'id must be written like "0x0000281cac000069", or be a number without quotes')


def _add(found: KeyFile, table: _Table) -> None:
    for key in table.content:
        table.check_name("key", key, _KNOWN[table.name])
    if table.name == "user":
        _add_user(found.store, table)
    elif table.name == "session":
        _add_session(found.store, table)
    else:
        found.references.append(_reference(table))


def _reference(table: _Table) -> FileReference:
    path = table.text("path")
    if not path:
        raise table.error("path", f'a {table.name} needs the path of a file: path = "..."')
    return FileReference(table.path.parent / path, table.name, table.where("path"))


def _add_user(store: KeyStore, table: _Table) -> None:
    name = table.text("name")
    if name is None:
        raise table.error("", 'a user needs a name: name = "alice"')
    if "\\" in name:
        raise table.error("name", 'write the domain apart: domain = "CORPUS" and name = "alice"')
    password, nt_hash = table.text("password"), table.secret("nt_hash", (16,))
    if (password is None) == (nt_hash is None):
        raise table.error("", f'user "{name}" needs either password or nt_hash')
    store.add(Credential(name, table.text("domain"), password, nt_hash, table.where()))


def _add_session(store: KeyStore, table: _Table) -> None:
    session_id = table.session_id()
    key = table.secret("key", (16, 32))
    to_server = table.secret("client_to_server", (16, 32))
    to_client = table.secret("server_to_client", (16, 32))
    if key is to_server is to_client is None:
        raise table.error("", "a session needs key, or client_to_server and server_to_client")
    try:
        if key is not None:
            store.add(SessionKey(session_id, key, table.where()))
        if to_server is not None or to_client is not None:
            store.add(DirectionKeys(session_id, to_server, to_client, table.where()))
    except UsageError as error:
        raise table.error("", str(error)) from None


def _line_numbers(text: str) -> dict[tuple[str, int, str], int]:
    """Line of every (table, which of that name, key), "" for its header; "" as table is the top of the file.

    tomllib keeps no positions. This reads headers and `key =` at line starts, skips multi-line strings, and knows
    nothing else of TOML: enough to point at a line, and what it misses falls back to the table's own.
    """
    lines: dict[tuple[str, int, str], int] = {}
    counts: dict[str, int] = {}
    table, place = "", 0
    closing = None
    for number, line in enumerate(text.split("\n"), 1):
        if closing is None:
            if header := _HEADER.match(line):
                table = header[1]
                place = counts.get(table, 0)
                counts[table] = place + 1
                lines.setdefault((table, place, ""), number)
            elif key := _KEY.match(line):
                lines.setdefault((table, place, key[1]), number)
            closing = next((quotes for quotes in ('"""', "'''") if line.count(quotes) % 2), None)
        elif closing in line:
            closing = None
    return lines


def _decode_message(path: Path, text: str, message: str) -> str:
    """One sentence of what tomllib says, with its line at the front."""
    match = _DECODE_ERROR.fullmatch(message)
    if match is None:
        return f"{path} is not valid TOML: {message}"
    line = match[2] or str(text.count("\n") + 1)
    return f"{path} line {line}: not valid TOML: {match[1][0].lower()}{match[1][1:]}"
