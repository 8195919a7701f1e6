"""The times that operations leave on a file (MS-FSA 2.1.4.17 and where an operation says so)."""

from parsers.smb2.create import FileAttributes
from refserver.server.state import Open
from refserver.store.store import Attributes

__all__ = ["was_changed", "was_written"]


def was_written(open_: Open, now: int) -> None:
    """New content: LastWriteTime, ChangeTime, and the archive bit."""
    known = open_.node.attributes()
    known.attributes = known.attributes & ~FileAttributes.NORMAL | FileAttributes.ARCHIVE
    if "last_write_time" not in open_.kept_times:
        known.last_write_time = now
    _set_changed(open_, known, now)


def was_changed(open_: Open, now: int) -> None:
    """A new name, attribute or descriptor: ChangeTime."""
    _set_changed(open_, open_.node.attributes(), now)


def _set_changed(open_: Open, attributes: Attributes, now: int) -> None:
    if "change_time" not in open_.kept_times:
        attributes.change_time = now
    open_.node.set_attributes(attributes)
