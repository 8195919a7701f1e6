"""Structures of QUERY_INFO about a file system (MS-FSCC 2.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.layout import Layout
from parsers.smb2 import fs_query
from parsers.smb2.fs_query import FileSystemAttributes, FsAttributeInformation, FsVolumeInformation

LAYOUTS = [
    (fs_query.FS_VOLUME, 18),
    (fs_query.FS_SIZE, 24),
    (fs_query.FS_FULL_SIZE, 32),
    (fs_query.FS_DEVICE, 8),
    (fs_query.FS_ATTRIBUTE, 12),
    (fs_query.FS_CONTROL, 48),
    (fs_query.FS_OBJECT_ID, 64),
    (fs_query.FS_SECTOR_SIZE, 28),
]
u32 = st.integers(0, 0xFFFF_FFFF)


@pytest.mark.parametrize(("layout", "size"), LAYOUTS)
def test_each_has_the_size_that_the_specification_gives(layout: Layout[tuple[object, ...]], size: int) -> None:
    assert layout.size == size
    data = bytes(range(1, size + 1))
    assert layout.build(layout.parse(data)) == data
    for length in range(size):
        with pytest.raises(ParseError):
            layout.parse(data[:length])


@given(st.builds(FsVolumeInformation, st.integers(0, (1 << 64) - 1), u32, st.text(), st.booleans()))
def test_a_volume_survives(volume: FsVolumeInformation) -> None:
    assert FsVolumeInformation.parse(volume.build()) == volume


@given(st.builds(FsAttributeInformation, u32.map(FileSystemAttributes), u32, st.text()))
def test_attributes_survive(attributes: FsAttributeInformation) -> None:
    assert FsAttributeInformation.parse(attributes.build()) == attributes


@pytest.mark.parametrize(
    "built", [FsVolumeInformation(1, 2, "label"), FsAttributeInformation(FileSystemAttributes(3), 255, "NTFS")]
)
def test_what_is_cut_short_is_none(built: FsVolumeInformation | FsAttributeInformation) -> None:
    data = built.build()
    for length in range(len(data)):
        with pytest.raises(ParseError):
            type(built).parse(data[:length])


def test_the_attributes_of_a_windows_disk_are_read() -> None:
    data = bytes.fromhex("ff00c703 ff000000 08000000 4e00540046005300".replace(" ", ""))
    attributes = FsAttributeInformation.parse(data)
    assert attributes.file_system_name == "NTFS"
    assert attributes.maximum_component_name_length == 255
    assert attributes.attributes & FileSystemAttributes.NAMED_STREAMS
    assert attributes.build() == data
