"""SMB2 CREATE (MS-SMB2 2.2.13, 2.2.14)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenEnum, OpenFlag
from parsers.layout import U8, U16, U32, U64, Layout
from parsers.smb2.access import AccessMask
from parsers.smb2.body import align8, decode_utf16, encode_utf16, parse_body, payload
from parsers.smb2.create_contexts import (
    REQUEST_CONTEXTS,
    RESPONSE_CONTEXTS,
    CreateContext,
    build_create_contexts,
    parse_create_contexts,
)
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "CREATE_REQUEST",
    "CREATE_RESPONSE",
    "CreateAction",
    "CreateDisposition",
    "CreateOptions",
    "CreateRequest",
    "CreateRequestFixed",
    "CreateResponse",
    "CreateResponseFixed",
    "CreateResponseFlags",
    "FileAttributes",
    "ImpersonationLevel",
    "OplockLevel",
    "ShareAccess",
]

_REQUEST_SIZE = 57
_RESPONSE_SIZE = 89


class OplockLevel(OpenEnum):
    """MS-SMB2 2.2.13, RequestedOplockLevel."""

    NONE = 0x00
    II = 0x01
    EXCLUSIVE = 0x08
    BATCH = 0x09
    LEASE = 0xFF


class ImpersonationLevel(OpenEnum):
    """MS-SMB2 2.2.13, ImpersonationLevel."""

    ANONYMOUS = 0
    IDENTIFICATION = 1
    IMPERSONATION = 2
    DELEGATE = 3


class ShareAccess(OpenFlag):
    """MS-SMB2 2.2.13, ShareAccess."""

    READ = 0x00000001
    WRITE = 0x00000002
    DELETE = 0x00000004


class CreateDisposition(OpenEnum):
    """MS-SMB2 2.2.13, CreateDisposition."""

    SUPERSEDE = 0
    OPEN = 1
    CREATE = 2
    OPEN_IF = 3
    OVERWRITE = 4
    OVERWRITE_IF = 5


class CreateOptions(OpenFlag):
    """MS-SMB2 2.2.13, CreateOptions."""

    DIRECTORY_FILE = 0x00000001
    WRITE_THROUGH = 0x00000002
    SEQUENTIAL_ONLY = 0x00000004
    NO_INTERMEDIATE_BUFFERING = 0x00000008
    SYNCHRONOUS_IO_ALERT = 0x00000010
    SYNCHRONOUS_IO_NONALERT = 0x00000020
    NON_DIRECTORY_FILE = 0x00000040
    COMPLETE_IF_OPLOCKED = 0x00000100
    NO_EA_KNOWLEDGE = 0x00000200
    OPEN_REMOTE_INSTANCE = 0x00000400
    RANDOM_ACCESS = 0x00000800
    DELETE_ON_CLOSE = 0x00001000
    OPEN_BY_FILE_ID = 0x00002000
    OPEN_FOR_BACKUP_INTENT = 0x00004000
    NO_COMPRESSION = 0x00008000
    OPEN_REQUIRING_OPLOCK = 0x00010000
    DISALLOW_EXCLUSIVE = 0x00020000
    RESERVE_OPFILTER = 0x00100000
    OPEN_REPARSE_POINT = 0x00200000
    OPEN_NO_RECALL = 0x00400000
    OPEN_FOR_FREE_SPACE_QUERY = 0x00800000


class FileAttributes(OpenFlag):
    """MS-FSCC 2.6."""

    READONLY = 0x00000001
    HIDDEN = 0x00000002
    SYSTEM = 0x00000004
    DIRECTORY = 0x00000010
    ARCHIVE = 0x00000020
    NORMAL = 0x00000080
    TEMPORARY = 0x00000100
    SPARSE_FILE = 0x00000200
    REPARSE_POINT = 0x00000400
    COMPRESSED = 0x00000800
    OFFLINE = 0x00001000
    NOT_CONTENT_INDEXED = 0x00002000
    ENCRYPTED = 0x00004000
    INTEGRITY_STREAM = 0x00008000
    NO_SCRUB_DATA = 0x00020000
    RECALL_ON_OPEN = 0x00040000
    PINNED = 0x00080000
    UNPINNED = 0x00100000
    RECALL_ON_DATA_ACCESS = 0x00400000


class CreateResponseFlags(OpenFlag):
    """MS-SMB2 2.2.14, Flags (3.x)."""

    REPARSEPOINT = 0x01


class CreateAction(OpenEnum):
    """MS-SMB2 2.2.14, CreateAction."""

    SUPERSEDED = 0
    OPENED = 1
    CREATED = 2
    OVERWRITTEN = 3


class CreateRequestFixed(NamedTuple):
    """MS-SMB2 2.2.13."""

    structure_size: U16
    security_flags: U8
    requested_oplock_level: U8
    impersonation_level: U32
    smb_create_flags: U64
    reserved: U64
    desired_access: U32
    file_attributes: U32
    share_access: U32
    create_disposition: U32
    create_options: U32
    name_offset: U16
    name_length: U16
    create_contexts_offset: U32
    create_contexts_length: U32


class CreateResponseFixed(NamedTuple):
    """MS-SMB2 2.2.14; the FileId (2.2.14.1) is its persistent and its volatile half."""

    structure_size: U16
    oplock_level: U8
    flags: U8
    create_action: U32
    creation_time: U64
    last_access_time: U64
    last_write_time: U64
    change_time: U64
    allocation_size: U64
    end_of_file: U64
    file_attributes: U32
    reserved2: U32
    file_id_persistent: U64
    file_id_volatile: U64
    create_contexts_offset: U32
    create_contexts_length: U32


CREATE_REQUEST = Layout(CreateRequestFixed)
CREATE_RESPONSE = Layout(CreateResponseFixed)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """MS-SMB2 2.2.13; `name` is relative to the share, or a DFS path where the header says so; "" is the root."""

    requested_oplock_level: OplockLevel
    impersonation_level: ImpersonationLevel
    desired_access: AccessMask
    file_attributes: FileAttributes
    share_access: ShareAccess
    create_disposition: CreateDisposition
    create_options: CreateOptions
    name: str
    contexts: tuple[CreateContext, ...] = ()

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, a name of odd length, or a name or context out of place.
        """
        fixed = parse_body(CREATE_REQUEST, _REQUEST_SIZE, message)
        name = payload(message, fixed.name_offset, fixed.name_length, "file name")
        chain = payload(message, fixed.create_contexts_offset, fixed.create_contexts_length, "create contexts")
        return cls(
            OplockLevel(fixed.requested_oplock_level),
            ImpersonationLevel(fixed.impersonation_level),
            AccessMask(fixed.desired_access),
            FileAttributes(fixed.file_attributes),
            ShareAccess(fixed.share_access),
            CreateDisposition(fixed.create_disposition),
            CreateOptions(fixed.create_options),
            decode_utf16(name, "file name"),
            parse_create_contexts(chain, REQUEST_CONTEXTS),
        )

    def build(self) -> bytes:
        """The body; without name and contexts it still has the one byte of buffer that 2.2.13 demands."""
        offset = HEADER_SIZE + CREATE_REQUEST.size
        name = encode_utf16(self.name)
        contexts = build_create_contexts(self.contexts)
        buffer = align8(name) + contexts if contexts else name or bytes(1)
        fixed = CreateRequestFixed(
            _REQUEST_SIZE,
            0,
            self.requested_oplock_level,
            self.impersonation_level,
            0,
            0,
            self.desired_access,
            self.file_attributes,
            self.share_access,
            self.create_disposition,
            self.create_options,
            offset,
            len(name),
            offset + len(align8(name)) if contexts else 0,
            len(contexts),
        )
        return CREATE_REQUEST.build(fixed) + buffer


