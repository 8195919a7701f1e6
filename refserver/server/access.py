"""What an open may do: the access mask that is asked for, and what the account, the share and the file allow of it."""

from typing import Final

from parsers.ntstatus import STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD
from parsers.smb2.access import AccessMask
from parsers.smb2.create import FileAttributes
from refserver.errors import StatusError
from refserver.server import permissions
from refserver.server.permissions import ALL
from refserver.server.state import TreeConnect
from refserver.store.store import Node

__all__ = ["ALL", "WRITES", "check_desired", "granted_access", "maximal_access"]

_READ: Final = 0x00120089
_WRITE: Final = 0x00120116
_EXECUTE: Final = 0x001200A0
_KNOWN: Final = 0xF31F01FF  # MS-SMB2 2.2.13.1.1
_GENERIC: Final = {  # MS-FSA 2.1.5.1: how the generic rights of a file are meant
    AccessMask.GENERIC_READ: _READ,
    AccessMask.GENERIC_WRITE: _WRITE,
    AccessMask.GENERIC_EXECUTE: _EXECUTE,
    AccessMask.GENERIC_ALL: ALL,
}
WRITES: Final = (
    AccessMask.FILE_WRITE_DATA
    | AccessMask.FILE_APPEND_DATA
    | AccessMask.FILE_WRITE_EA
    | AccessMask.FILE_WRITE_ATTRIBUTES
    | AccessMask.FILE_DELETE_CHILD
    | AccessMask.DELETE
    | AccessMask.WRITE_DAC
    | AccessMask.WRITE_OWNER
)
"""What changes anything: a share that may only be read grants none of it."""
_BY_PARENT: Final = AccessMask.DELETE | AccessMask.FILE_READ_ATTRIBUTES  # what the right to its directory gives
_CONTENT: Final = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA


def maximal_access(tree_connect: TreeConnect, node: Node | None) -> int:
    """All that the user may do with a file of the share; `node` is None for one that is yet to be created."""
    allowed = tree_connect.maximal_access
    if tree_connect.share.read_only:
        allowed &= ~WRITES
    if node is None:
        return allowed
    known = node.attributes()
    if not node.is_directory and known.attributes & FileAttributes.READONLY:
        allowed &= ~_CONTENT
    if known.security:
        allowed &= permissions.granted(tree_connect.session, known.security) | _BY_PARENT
    return allowed


def check_desired(desired: int) -> None:
    """What is refused whatever the file (MS-SMB2 3.3.5.9).

    Raises:
        StatusError: ACCESS_DENIED for nothing at all or unknown bits, PRIVILEGE_NOT_HELD for the audit list.
    """
    if not desired or desired & ~_KNOWN:
        raise StatusError(STATUS_ACCESS_DENIED)
    if desired & AccessMask.ACCESS_SYSTEM_SECURITY:
        raise StatusError(STATUS_PRIVILEGE_NOT_HELD)


def granted_access(desired: int, allowed: int) -> int:
    """The rights of the open; generic ones by what they stand for, MAXIMUM_ALLOWED by all that is allowed.

    Raises:
        StatusError: ACCESS_DENIED where more is desired than allowed.
    """
    granted = desired & ALL
    for generic, meaning in _GENERIC.items():
        if desired & generic:
            granted |= meaning
    if granted & ~allowed:
        raise StatusError(STATUS_ACCESS_DENIED)
    return granted | (allowed if desired & AccessMask.MAXIMUM_ALLOWED else 0)
