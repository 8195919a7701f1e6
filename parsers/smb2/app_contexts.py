"""Create contexts with 16-byte names: application instances, shared virtual disks, POSIX.

MS-SMB2 2.2.13.2.13 to 2.2.13.2.15; MS-RSVD 2.2.4.12 and 2.2.4.31 to 2.2.4.33; SMB3 POSIX extensions 2.2.13.2.16 and
2.2.14.2.16.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U8, U16, U32, U64, Buffer, Bytes3, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16

__all__ = [
    "APP_INSTANCE_ID",
    "APP_INSTANCE_VERSION",
    "POSIX_RESPONSE",
    "SVHDX_OPEN_DEVICE",
    "VIRTUAL_DISK_PROPERTIES",
    "AppInstanceId",
    "AppInstanceIdFixed",
    "AppInstanceVersion",
    "AppInstanceVersionFixed",
    "OriginatorFlags",
    "PosixRequest",
    "PosixResponse",
    "PosixResponseFixed",
    "SvhdxOpenDevice",
    "SvhdxOpenDeviceFixed",
    "VirtualDiskProperties",
]

_POSIX_NAME = bytes.fromhex("93AD25509CB411E7B42383DE968BCD7C")

_APP_INSTANCE_ID_SIZE = 20
_APP_INSTANCE_VERSION_SIZE = 24
_SID_FIXED_SIZE = 8  # MS-DTYP 2.4.2.2: revision, count, authority; then four bytes a sub-authority


class OriginatorFlags(OpenFlag):
    """MS-RSVD 2.2.4.12, OriginatorFlags."""

    PVHDPARSER = 0x00000001
    VHDMP = 0x00000004


class AppInstanceIdFixed(NamedTuple):
    """MS-SMB2 2.2.13.2.13."""

    structure_size: U16
    reserved: U16
    app_instance_id: Bytes16


class AppInstanceVersionFixed(NamedTuple):
    """MS-SMB2 2.2.13.2.15."""

    structure_size: U16
    reserved: U16
    padding: U32
    app_instance_version_high: U64
    app_instance_version_low: U64


class SvhdxOpenDeviceFixed(NamedTuple):
    """MS-RSVD 2.2.4.12; version 2 appends `VirtualDiskProperties`."""

    version: U32
    has_initiator_id: U8
    reserved: Bytes3
    initiator_id: Bytes16
    flags: U32
    originator_flags: U32
    open_request_id: U64
    initiator_host_name_length: U16
    initiator_host_name: Annotated[bytes, "126s"]


class VirtualDiskProperties(NamedTuple):
    """MS-RSVD 2.2.4.33, what version 2 adds; all zero in a request."""

    virtual_disk_properties_initialized: U32
    server_service_version: U32
    virtual_sector_size: U32
    physical_sector_size: U32
    virtual_size: U64


class PosixResponseFixed(NamedTuple):
    """SMB3 POSIX extensions 2.2.14.2.16; the SIDs of owner and group follow."""

    nlink: U32
    reparse_tag: U32
    mode: U32


APP_INSTANCE_ID = Layout(AppInstanceIdFixed)
APP_INSTANCE_VERSION = Layout(AppInstanceVersionFixed)
SVHDX_OPEN_DEVICE = Layout(SvhdxOpenDeviceFixed)
VIRTUAL_DISK_PROPERTIES = Layout(VirtualDiskProperties)
POSIX_RESPONSE = Layout(PosixResponseFixed)


@dataclass(frozen=True, slots=True)
class AppInstanceId:
    """MS-SMB2 2.2.13.2.13: opens of one application instance, whichever node it runs on."""

    name: ClassVar[bytes] = bytes.fromhex("45BCA66AEFA7F74A9008FA462E144D74")
    app_instance_id: bytes

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        return cls(APP_INSTANCE_ID.parse(data).app_instance_id)

    def build(self) -> bytes:
        """The data of the context."""
        return APP_INSTANCE_ID.build(AppInstanceIdFixed(_APP_INSTANCE_ID_SIZE, 0, self.app_instance_id))


@dataclass(frozen=True, slots=True)
class AppInstanceVersion:
    """MS-SMB2 2.2.13.2.15."""

    name: ClassVar[bytes] = bytes.fromhex("B982D0B73B56074FA07B524A8116A010")
    app_instance_version_high: int
    app_instance_version_low: int

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = APP_INSTANCE_VERSION.parse(data)
        return cls(fixed.app_instance_version_high, fixed.app_instance_version_low)

    def build(self) -> bytes:
        """The data of the context."""
        fixed = AppInstanceVersionFixed(
            _APP_INSTANCE_VERSION_SIZE, 0, 0, self.app_instance_version_high, self.app_instance_version_low
        )
        return APP_INSTANCE_VERSION.build(fixed)


@dataclass(frozen=True, slots=True)
class SvhdxOpenDevice:
    """MS-RSVD 2.2.4.12 and 2.2.4.31; with `properties`, 2.2.4.32 and 2.2.4.33: a shared virtual disk is opened."""

    name: ClassVar[bytes] = bytes.fromhex("9CCBCF9E04C1E643980E158DA1F6EC83")
    version: int
    initiator_id: bytes | None
    flags: int
    originator_flags: OriginatorFlags
    open_request_id: int
    initiator_host_name: str
    properties: VirtualDiskProperties | None = None

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context.

        Raises:
            ParseError: too short, or a host name that is odd or longer than its field.
        """
        fixed = SVHDX_OPEN_DEVICE.parse(data)
        host_name = Reader(fixed.initiator_host_name).take(fixed.initiator_host_name_length, "InitiatorHostName")
        properties = None
        if len(data) > SVHDX_OPEN_DEVICE.size:
            properties = VIRTUAL_DISK_PROPERTIES.parse(data, SVHDX_OPEN_DEVICE.size)
        return cls(
            fixed.version,
            fixed.initiator_id if fixed.has_initiator_id else None,
            fixed.flags,
            OriginatorFlags(fixed.originator_flags),
            fixed.open_request_id,
            decode_utf16(host_name, "InitiatorHostName"),
            properties,
        )

    def build(self) -> bytes:
        """The data of the context."""
        host_name = encode_utf16(self.initiator_host_name)
        fixed = SvhdxOpenDeviceFixed(
            self.version,
            self.initiator_id is not None,
            bytes(3),
            self.initiator_id or bytes(16),
            self.flags,
            self.originator_flags,
            self.open_request_id,
            len(host_name),
            host_name,
        )
        tail = VIRTUAL_DISK_PROPERTIES.build(self.properties) if self.properties else b""
        return SVHDX_OPEN_DEVICE.build(fixed) + tail


