"""What QUERY_INFO and SET_INFO tell of a file in structures of fixed size, or that begin with one (MS-FSCC 2.4).

The layouts parse and build the fixed parts; names, streams and links that follow have functions of their own.
"""

from collections.abc import Iterable
from typing import NamedTuple

from parsers.errors import ParseError
from parsers.layout import I64, U8, U16, U32, U64, Buffer, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16
from parsers.smb2.chain import link_entries, split_entries

__all__ = [
    "ALL",
    "ATTRIBUTE_TAG",
    "BASIC",
    "COMPRESSION",
    "FILE_ID",
    "INTERNAL",
    "NETWORK_OPEN",
    "NUMBER",
    "PIPE_LOCAL",
    "POSITION",
    "STANDARD",
    "STREAM",
    "AllFixed",
    "AttributeTagFixed",
    "BasicFixed",
    "CompressionFixed",
    "FileIdFixed",
    "InternalFixed",
    "NetworkOpenFixed",
    "NumberFixed",
    "PipeLocalFixed",
    "PositionFixed",
    "StandardFixed",
    "StreamFixed",
    "build_name",
    "build_streams",
    "parse_name",
    "parse_streams",
]

_STREAM_ALIGNMENT = 8


class BasicFixed(NamedTuple):
    """FileBasicInformation, MS-FSCC 2.4.7; times are FILETIME, signed since SET_INFO gives -1 and -2 a meaning."""

    creation_time: I64
    last_access_time: I64
    last_write_time: I64
    change_time: I64
    file_attributes: U32
    reserved: U32


class StandardFixed(NamedTuple):
    """FileStandardInformation, MS-FSCC 2.4.47."""

    allocation_size: I64
    end_of_file: I64
    number_of_links: U32
    delete_pending: U8
    directory: U8
    reserved: U16


class InternalFixed(NamedTuple):
    """FileInternalInformation, MS-FSCC 2.4.27."""

    index_number: U64


class NumberFixed(NamedTuple):
    """FileEaInformation, FileAccessInformation, FileModeInformation, FileAlignmentInformation: one number each."""

    value: U32


class PositionFixed(NamedTuple):
    """FilePositionInformation, MS-FSCC 2.4.40."""

    current_byte_offset: I64


class AllFixed(NamedTuple):
    """FileAllInformation, MS-FSCC 2.4.2, up to the name: nine classes one after the other."""

    creation_time: I64
    last_access_time: I64
    last_write_time: I64
    change_time: I64
    file_attributes: U32
    reserved: U32
    allocation_size: I64
    end_of_file: I64
    number_of_links: U32
    delete_pending: U8
    directory: U8
    reserved2: U16
    index_number: U64
    ea_size: U32
    access_flags: U32
    current_byte_offset: I64
    mode: U32
    alignment_requirement: U32


class NetworkOpenFixed(NamedTuple):
    """FileNetworkOpenInformation, MS-FSCC 2.4.34."""

    creation_time: I64
    last_access_time: I64
    last_write_time: I64
    change_time: I64
    allocation_size: I64
    end_of_file: I64
    file_attributes: U32
    reserved: U32


class AttributeTagFixed(NamedTuple):
    """FileAttributeTagInformation, MS-FSCC 2.4.6."""

    file_attributes: U32
    reparse_tag: U32


class CompressionFixed(NamedTuple):
    """FileCompressionInformation, MS-FSCC 2.4.9; four bytes and three reserved ones stand behind the size."""

    compressed_file_size: I64
    compression_format: U16
    compression_unit_shift: U8
    chunk_shift: U8
    cluster_shift: U8
    reserved: U8
    reserved2: U16


class PipeLocalFixed(NamedTuple):
    """FilePipeLocalInformation, MS-FSCC 2.4.37."""

    named_pipe_type: U32
    named_pipe_configuration: U32
    maximum_instances: U32
    current_instances: U32
    inbound_quota: U32
    read_data_available: U32
    outbound_quota: U32
    write_quota_available: U32
    named_pipe_state: U32
    named_pipe_end: U32


class FileIdFixed(NamedTuple):
    """FileIdInformation, MS-FSCC 2.4.26."""

    volume_serial_number: U64
    file_id: Bytes16


class StreamFixed(NamedTuple):
    """FileStreamInformation, MS-FSCC 2.4.49, up to the name."""

    next_entry_offset: U32
    stream_name_length: U32
    stream_size: I64
    stream_allocation_size: I64


BASIC = Layout(BasicFixed)
STANDARD = Layout(StandardFixed)
INTERNAL = Layout(InternalFixed)
NUMBER = Layout(NumberFixed)
POSITION = Layout(PositionFixed)
ALL = Layout(AllFixed)
NETWORK_OPEN = Layout(NetworkOpenFixed)
ATTRIBUTE_TAG = Layout(AttributeTagFixed)
COMPRESSION = Layout(CompressionFixed)
PIPE_LOCAL = Layout(PipeLocalFixed)
FILE_ID = Layout(FileIdFixed)
STREAM = Layout(StreamFixed)


def parse_name(buffer: Buffer) -> str:
    """A name behind its length: FileNameInformation and all that is like it (MS-FSCC 2.1.7).

    Raises:
        ParseError: too short, or an odd length.
    """
    reader = Reader(buffer)
    return decode_utf16(reader.take(reader.u32("FileNameLength"), "FileName"), "FileName")


def build_name(name: str) -> bytes:
    """A name behind its length."""
    data = encode_utf16(name)
    return len(data).to_bytes(4, "little") + data


def parse_streams(buffer: Buffer) -> list[tuple[str, int, int]]:
    """Name, size and allocation of each stream, named as on the wire: `:name:$DATA`.

    Raises:
        ParseError: an entry leaves the buffer, or a name has an odd length.
    """
    streams = []
    for entry in split_entries(memoryview(buffer), "FileStreamInformation"):
        fixed = STREAM.parse(entry)
        name = Reader(entry[STREAM.size :]).take(fixed.stream_name_length, "StreamName")
        streams.append((decode_utf16(name, "StreamName"), fixed.stream_size, fixed.stream_allocation_size))
    return streams


def build_streams(streams: Iterable[tuple[str, int, int]]) -> bytes:
    """The buffer of FileStreamInformation.

    Raises:
        ParseError: a size that does not fit.
    """
    entries = []
    for name, size, allocation in streams:
        if not 0 <= size <= allocation < 1 << 63:
            raise ParseError(f"stream of {size} bytes in {allocation}")
        data = encode_utf16(name)
        entries.append(STREAM.build(StreamFixed(0, len(data), size, allocation)) + data)
    return link_entries(entries, _STREAM_ALIGNMENT)