@dataclass(frozen=True, slots=True)
class CreateResponse:
    """MS-SMB2 2.2.14; the four times are FILETIME."""

    oplock_level: OplockLevel
    flags: CreateResponseFlags
    create_action: CreateAction
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: FileAttributes
    file_id: FileId
    contexts: tuple[CreateContext, ...] = ()

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, or a context out of place.
        """
        fixed = parse_body(CREATE_RESPONSE, _RESPONSE_SIZE, message)
        chain = payload(message, fixed.create_contexts_offset, fixed.create_contexts_length, "create contexts")
        return cls(
            OplockLevel(fixed.oplock_level),
            CreateResponseFlags(fixed.flags),
            CreateAction(fixed.create_action),
            fixed.creation_time,
            fixed.last_access_time,
            fixed.last_write_time,
            fixed.change_time,
            fixed.allocation_size,
            fixed.end_of_file,
            FileAttributes(fixed.file_attributes),
            FileId(fixed.file_id_persistent, fixed.file_id_volatile),
            parse_create_contexts(chain, RESPONSE_CONTEXTS),
        )

    def build(self) -> bytes:
        """The body."""
        contexts = build_create_contexts(self.contexts)
        fixed = CreateResponseFixed(
            _RESPONSE_SIZE,
            self.oplock_level,
            self.flags,
            self.create_action,
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.file_attributes,
            0,
            *self.file_id,
            HEADER_SIZE + CREATE_RESPONSE.size if contexts else 0,
            len(contexts),
        )
        return CREATE_RESPONSE.build(fixed) + contexts
