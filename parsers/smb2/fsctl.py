"""The control codes of IOCTL messages, and what their buffers hold (MS-SMB2 2.2.31, 2.2.32, MS-FSCC 2.3, MS-DFSC).

Every structure is read from, and written to, one whole input or output buffer. Server-side copies are in
`parsers.smb2.copychunk`, network interfaces in `parsers.smb2.network_interface`.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenEnum
from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, U64, Buffer, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16
from parsers.smb2.dialects import Dialect
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode

__all__ = [
    "NETWORK_RESILIENCY",
    "PIPE_WAIT",
    "VALIDATE_NEGOTIATE_REQUEST",
    "VALIDATE_NEGOTIATE_RESPONSE",
    "DfsReferralRequest",
    "FsctlCode",
    "NetworkResiliencyFixed",
    "NetworkResiliencyRequest",
    "PipeWaitFixed",
    "PipeWaitRequest",
    "ValidateNegotiateRequest",
    "ValidateNegotiateRequestFixed",
    "ValidateNegotiateResponse",
    "ValidateNegotiateResponseFixed",
]


class FsctlCode(OpenEnum):
    """MS-SMB2 2.2.31 and MS-FSCC 2.3, without the prefix FSCTL_; the last ones are of MS-RSVD and MS-SQOS."""

    DFS_GET_REFERRALS = 0x00060194
    DFS_GET_REFERRALS_EX = 0x000601B0
    PIPE_WAIT = 0x00110018
    PIPE_PEEK = 0x0011400C
    PIPE_TRANSCEIVE = 0x0011C017
    SRV_REQUEST_RESUME_KEY = 0x00140078
    LMR_SET_LINK_TRACKING_INFORMATION = 0x001400EC
    LMR_REQUEST_RESILIENCY = 0x001401D4
    QUERY_NETWORK_INTERFACE_INFO = 0x001401FC
    VALIDATE_NEGOTIATE_INFO = 0x00140204
    SRV_ENUMERATE_SNAPSHOTS = 0x00144064
    SRV_COPYCHUNK = 0x001440F2
    SRV_READ_HASH = 0x001441BB
    SRV_COPYCHUNK_WRITE = 0x001480F2

    IS_PATHNAME_VALID = 0x0009002C
    GET_COMPRESSION = 0x0009003C
    QUERY_FAT_BPB = 0x00090058
    FILESYSTEM_GET_STATISTICS = 0x00090060
    GET_NTFS_VOLUME_DATA = 0x00090064
    GET_RETRIEVAL_POINTERS = 0x00090073
    FIND_FILES_BY_SID = 0x0009008F
    SET_OBJECT_ID = 0x00090098
    GET_OBJECT_ID = 0x0009009C
    DELETE_OBJECT_ID = 0x000900A0
    SET_REPARSE_POINT = 0x000900A4
    GET_REPARSE_POINT = 0x000900A8
    DELETE_REPARSE_POINT = 0x000900AC
    SET_OBJECT_ID_EXTENDED = 0x000900BC
    CREATE_OR_GET_OBJECT_ID = 0x000900C0
    SET_SPARSE = 0x000900C4
    SET_ENCRYPTION = 0x000900D7
    READ_FILE_USN_DATA = 0x000900EB
    WRITE_USN_CLOSE_RECORD = 0x000900EF
    MARK_HANDLE = 0x000900FC
    SIS_COPYFILE = 0x00090100
    RECALL_FILE = 0x00090117
    QUERY_SPARING_INFO = 0x00090138
    QUERY_ON_DISK_VOLUME_INFO = 0x0009013C
    SET_ZERO_ON_DEALLOCATION = 0x00090194
    GET_INTEGRITY_INFORMATION = 0x0009027C
    QUERY_FILE_REGIONS = 0x00090284
    GET_REFS_VOLUME_DATA = 0x000902D8
    SET_INTEGRITY_INFORMATION_EX = 0x00090380
    GET_RETRIEVAL_POINTERS_AND_REFCOUNT = 0x000903D3
    GET_RETRIEVAL_POINTER_COUNT = 0x0009042B
    REFS_STREAM_SNAPSHOT_MANAGEMENT = 0x00090440
    QUERY_ALLOCATED_RANGES = 0x000940CF
    OFFLOAD_READ = 0x00094264
    SET_ZERO_DATA = 0x000980C8
    SET_DEFECT_MANAGEMENT = 0x00098134
    FILE_LEVEL_TRIM = 0x00098208
    OFFLOAD_WRITE = 0x00098268
    DUPLICATE_EXTENTS_TO_FILE = 0x00098344
    DUPLICATE_EXTENTS_TO_FILE_EX = 0x000983E8
    SET_COMPRESSION = 0x0009C040
    SET_INTEGRITY_INFORMATION = 0x0009C280

    QUERY_SHARED_VIRTUAL_DISK_SUPPORT = 0x00090300
    SVHDX_SYNC_TUNNEL_REQUEST = 0x00090304
    STORAGE_QOS_CONTROL = 0x00090350
    SVHDX_ASYNC_TUNNEL_REQUEST = 0x00090364


class ValidateNegotiateRequestFixed(NamedTuple):
    """MS-SMB2 2.2.31.4 up to Dialects."""

    capabilities: U32
    guid: Bytes16
    security_mode: U16
    dialect_count: U16


class ValidateNegotiateResponseFixed(NamedTuple):
    """MS-SMB2 2.2.32.6."""

    capabilities: U32
    guid: Bytes16
    security_mode: U16
    dialect: U16


class NetworkResiliencyFixed(NamedTuple):
    """MS-SMB2 2.2.31.3."""

    timeout: U32
    reserved: U32


class PipeWaitFixed(NamedTuple):
    """MS-FSCC 2.3.49 (FSCTL_PIPE_WAIT) up to Name."""

    timeout: U64
    name_length: U32
    timeout_specified: U8
    padding: U8


VALIDATE_NEGOTIATE_REQUEST = Layout(ValidateNegotiateRequestFixed)
VALIDATE_NEGOTIATE_RESPONSE = Layout(ValidateNegotiateResponseFixed)
NETWORK_RESILIENCY = Layout(NetworkResiliencyFixed)
PIPE_WAIT = Layout(PipeWaitFixed)


@dataclass(frozen=True, slots=True)
class ValidateNegotiateRequest:
    """VALIDATE_NEGOTIATE_INFO request, MS-SMB2 2.2.31.4: what the client sent in its NEGOTIATE."""

    capabilities: GlobalCapabilities
    guid: bytes
    security_mode: SecurityMode
    dialects: tuple[Dialect, ...]

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an input buffer.

        Raises:
            ParseError: too short for DialectCount dialects.
        """
        fixed = VALIDATE_NEGOTIATE_REQUEST.parse(buffer)
        reader = Reader(memoryview(buffer)[VALIDATE_NEGOTIATE_REQUEST.size :]).sub(2 * fixed.dialect_count, "Dialects")
        dialects = tuple(Dialect(reader.u16("Dialects")) for _ in range(fixed.dialect_count))
        return cls(GlobalCapabilities(fixed.capabilities), fixed.guid, SecurityMode(fixed.security_mode), dialects)

    def build(self) -> bytes:
        """An input buffer."""
        fixed = ValidateNegotiateRequestFixed(self.capabilities, self.guid, self.security_mode, len(self.dialects))
        return VALIDATE_NEGOTIATE_REQUEST.build(fixed) + b"".join(d.to_bytes(2, "little") for d in self.dialects)


