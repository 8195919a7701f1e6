"""SMB2 TREE_CONNECT (MS-SMB2 2.2.9, 2.2.10)."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self

from parsers.enums import OpenEnum, OpenFlag
from parsers.layout import U8, U16, U32, Layout
from parsers.smb2.access import AccessMask
from parsers.smb2.body import decode_utf16, encode_utf16, pad8, parse_body, payload
from parsers.smb2.context_list import build_context_list, parse_context_list
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "TREE_CONNECT_EXTENSION",
    "TREE_CONNECT_REQUEST",
    "TREE_CONNECT_RESPONSE",
    "ShareCapabilities",
    "ShareFlags",
    "ShareType",
    "TreeConnectContext",
    "TreeConnectContextType",
    "TreeConnectExtensionFixed",
    "TreeConnectFlags",
    "TreeConnectRequest",
    "TreeConnectRequestFixed",
    "TreeConnectResponse",
    "TreeConnectResponseFixed",
]

_REQUEST_SIZE = 9
_RESPONSE_SIZE = 16


class TreeConnectFlags(OpenFlag):
    """MS-SMB2 2.2.9, Flags (3.1.1)."""

    CLUSTER_RECONNECT = 0x0001
    REDIRECT_TO_OWNER = 0x0002
    EXTENSION_PRESENT = 0x0004


class TreeConnectContextType(OpenEnum):
    """MS-SMB2 2.2.9.2, ContextType."""

    REMOTED_IDENTITY = 0x0001


class ShareType(OpenEnum):
    """MS-SMB2 2.2.10, ShareType."""

    DISK = 0x01
    PIPE = 0x02
    PRINT = 0x03


class ShareFlags(OpenFlag):
    """MS-SMB2 2.2.10, ShareFlags.

    The caching mode is the number under the mask `NO_CACHING`: manual (0), auto, VDO, or none (all of the mask).
    """

    DFS = 0x00000001
    DFS_ROOT = 0x00000002
    AUTO_CACHING = 0x00000010
    VDO_CACHING = 0x00000020
    NO_CACHING = 0x00000030
    RESTRICT_EXCLUSIVE_OPENS = 0x00000100
    FORCE_SHARED_DELETE = 0x00000200
    ALLOW_NAMESPACE_CACHING = 0x00000400
    ACCESS_BASED_DIRECTORY_ENUM = 0x00000800
    FORCE_LEVELII_OPLOCK = 0x00001000
    ENABLE_HASH_V1 = 0x00002000
    ENABLE_HASH_V2 = 0x00004000
    ENCRYPT_DATA = 0x00008000
    IDENTITY_REMOTING = 0x00040000
    COMPRESS_DATA = 0x00100000
    ISOLATED_TRANSPORT = 0x00200000


class ShareCapabilities(OpenFlag):
    """MS-SMB2 2.2.10, Capabilities."""

    DFS = 0x00000008
    CONTINUOUS_AVAILABILITY = 0x00000010
    SCALEOUT = 0x00000020
    CLUSTER = 0x00000040
    ASYMMETRIC = 0x00000080
    REDIRECT_TO_OWNER = 0x00000100


class TreeConnectRequestFixed(NamedTuple):
    """MS-SMB2 2.2.9; `flags` is reserved before 3.1.1."""

    structure_size: U16
    flags: U16
    path_offset: U16
    path_length: U16


class TreeConnectExtensionFixed(NamedTuple):
    """MS-SMB2 2.2.9.1: follows the fixed part where `TreeConnectFlags.EXTENSION_PRESENT` is set."""

    tree_connect_context_offset: U32
    tree_connect_context_count: U16
    reserved: Annotated[bytes, "10s"]


class TreeConnectResponseFixed(NamedTuple):
    """MS-SMB2 2.2.10."""

    structure_size: U16
    share_type: U8
    reserved: U8
    share_flags: U32
    capabilities: U32
    maximal_access: U32


TREE_CONNECT_REQUEST = Layout(TreeConnectRequestFixed)
TREE_CONNECT_EXTENSION = Layout(TreeConnectExtensionFixed)
TREE_CONNECT_RESPONSE = Layout(TreeConnectResponseFixed)

_BUFFER_OFFSET = HEADER_SIZE + TREE_CONNECT_REQUEST.size


@dataclass(frozen=True, slots=True)
class TreeConnectContext:
    """MS-SMB2 2.2.9.2; the data of a remoted identity (2.2.9.2.1) is kept as it is."""

    context_type: TreeConnectContextType
    data: bytes


@dataclass(frozen=True, slots=True)
class TreeConnectRequest:
    r"""MS-SMB2 2.2.9; `path` is `\\server\share`, `contexts` come with the 3.1.1 extension (2.2.9.1)."""

    flags: TreeConnectFlags
    path: str
    contexts: tuple[TreeConnectContext, ...] = ()

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, a path of odd length, or anything outside of the message.
        """
        fixed = parse_body(TREE_CONNECT_REQUEST, _REQUEST_SIZE, message)
        flags = TreeConnectFlags(fixed.flags)
        path = decode_utf16(payload(message, fixed.path_offset, fixed.path_length, "share path"), "share path")
        contexts = _parse_extension(message) if flags & TreeConnectFlags.EXTENSION_PRESENT else ()
        return cls(flags, path, contexts)

    def build(self) -> bytes:
        """The body; the extension is there if `flags` says so, whether or not there are contexts."""
        path = encode_utf16(self.path)
        if not self.flags & TreeConnectFlags.EXTENSION_PRESENT:
            fixed = TreeConnectRequestFixed(_REQUEST_SIZE, self.flags, _BUFFER_OFFSET, len(path))
            return TREE_CONNECT_REQUEST.build(fixed) + path
        path_offset = _BUFFER_OFFSET + TREE_CONNECT_EXTENSION.size
        padding = pad8(path_offset + len(path))
        context_offset = path_offset + len(path) + len(padding)
        extension = TreeConnectExtensionFixed(context_offset, len(self.contexts), bytes(10))
        fixed = TreeConnectRequestFixed(_REQUEST_SIZE, self.flags, path_offset, len(path))
        contexts = build_context_list((context.context_type, context.data) for context in self.contexts)
        return TREE_CONNECT_REQUEST.build(fixed) + TREE_CONNECT_EXTENSION.build(extension) + path + padding + contexts


