"""What QUERY_INFO tells of a file system (MS-FSCC 2.5)."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U8, U32, U64, Buffer, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16

__all__ = [
    "FS_ATTRIBUTE",
    "FS_CONTROL",
    "FS_DEVICE",
    "FS_FULL_SIZE",
    "FS_OBJECT_ID",
    "FS_SECTOR_SIZE",
    "FS_SIZE",
    "FS_VOLUME",
    "FileSystemAttributes",
    "FsAttributeFixed",
    "FsAttributeInformation",
    "FsControlFixed",
    "FsDeviceFixed",
    "FsFullSizeFixed",
    "FsObjectIdFixed",
    "FsSectorSizeFixed",
    "FsSizeFixed",
    "FsVolumeFixed",
    "FsVolumeInformation",
]


class FileSystemAttributes(OpenFlag):
    """MS-FSCC 2.5.1, FileSystemAttributes."""

    CASE_SENSITIVE_SEARCH = 0x00000001
    CASE_PRESERVED_NAMES = 0x00000002
    UNICODE_ON_DISK = 0x00000004
    PERSISTENT_ACLS = 0x00000008
    FILE_COMPRESSION = 0x00000010
    VOLUME_QUOTAS = 0x00000020
    SUPPORTS_SPARSE_FILES = 0x00000040
    SUPPORTS_REPARSE_POINTS = 0x00000080
    SUPPORTS_OBJECT_IDS = 0x00010000
    SUPPORTS_ENCRYPTION = 0x00020000
    NAMED_STREAMS = 0x00040000
    READ_ONLY_VOLUME = 0x00080000
    SUPPORTS_HARD_LINKS = 0x00400000
    SUPPORTS_EXTENDED_ATTRIBUTES = 0x00800000


class FsVolumeFixed(NamedTuple):
    """FileFsVolumeInformation, MS-FSCC 2.5.9, up to the label."""

    volume_creation_time: U64
    volume_serial_number: U32
    volume_label_length: U32
    supports_objects: U8
    reserved: U8


class FsSizeFixed(NamedTuple):
    """FileFsSizeInformation, MS-FSCC 2.5.8."""

    total_allocation_units: U64
    available_allocation_units: U64
    sectors_per_allocation_unit: U32
    bytes_per_sector: U32


class FsFullSizeFixed(NamedTuple):
    """FileFsFullSizeInformation, MS-FSCC 2.5.4."""

    total_allocation_units: U64
    caller_available_allocation_units: U64
    actual_available_allocation_units: U64
    sectors_per_allocation_unit: U32
    bytes_per_sector: U32


class FsDeviceFixed(NamedTuple):
    """FileFsDeviceInformation, MS-FSCC 2.5.10."""

    device_type: U32
    characteristics: U32


class FsAttributeFixed(NamedTuple):
    """FileFsAttributeInformation, MS-FSCC 2.5.1, up to the name."""

    file_system_attributes: U32
    maximum_component_name_length: U32
    file_system_name_length: U32


class FsControlFixed(NamedTuple):
    """FileFsControlInformation, MS-FSCC 2.5.2."""

    free_space_start_filtering: U64
    free_space_threshold: U64
    free_space_stop_filtering: U64
    default_quota_threshold: U64
    default_quota_limit: U64
    file_system_control_flags: U32
    padding: U32


class FsObjectIdFixed(NamedTuple):
    """FileFsObjectIdInformation, MS-FSCC 2.5.6."""

    object_id: Bytes16
    extended_info: Annotated[bytes, "48s"]


class FsSectorSizeFixed(NamedTuple):
    """FileFsSectorSizeInformation, MS-FSCC 2.5.7."""

    logical_bytes_per_sector: U32
    physical_bytes_per_sector_for_atomicity: U32
    physical_bytes_per_sector_for_performance: U32
    effective_physical_bytes_per_sector_for_atomicity: U32
    flags: U32
    byte_offset_for_sector_alignment: U32
    byte_offset_for_partition_alignment: U32


FS_VOLUME = Layout(FsVolumeFixed)
FS_SIZE = Layout(FsSizeFixed)
FS_FULL_SIZE = Layout(FsFullSizeFixed)
FS_DEVICE = Layout(FsDeviceFixed)
FS_ATTRIBUTE = Layout(FsAttributeFixed)
FS_CONTROL = Layout(FsControlFixed)
FS_OBJECT_ID = Layout(FsObjectIdFixed)
FS_SECTOR_SIZE = Layout(FsSectorSizeFixed)


@dataclass(frozen=True, slots=True)
class FsVolumeInformation:
    """MS-FSCC 2.5.9; the time is FILETIME."""

    creation_time: int
    serial: int
    label: str
    supports_objects: bool = False

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an output buffer.

        Raises:
            ParseError: too short, or the label has an odd length.
        """
        fixed = FS_VOLUME.parse(buffer)
        label = Reader(memoryview(buffer)[FS_VOLUME.size :]).take(fixed.volume_label_length, "VolumeLabel")
        name = decode_utf16(label, "VolumeLabel")
        return cls(fixed.volume_creation_time, fixed.volume_serial_number, name, fixed.supports_objects != 0)

    def build(self) -> bytes:
        """An output buffer."""
        label = encode_utf16(self.label)
        return (
            FS_VOLUME.build(FsVolumeFixed(self.creation_time, self.serial, len(label), self.supports_objects, 0))
            + label
        )


@dataclass(frozen=True, slots=True)
class FsAttributeInformation:
    """MS-FSCC 2.5.1."""

    attributes: FileSystemAttributes
    maximum_component_name_length: int
    file_system_name: str

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an output buffer.

        Raises:
            ParseError: too short, or the name has an odd length.
        """
        fixed = FS_ATTRIBUTE.parse(buffer)
        name = Reader(memoryview(buffer)[FS_ATTRIBUTE.size :]).take(fixed.file_system_name_length, "FileSystemName")
        attributes = FileSystemAttributes(fixed.file_system_attributes)
        return cls(attributes, fixed.maximum_component_name_length, decode_utf16(name, "FileSystemName"))

    def build(self) -> bytes:
        """An output buffer."""
        name = encode_utf16(self.file_system_name)
        fixed = FsAttributeFixed(self.attributes, self.maximum_component_name_length, len(name))
        return FS_ATTRIBUTE.build(fixed) + name
