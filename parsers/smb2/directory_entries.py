"""The entries of a directory listing, in the six information classes that every server knows.

FileDirectoryInformation, FileFullDirectoryInformation, FileIdFullDirectoryInformation, FileBothDirectoryInformation,
FileIdBothDirectoryInformation and FileNamesInformation (MS-FSCC 2.4). Five of them begin alike; what they add before
the name is EaSize, a short name and a file id, in this order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from parsers.errors import ParseError, UnsupportedError
from parsers.layout import U32, U64, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16
from parsers.smb2.chain import link_entries, split_entries
from parsers.smb2.create import FileAttributes
from parsers.smb2.info_classes import FileInformationClass

__all__ = [
    "DIRECTORY",
    "NAMES",
    "DirectoryEntry",
    "DirectoryFixed",
    "NamesFixed",
    "build_directory_entries",
    "parse_directory_entries",
]

_ALIGNMENT = 8  # of entries in SMB2 (MS-FSCC 2.4: "aligned on an 8-byte boundary")
_SHORT_NAME_SIZE = 24
_WITH_SHORT_NAME = {
    FileInformationClass.FileBothDirectoryInformation,
    FileInformationClass.FileIdBothDirectoryInformation,
}
_PADDING_BEFORE_FILE_ID = {
    FileInformationClass.FileIdFullDirectoryInformation: 4,
    FileInformationClass.FileIdBothDirectoryInformation: 2,
}
_LIKE_DIRECTORY = {
    FileInformationClass.FileDirectoryInformation,
    FileInformationClass.FileFullDirectoryInformation,
    *_WITH_SHORT_NAME,
    *_PADDING_BEFORE_FILE_ID,
}


class DirectoryFixed(NamedTuple):
    """What all classes but FileNamesInformation begin with; times are FILETIME."""

    next_entry_offset: U32
    file_index: U32
    creation_time: U64
    last_access_time: U64
    last_write_time: U64
    change_time: U64
    end_of_file: U64
    allocation_size: U64
    file_attributes: U32
    file_name_length: U32


class NamesFixed(NamedTuple):
    """FileNamesInformation up to FileName."""

    next_entry_offset: U32
    file_index: U32
    file_name_length: U32


DIRECTORY = Layout(DirectoryFixed)
NAMES = Layout(NamesFixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """One file of a listing. Times are FILETIME; what its class does not carry is None."""

    file_index: int = 0
    creation_time: int | None = None
    last_access_time: int | None = None
    last_write_time: int | None = None
    change_time: int | None = None
    end_of_file: int | None = None
    allocation_size: int | None = None
    file_attributes: FileAttributes | None = None
    ea_size: int | None = None
    short_name: str | None = None
    file_id: int | None = None
    file_name: str


def parse_directory_entries(information_class: int, output: bytes | memoryview) -> list[DirectoryEntry]:
    """The entries in the output buffer of a QUERY_DIRECTORY response.

    Args:
        information_class: FileInformationClass of the request.
        output: the buffer.

    Raises:
        ParseError: an entry leaves the buffer or reaches into the following one, or a name has an odd length.
        UnsupportedError: another information class.
    """
    wanted = _supported(information_class)
    entries = split_entries(memoryview(output), wanted.name)
    if wanted == FileInformationClass.FileNamesInformation:
        return [_parse_names_entry(entry) for entry in entries]
    return [_parse_entry(wanted, entry) for entry in entries]


def build_directory_entries(information_class: int, entries: Iterable[DirectoryEntry]) -> bytes:
    """The output buffer of a QUERY_DIRECTORY response; what an entry leaves None is written as zeros.

    Raises:
        UnsupportedError: another information class.
    """
    wanted = _supported(information_class)
    if wanted == FileInformationClass.FileNamesInformation:
        return link_entries([_build_names_entry(entry) for entry in entries], _ALIGNMENT)
    return link_entries([_build_entry(wanted, entry) for entry in entries], _ALIGNMENT)


def _supported(information_class: int) -> FileInformationClass:
    wanted = FileInformationClass(information_class)
    if wanted not in _LIKE_DIRECTORY and wanted != FileInformationClass.FileNamesInformation:
        raise UnsupportedError(f"directory entries of class {wanted.name}")
    return wanted


def _parse_names_entry(entry: memoryview) -> DirectoryEntry:
    fixed = NAMES.parse(entry)
    name = Reader(entry[NAMES.size :]).take(fixed.file_name_length, "FileName")
    return DirectoryEntry(file_index=fixed.file_index, file_name=decode_utf16(name, "FileName"))


def _build_names_entry(entry: DirectoryEntry) -> bytes:
    name = encode_utf16(entry.file_name)
    return NAMES.build(NamesFixed(0, entry.file_index, len(name))) + name


def _parse_entry(wanted: FileInformationClass, entry: memoryview) -> DirectoryEntry:
    fixed = DIRECTORY.parse(entry)
    reader = Reader(entry[DIRECTORY.size :])
    ea_size = short_name = file_id = None
    if wanted != FileInformationClass.FileDirectoryInformation:
        ea_size = reader.u32("EaSize")
    if wanted in _WITH_SHORT_NAME:
        short_name = _take_short_name(reader)
    if wanted in _PADDING_BEFORE_FILE_ID:
        reader.take(_PADDING_BEFORE_FILE_ID[wanted], "Reserved")
        file_id = reader.u64("FileId")
    return DirectoryEntry(
        file_index=fixed.file_index,
        creation_time=fixed.creation_time,
        last_access_time=fixed.last_access_time,
        last_write_time=fixed.last_write_time,
        change_time=fixed.change_time,
        end_of_file=fixed.end_of_file,
        allocation_size=fixed.allocation_size,
        file_attributes=FileAttributes(fixed.file_attributes),
        ea_size=ea_size,
        short_name=short_name,
        file_id=file_id,
        file_name=decode_utf16(reader.take(fixed.file_name_length, "FileName"), "FileName"),
    )


def _take_short_name(reader: Reader) -> str:
    length = reader.u8("ShortNameLength")
    reader.take(1, "Reserved1")
    place = reader.take(_SHORT_NAME_SIZE, "ShortName")
    if length > _SHORT_NAME_SIZE:
        raise ParseError(f"ShortNameLength is {length}, the field has {_SHORT_NAME_SIZE} bytes", reader.position)
    return decode_utf16(place[:length], "ShortName")


def _build_entry(wanted: FileInformationClass, entry: DirectoryEntry) -> bytes:
    name = encode_utf16(entry.file_name)
    fixed = DirectoryFixed(
        0,
        entry.file_index,
        entry.creation_time or 0,
        entry.last_access_time or 0,
        entry.last_write_time or 0,
        entry.change_time or 0,
        entry.end_of_file or 0,
        entry.allocation_size or 0,
        entry.file_attributes or 0,
        len(name),
    )
    parts = [DIRECTORY.build(fixed)]
    if wanted != FileInformationClass.FileDirectoryInformation:
        parts.append((entry.ea_size or 0).to_bytes(4, "little"))
    if wanted in _WITH_SHORT_NAME:
        short_name = encode_utf16(entry.short_name or "")
        parts.append(bytes([len(short_name), 0]) + short_name.ljust(_SHORT_NAME_SIZE, b"\0"))
    if wanted in _PADDING_BEFORE_FILE_ID:
        parts.append(bytes(_PADDING_BEFORE_FILE_ID[wanted]) + (entry.file_id or 0).to_bytes(8, "little"))
    return b"".join([*parts, name])