def _parse_extension(message: memoryview) -> tuple[TreeConnectContext, ...]:
    # "From the start of the SMB2 TREE_CONNECT request" (2.2.9.1) is read as from the header: 2.2.9 composes the
    # request of header and body, and all other offsets of the message count from there.
    fixed = TREE_CONNECT_EXTENSION.parse(message, _BUFFER_OFFSET)
    pairs = parse_context_list(message, fixed.tree_connect_context_offset, fixed.tree_connect_context_count)
    return tuple(TreeConnectContext(TreeConnectContextType(kind), bytes(data)) for kind, data in pairs)


@dataclass(frozen=True, slots=True)
class TreeConnectResponse:
    """MS-SMB2 2.2.10; the TreeId is in the header."""

    share_type: ShareType
    share_flags: ShareFlags
    capabilities: ShareCapabilities
    maximal_access: AccessMask

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(TREE_CONNECT_RESPONSE, _RESPONSE_SIZE, message)
        return cls(
            ShareType(fixed.share_type),
            ShareFlags(fixed.share_flags),
            ShareCapabilities(fixed.capabilities),
            AccessMask(fixed.maximal_access),
        )

    def build(self) -> bytes:
        """The body."""
        fixed = TreeConnectResponseFixed(
            _RESPONSE_SIZE, self.share_type, 0, self.share_flags, self.capabilities, self.maximal_access
        )
        return TREE_CONNECT_RESPONSE.build(fixed)
