"""The answers to QUERY_INFO about a file system (MS-SMB2 3.3.5.20.2, MS-FSA 2.1.5.13): one function a class."""

from collections.abc import Callable, Mapping

from parsers.smb2 import fs_query
from parsers.smb2.fs_query import FileSystemAttributes
from parsers.smb2.info_classes import FsInformationClass
from parsers.times import ns_to_filetime
from refserver.store.store import Volume

__all__ = ["FS_QUERIES", "object_id"]

_DISK = 0x00000007  # FILE_DEVICE_DISK
_MOUNTED = 0x00000020  # FILE_DEVICE_IS_MOUNTED
_NO_LIMIT = 0xFFFF_FFFF_FFFF_FFFF
_ALIGNED = 0x00000001 | 0x00000002  # SSINFO_FLAGS_ALIGNED_DEVICE, _PARTITION_ALIGNED_ON_DEVICE
_ATTRIBUTES = (
    FileSystemAttributes.CASE_PRESERVED_NAMES
    | FileSystemAttributes.UNICODE_ON_DISK
    | FileSystemAttributes.PERSISTENT_ACLS
    | FileSystemAttributes.SUPPORTS_SPARSE_FILES
    | FileSystemAttributes.SUPPORTS_OBJECT_IDS
    | FileSystemAttributes.NAMED_STREAMS
    | FileSystemAttributes.SUPPORTS_HARD_LINKS
    | FileSystemAttributes.SUPPORTS_EXTENDED_ATTRIBUTES
)
_LONGEST_NAME = 255
_NAME = "NTFS"  # what clients take alternate streams and security descriptors from


def object_id(volume: Volume) -> bytes:
    """The 16 bytes that tell this volume from others."""
    return volume.serial.to_bytes(4, "little") + ns_to_filetime(volume.creation_time).to_bytes(12, "little")


def _volume(volume: Volume) -> bytes:
    created = ns_to_filetime(volume.creation_time)
    return fs_query.FsVolumeInformation(created, volume.serial, volume.label).build()


def _size(volume: Volume) -> bytes:
    units = volume.total_units, volume.free_units
    return fs_query.FS_SIZE.build(fs_query.FsSizeFixed(*units, volume.sectors_per_unit, volume.bytes_per_sector))


def _full_size(volume: Volume) -> bytes:
    units = volume.total_units, volume.free_units, volume.free_units
    return fs_query.FS_FULL_SIZE.build(
        fs_query.FsFullSizeFixed(*units, volume.sectors_per_unit, volume.bytes_per_sector)
    )


def _device(_: Volume) -> bytes:
    return fs_query.FS_DEVICE.build(fs_query.FsDeviceFixed(_DISK, _MOUNTED))


def _attribute(_: Volume) -> bytes:
    return fs_query.FsAttributeInformation(_ATTRIBUTES, _LONGEST_NAME, _NAME).build()


def _control(_: Volume) -> bytes:
    return fs_query.FS_CONTROL.build(fs_query.FsControlFixed(0, 0, 0, _NO_LIMIT, _NO_LIMIT, 0, 0))


def _object_id(volume: Volume) -> bytes:
    return fs_query.FS_OBJECT_ID.build(fs_query.FsObjectIdFixed(object_id(volume), bytes(48)))


def _sector_size(volume: Volume) -> bytes:
    sector = volume.bytes_per_sector
    return fs_query.FS_SECTOR_SIZE.build(fs_query.FsSectorSizeFixed(sector, sector, sector, sector, _ALIGNED, 0, 0))


FS_QUERIES: Mapping[int, tuple[int, Callable[[Volume], bytes]]] = {
    FsInformationClass.FileFsVolumeInformation: (24, _volume),  # with room for three characters, as Windows wants it
    FsInformationClass.FileFsSizeInformation: (fs_query.FS_SIZE.size, _size),
    FsInformationClass.FileFsDeviceInformation: (fs_query.FS_DEVICE.size, _device),
    FsInformationClass.FileFsAttributeInformation: (16, _attribute),
    FsInformationClass.FileFsControlInformation: (fs_query.FS_CONTROL.size, _control),
    FsInformationClass.FileFsFullSizeInformation: (fs_query.FS_FULL_SIZE.size, _full_size),
    FsInformationClass.FileFsObjectIdInformation: (fs_query.FS_OBJECT_ID.size, _object_id),
    FsInformationClass.FileFsSectorSizeInformation: (fs_query.FS_SECTOR_SIZE.size, _sector_size),
}
