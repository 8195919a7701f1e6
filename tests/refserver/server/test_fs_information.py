"""What QUERY_INFO says of a file system (MS-FSA 2.1.5.13)."""

from parsers.smb2 import fs_query
from parsers.smb2.fs_query import FileSystemAttributes, FsAttributeInformation, FsVolumeInformation
from parsers.smb2.info_classes import FsInformationClass
from parsers.times import ns_to_filetime
from refserver.server.fs_information import FS_QUERIES, object_id
from refserver.store.store import Volume

VOLUME = Volume("label", 0x12345678, 10**18, 1000, 400)


def answer(fs_info_class: FsInformationClass) -> bytes:
    smallest, build = FS_QUERIES[fs_info_class]
    output = build(VOLUME)
    assert len(output) >= smallest
    return output


def test_the_volume_has_its_label_and_serial_number() -> None:
    volume = FsVolumeInformation.parse(answer(FsInformationClass.FileFsVolumeInformation))
    assert volume == FsVolumeInformation(ns_to_filetime(10**18), 0x12345678, "label")


def test_sizes_are_in_units_of_4096_bytes() -> None:
    size = fs_query.FS_SIZE.parse(answer(FsInformationClass.FileFsSizeInformation))
    assert size == (1000, 400, 8, 512)
    full = fs_query.FS_FULL_SIZE.parse(answer(FsInformationClass.FileFsFullSizeInformation))
    assert full == (1000, 400, 400, 8, 512)
    sector = fs_query.FS_SECTOR_SIZE.parse(answer(FsInformationClass.FileFsSectorSizeInformation))
    assert sector.logical_bytes_per_sector == 512


def test_it_is_a_disk_that_keeps_case_streams_and_holes() -> None:
    assert fs_query.FS_DEVICE.parse(answer(FsInformationClass.FileFsDeviceInformation)) == (7, 0x20)
    attributes = FsAttributeInformation.parse(answer(FsInformationClass.FileFsAttributeInformation))
    wanted = FileSystemAttributes.NAMED_STREAMS | FileSystemAttributes.SUPPORTS_SPARSE_FILES
    assert attributes.attributes & wanted == wanted
    assert not attributes.attributes & FileSystemAttributes.CASE_SENSITIVE_SEARCH
    assert attributes.maximum_component_name_length == 255


def test_the_identifier_is_that_of_the_volume() -> None:
    identifier = fs_query.FS_OBJECT_ID.parse(answer(FsInformationClass.FileFsObjectIdInformation))
    assert identifier.object_id == object_id(VOLUME)
    assert len(object_id(VOLUME)) == 16
    assert fs_query.FS_CONTROL.parse(answer(FsInformationClass.FileFsControlInformation)).file_system_control_flags == 0