@dataclass(frozen=True, slots=True)
class ValidateNegotiateResponse:
    """VALIDATE_NEGOTIATE_INFO response, MS-SMB2 2.2.32.6: what the server answered to NEGOTIATE."""

    capabilities: GlobalCapabilities
    guid: bytes
    security_mode: SecurityMode
    dialect: Dialect

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an output buffer.

        Raises:
            ParseError: too short.
        """
        fixed = VALIDATE_NEGOTIATE_RESPONSE.parse(buffer)
        mode = SecurityMode(fixed.security_mode)
        return cls(GlobalCapabilities(fixed.capabilities), fixed.guid, mode, Dialect(fixed.dialect))

    def build(self) -> bytes:
        """An output buffer."""
        fixed = ValidateNegotiateResponseFixed(self.capabilities, self.guid, self.security_mode, self.dialect)
        return VALIDATE_NEGOTIATE_RESPONSE.build(fixed)


@dataclass(frozen=True, slots=True)
class NetworkResiliencyRequest:
    """NETWORK_RESILIENCY_REQUEST (FSCTL_LMR_REQUEST_RESILIENCY), MS-SMB2 2.2.31.3; `timeout` in milliseconds."""

    timeout: int

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an input buffer.

        Raises:
            ParseError: too short.
        """
        return cls(NETWORK_RESILIENCY.parse(buffer).timeout)

    def build(self) -> bytes:
        """An input buffer."""
        return NETWORK_RESILIENCY.build(NetworkResiliencyFixed(self.timeout, 0))


@dataclass(frozen=True, slots=True)
class PipeWaitRequest:
    """FSCTL_PIPE_WAIT, MS-FSCC 2.3.49; `timeout` in 100 ns, the server's default where it is not specified."""

    timeout: int
    timeout_specified: bool
    name: str

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an input buffer.

        Raises:
            ParseError: too short, or the name has an odd length.
        """
        fixed = PIPE_WAIT.parse(buffer)
        name = Reader(memoryview(buffer)[PIPE_WAIT.size :]).take(fixed.name_length, "Name")
        return cls(fixed.timeout, fixed.timeout_specified != 0, decode_utf16(name, "Name"))

    def build(self) -> bytes:
        """An input buffer."""
        name = encode_utf16(self.name)
        return PIPE_WAIT.build(PipeWaitFixed(self.timeout, len(name), self.timeout_specified, 0)) + name


@dataclass(frozen=True, slots=True)
class DfsReferralRequest:
    """REQ_GET_DFS_REFERRAL, MS-DFSC 2.2.2: the path whose servers the client wants to know."""

    max_referral_level: int
    request_file_name: str

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an input buffer; what follows the terminating null is ignored.

        Raises:
            ParseError: too short, or the name is not terminated.
        """
        reader = Reader(buffer)
        level = reader.u16("MaxReferralLevel")
        text = bytes(reader.rest())
        name, end, _ = decode_utf16(text[: len(text) & ~1], "RequestFileName").partition("\0")
        if not end:
            raise ParseError("RequestFileName is not terminated", 2)
        return cls(level, name)

    def build(self) -> bytes:
        """An input buffer."""
        return self.max_referral_level.to_bytes(2, "little") + encode_utf16(self.request_file_name + "\0")
