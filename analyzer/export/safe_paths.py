"""Names from the wire -> paths that stay inside of a folder and can be written on any system.

A share's files lie in a folder of its name. What a name loses on the way stands in the list of files, which has it as
it was. Names that differ only in case, which some systems take for one, are numbered.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import PurePosixPath
from unicodedata import category, normalize

__all__ = ["SafePaths", "safe_component"]

_RESERVED = frozenset('<>:"/\\|?*')  # Windows allows none of them in a name; / is everybody's separator
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]|CONIN\$|CONOUT\$) *(\..*)?", re.IGNORECASE | re.DOTALL)
_LONGEST_NAME = 200  # bytes of UTF-8; systems take 255, and a number may follow
_LONGEST_SUFFIX = 20
_LONGEST_PATH = 1000  # bytes of UTF-8; systems take 4096, the folder included
_DEEPEST = 40


class SafePaths:
    """Gives every file a relative path of its own; `taken` are top-level names that none may have."""

    def __init__(self, *taken: str) -> None:
        self._taken = {_key(name) for name in taken}  # keys of files
        self._used: Counter[str] = Counter()  # paths that were tried for a wish
        self._folders: dict[str, str] = {}  # by the key of the wish
        self._folder_keys: set[str] = set()

    def claim(self, share: str, name: str) -> str:
        r"""A path that nobody has, with `/` between its parts.

        Args:
            share: the first folder.
            name: a name as a CREATE has it: `\` stands between its parts.
        """
        *folders, last = _shortened([safe_component(part) for part in name.split("\\") if part] or ["_"])
        path = ""
        for part in (safe_component(share), *folders):
            path = self._folder(f"{path}{part}") + "/"
        return self._file(f"{path}{last}")

    def _folder(self, wish: str) -> str:
        """The same folder for the same wish, whatever its case."""
        key = _key(wish)
        if key not in self._folders:
            path = next(path for path in _numbered(wish) if _key(path) not in self._taken)
            self._folders[key] = path
            self._folder_keys.add(_key(path))
        return self._folders[key]

    def _file(self, wish: str) -> str:
        key = _key(wish)
        for path in _numbered(wish, self._used[key]):
            self._used[key] += 1
            if _key(path) not in self._taken and _key(path) not in self._folder_keys:
                break
        self._taken.add(_key(path))
        return path


def safe_component(text: str) -> str:
    """One part of a path: never empty, no separator, no `.` or `..`, no device, nothing that a terminal would obey."""
    text = "".join(character if _is_harmless(character) else "_" for character in text)
    kept = text.rstrip(". ")  # Windows drops them
    text = kept + "_" * (len(text) - len(kept))
    if _DEVICE.fullmatch(text):
        text = f"_{text}"
    return _cut(text) or "_"


def _is_harmless(character: str) -> bool:
    return character not in _RESERVED and (character.isprintable() or category(character) == "Zs")


def _cut(text: str) -> str:
    """At most `_LONGEST_NAME` bytes, with the suffix if that is one."""
    if len(text.encode()) <= _LONGEST_NAME:
        return text
    stem, dot, suffix = text.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = text, "", ""
    room = _LONGEST_NAME - len(f"{dot}{suffix}".encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + dot + suffix


def _shortened(parts: list[str]) -> list[str]:
    """The last parts, as many as a path may have."""
    parts = parts[-_DEEPEST:]
    while sum(len(part.encode()) + 1 for part in parts) > _LONGEST_PATH:
        parts = parts[1:]
    return parts


def _numbered(wish: str, used: int = 0) -> Iterator[str]:
    """`a.txt`, `a (2).txt`, `a (3).txt` and so on, without the first `used` of them."""
    if used == 0:
        yield wish
    path = PurePosixPath(wish)
    for number in count(max(used, 1) + 1):
        yield str(path.with_name(f"{path.stem} ({number}){path.suffix}"))


def _key(path: str) -> str:
    """Equal for paths that some system takes for one: case, and ways to write an accent."""
    return normalize("NFKC", normalize("NFKC", path).casefold())
