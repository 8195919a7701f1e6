"""What a CREATE may ask for at all, and the path that it names (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1)."""

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_IMPERSONATION_LEVEL,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_INVALID,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.create import (
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    FileAttributes,
    ImpersonationLevel,
    ShareAccess,
)
from parsers.smb2.header import Flags
from refserver.errors import StatusError
from refserver.server import access
from refserver.server.requests import Request
from refserver.store.names import check_name, split_stream

__all__ = ["check", "path_of"]

_BOTH_KINDS = CreateOptions.DIRECTORY_FILE | CreateOptions.NON_DIRECTORY_FILE
_NO_OPTIONS = 0xFF000000
_UNSUPPORTED = CreateOptions.OPEN_BY_FILE_ID | CreateOptions.RESERVE_OPFILTER | 0x80  # FILE_CREATE_TREE_CONNECTION
_SHARE_ACCESS = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
_ATTRIBUTES = 0x00007FB7  # MS-FSCC 2.6, without those of later systems
_DELETES = AccessMask.DELETE | AccessMask.GENERIC_ALL | AccessMask.MAXIMUM_ALLOWED
_NEW_DIRECTORY = (CreateDisposition.OPEN, CreateDisposition.CREATE, CreateDisposition.OPEN_IF)


def check(asked: CreateRequest) -> None:
    """Raise StatusError for what is wrong whatever file is meant."""
    if asked.impersonation_level > ImpersonationLevel.DELEGATE:
        raise StatusError(STATUS_BAD_IMPERSONATION_LEVEL)
    access.check_desired(asked.desired_access)
    options = asked.create_options
    if options & _UNSUPPORTED:
        raise StatusError(STATUS_NOT_SUPPORTED)
    if (
        options & _NO_OPTIONS
        or options & _BOTH_KINDS == _BOTH_KINDS
        or asked.create_disposition > CreateDisposition.OVERWRITE_IF
        or int(asked.share_access) & ~int(_SHARE_ACCESS)  # the flags alone know no other bits
        or asked.file_attributes & ~_ATTRIBUTES
    ):
        raise StatusError(STATUS_INVALID_PARAMETER)
    if options & CreateOptions.DIRECTORY_FILE and asked.create_disposition not in _NEW_DIRECTORY:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if options & CreateOptions.DELETE_ON_CLOSE and not asked.desired_access & _DELETES:
        raise StatusError(STATUS_ACCESS_DENIED)


def path_of(request: Request, asked: CreateRequest) -> tuple[str, ...]:
    r"""The names from the share's root; of a DFS path, those behind `server\share`.

    Raises:
        StatusError: INVALID_PARAMETER for a leading backslash, OBJECT_NAME_INVALID for what is no name,
            NOT_A_DIRECTORY for a stream that should be a directory.
    """
    name = asked.name
    if name.startswith("\\"):
        raise StatusError(STATUS_INVALID_PARAMETER)
    if asked.file_attributes & FileAttributes.DIRECTORY and asked.create_options & CreateOptions.NON_DIRECTORY_FILE:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if name.endswith("\\"):  # only a directory may be called so
        if asked.create_options & CreateOptions.NON_DIRECTORY_FILE:
            raise StatusError(STATUS_OBJECT_NAME_INVALID)
        name = name[:-1]
    names = tuple(name.split("\\")) if name else ()
    if request.header.flags & Flags.DFS_OPERATIONS:
        names = names[2:]
    for directory in names[:-1]:
        check_name(directory)
    if names and names[-1].partition(":")[0]:
        check_name(names[-1].partition(":")[0])
    if names and ":" in names[-1]:
        split_stream(names[-1])
        if asked.create_options & CreateOptions.DIRECTORY_FILE:
            raise StatusError(STATUS_NOT_A_DIRECTORY)
    return names
