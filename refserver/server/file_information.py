"""The answers to QUERY_INFO about a file (MS-SMB2 3.3.5.20.1, MS-FSA 2.1.5.12): one function a class.

Each gives the whole buffer. How much of it a client gets that has less room is for `query_info` to say.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from parsers.ntstatus import STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND
from parsers.smb2 import file_query
from parsers.smb2.access import AccessMask
from parsers.smb2.create import CreateOptions
from parsers.smb2.extended_attributes import ExtendedAttribute, build_eas
from parsers.smb2.info_classes import FileInformationClass
from parsers.times import ns_to_filetime
from refserver.errors import StatusError
from refserver.server.pipes import Pipe
from refserver.server.state import Open
from refserver.store.names import short_name
from refserver.store.store import Attributes
from refserver.store.tree import CLUSTER

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["QUERIES", "Query", "allocated", "ea_size", "kept_options"]

_SMALLEST_NAME = 8  # a length and a character or two: what Windows asks for where a name ends a structure
_EA_OVERHEAD = 5  # bytes of an attribute in a list beside name and value; the list's own size takes four
_MODE = (  # the options that FileModeInformation tells (MS-FSCC 2.4.31)
    CreateOptions.WRITE_THROUGH
    | CreateOptions.SEQUENTIAL_ONLY
    | CreateOptions.NO_INTERMEDIATE_BUFFERING
    | CreateOptions.SYNCHRONOUS_IO_ALERT
    | CreateOptions.SYNCHRONOUS_IO_NONALERT
    | CreateOptions.DELETE_ON_CLOSE
)
_PIPE_CONNECTED, _PIPE_CLIENT_END, _PIPE_MESSAGES, _PIPE_DUPLEX = 3, 0, 1, 2
_PIPE_QUOTA = 4096

Builder = Callable[["Server", Open, Attributes], bytes]


class Query(NamedTuple):
    """How a class is answered: bytes that must fit at least, the access it takes (0 for none), and the buffer."""

    smallest: int
    access: int
    build: Builder


def ea_size(known: Attributes) -> int:
    """EaSize of FileEaInformation and of directory entries: 0, or the size of the list (MS-FSCC 2.4.13)."""
    sizes = [_EA_OVERHEAD + len(name) + len(value) for name, value in known.ea.items()]
    return sum(sizes) + 4 if sizes else 0


def kept_options(open_: Open) -> int:
    """The mode of an open."""
    return open_.create_options & _MODE


def _times(known: Attributes) -> tuple[int, int, int, int]:
    return (
        ns_to_filetime(known.creation_time),
        ns_to_filetime(known.last_access_time),
        ns_to_filetime(known.last_write_time),
        ns_to_filetime(known.change_time),
    )


def allocated(server: "Server", open_: Open, known: Attributes) -> int:
    """AllocationSize: what the store has given, or what was asked to be reserved."""
    reserved = server.open_files[open_.node].reserved
    return max(known.allocation_size, -(-reserved // CLUSTER) * CLUSTER)


def _basic(_: "Server", __: Open, known: Attributes) -> bytes:
    return file_query.BASIC.build(file_query.BasicFixed(*_times(known), known.attributes, 0))


def _standard(server: "Server", open_: Open, known: Attributes) -> bytes:
    pending = server.open_files[open_.node].delete_pending
    links = max(known.number_of_links - pending, 0)
    sizes = allocated(server, open_, known), known.end_of_file
    return file_query.STANDARD.build(file_query.StandardFixed(*sizes, links, pending, open_.node.is_directory, 0))


def _internal(_: "Server", open_: Open, __: Attributes) -> bytes:
    return file_query.INTERNAL.build(file_query.InternalFixed(open_.node.file_id))


def _ea(_: "Server", __: Open, known: Attributes) -> bytes:
    return ea_size(known).to_bytes(4, "little")


def _access(_: "Server", open_: Open, __: Attributes) -> bytes:
    return open_.granted_access.to_bytes(4, "little")


def _position(_: "Server", open_: Open, __: Attributes) -> bytes:
    return open_.position.to_bytes(8, "little")


def _mode(_: "Server", open_: Open, __: Attributes) -> bytes:
    return kept_options(open_).to_bytes(4, "little")


def _alignment(_: "Server", __: Open, ___: Attributes) -> bytes:
    return bytes(4)


def _all(server: "Server", open_: Open, known: Attributes) -> bytes:
    parts = (_basic, _standard, _internal, _ea, _access, _position, _mode, _alignment)
    return b"".join(part(server, open_, known) for part in parts) + file_query.build_name(_name(open_))


def _name(open_: Open) -> str:
    """The path from the share's root, with a leading backslash."""
    return "\\" + "\\".join(open_.node.path)


def _file_name(_: "Server", open_: Open, __: Attributes) -> bytes:
    return file_query.build_name(_name(open_))


def _normalized_name(server: "Server", open_: Open, _: Attributes) -> bytes:
    del server
    return file_query.build_name("\\".join(open_.node.path))