@dataclass(frozen=True, slots=True)
class PosixRequest:
    """SMB3 POSIX extensions 2.2.13.2.16: the mode bits that a new file shall have."""

    name: ClassVar[bytes] = _POSIX_NAME
    mode: int

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        return cls(Reader(data).u32("Mode"))

    def build(self) -> bytes:
        """The data of the context."""
        return self.mode.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class PosixResponse:
    """SMB3 POSIX extensions 2.2.14.2.16; `owner` and `group` are SIDs (MS-DTYP 2.4.2.2) as they are on the wire."""

    name: ClassVar[bytes] = _POSIX_NAME
    nlink: int
    reparse_tag: int
    mode: int
    owner: bytes
    group: bytes

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = POSIX_RESPONSE.parse(data)
        reader = Reader(memoryview(data)[POSIX_RESPONSE.size :])
        return cls(*fixed, _take_sid(reader), _take_sid(reader))

    def build(self) -> bytes:
        """The data of the context."""
        fixed = PosixResponseFixed(self.nlink, self.reparse_tag, self.mode)
        return POSIX_RESPONSE.build(fixed) + self.owner + self.group


def _take_sid(reader: Reader) -> bytes:
    start = reader.take(2, "SID")
    return bytes(start) + bytes(reader.take(_SID_FIXED_SIZE - 2 + 4 * start[1], "SID"))
