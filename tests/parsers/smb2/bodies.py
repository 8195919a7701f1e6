"""Bodies of the messages that open, use and close files, with nothing in them but what tests look at."""

from parsers.smb2.access import AccessMask
from parsers.smb2.close_flush import CloseFlags, CloseRequest, CloseResponse
from parsers.smb2.create import (
    CreateAction,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    CreateResponseFlags,
    FileAttributes,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from parsers.smb2.error import ErrorResponse
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.read_write import ReadFlags, ReadRequest, WriteRequest

SAME = FILE_ID_RELATED  # the file of the request before it in the compound


def create_body(name: str) -> bytes:
    """A CREATE request."""
    return CreateRequest(
        OplockLevel.NONE, ImpersonationLevel.IMPERSONATION, AccessMask(0x00120089), FileAttributes(0), ShareAccess.READ,
        CreateDisposition.OPEN, CreateOptions(0), name,
    ).build()  # fmt: skip


def created_body(file_id: FileId, size: int = 100) -> bytes:
    """A CREATE response."""
    return CreateResponse(
        OplockLevel.BATCH, CreateResponseFlags(0), CreateAction.CREATED, 0, 0, 0, 0, 0, size, FileAttributes.ARCHIVE,
        file_id,
    ).build()  # fmt: skip


CLOSED = CloseResponse(CloseFlags(0), 0, 0, 0, 0, 0, 0, FileAttributes(0)).build()
ERROR = ErrorResponse().build()


def close_body(file_id: FileId) -> bytes:
    """A CLOSE request."""
    return CloseRequest(CloseFlags(0), file_id).build()


def read_body(file_id: FileId) -> bytes:
    """A READ request."""
    return ReadRequest(0, ReadFlags.NONE, 1000, 0, file_id).build()


def write_body(file_id: FileId, data: bytes = b"abc") -> bytes:
    """A WRITE request."""
    return WriteRequest(0, file_id, data).build()