def _alternate_name(_: "Server", open_: Open, __: Attributes) -> bytes:
    if not open_.node.path:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)  # the root has no name
    return file_query.build_name(short_name(open_.node.path[-1].partition(":")[0]))


def _network_open(server: "Server", open_: Open, known: Attributes) -> bytes:
    sizes = allocated(server, open_, known), known.end_of_file
    return file_query.NETWORK_OPEN.build(file_query.NetworkOpenFixed(*_times(known), *sizes, known.attributes, 0))


def _attribute_tag(_: "Server", __: Open, known: Attributes) -> bytes:
    return file_query.ATTRIBUTE_TAG.build(file_query.AttributeTagFixed(known.attributes, 0))


def _compression(_: "Server", __: Open, known: Attributes) -> bytes:
    return file_query.COMPRESSION.build(file_query.CompressionFixed(known.allocation_size, 0, 0, 0, 0, 0, 0))


def _streams(_: "Server", open_: Open, known: Attributes) -> bytes:
    file = open_.node.stream_of or open_.node
    if open_.node.stream_of is not None:
        known = file.attributes()
    unnamed = [] if file.is_directory else [("::$DATA", known.end_of_file, known.allocation_size)]
    named = [(f":{name}:$DATA", size, -(-size // CLUSTER) * CLUSTER) for name, size in file.streams()]
    return file_query.build_streams([*unnamed, *named])


def _file_id(server: "Server", open_: Open, _: Attributes) -> bytes:
    store = server.open_files[open_.node].share.store
    serial = store.volume().serial if store is not None else 0
    identifier = open_.node.file_id.to_bytes(16, "little")
    return file_query.FILE_ID.build(file_query.FileIdFixed(serial, identifier))


def _full_ea(_: "Server", __: Open, known: Attributes) -> bytes:
    return build_eas(ExtendedAttribute(name, value) for name, value in known.ea.items())


def _pipe(_: "Server", __: Open, ___: Attributes) -> bytes:
    return _PIPE_MESSAGES.to_bytes(4, "little") + bytes(4)


def _pipe_local(_: "Server", open_: Open, __: Attributes) -> bytes:
    if not isinstance(open_.node, Pipe):
        raise StatusError(STATUS_INVALID_PARAMETER)
    waiting = sum(map(len, open_.node.messages))
    return file_query.PIPE_LOCAL.build(
        file_query.PipeLocalFixed(
            _PIPE_MESSAGES,
            _PIPE_DUPLEX,
            0xFFFF_FFFF,
            1,
            _PIPE_QUOTA,
            waiting,
            _PIPE_QUOTA,
            _PIPE_QUOTA,
            _PIPE_CONNECTED,
            _PIPE_CLIENT_END,
        )
    )


_LOOK = AccessMask.FILE_READ_ATTRIBUTES
QUERIES: Mapping[int, Query] = {
    FileInformationClass.FileBasicInformation: Query(file_query.BASIC.size, _LOOK, _basic),
    FileInformationClass.FileStandardInformation: Query(file_query.STANDARD.size, 0, _standard),
    FileInformationClass.FileInternalInformation: Query(file_query.INTERNAL.size, 0, _internal),
    FileInformationClass.FileEaInformation: Query(4, 0, _ea),
    FileInformationClass.FileAccessInformation: Query(4, 0, _access),
    FileInformationClass.FileNameInformation: Query(_SMALLEST_NAME, 0, _file_name),
    FileInformationClass.FilePositionInformation: Query(file_query.POSITION.size, 0, _position),
    FileInformationClass.FileModeInformation: Query(4, 0, _mode),
    FileInformationClass.FileAlignmentInformation: Query(4, 0, _alignment),
    FileInformationClass.FileAllInformation: Query(file_query.ALL.size + _SMALLEST_NAME, _LOOK, _all),
    FileInformationClass.FileAlternateNameInformation: Query(_SMALLEST_NAME, 0, _alternate_name),
    FileInformationClass.FileStreamInformation: Query(file_query.STREAM.size + _SMALLEST_NAME, 0, _streams),
    FileInformationClass.FilePipeInformation: Query(8, 0, _pipe),
    FileInformationClass.FilePipeLocalInformation: Query(file_query.PIPE_LOCAL.size, 0, _pipe_local),
    FileInformationClass.FileCompressionInformation: Query(file_query.COMPRESSION.size, 0, _compression),
    FileInformationClass.FileNetworkOpenInformation: Query(file_query.NETWORK_OPEN.size, _LOOK, _network_open),
    FileInformationClass.FileAttributeTagInformation: Query(file_query.ATTRIBUTE_TAG.size, _LOOK, _attribute_tag),
    FileInformationClass.FileNormalizedNameInformation: Query(_SMALLEST_NAME, 0, _normalized_name),
    FileInformationClass.FileIdInformation: Query(file_query.FILE_ID.size, 0, _file_id),
    FileInformationClass.FileFullEaInformation: Query(0, AccessMask.FILE_READ_EA, _full_ea),
}
