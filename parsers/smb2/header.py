"""The 64-byte SMB2 header (MS-SMB2 2.2.1): one layout for its synchronous and its asynchronous form."""

from typing import NamedTuple

from parsers.enums import OpenEnum, OpenFlag
from parsers.errors import ParseError
from parsers.layout import U16, U32, U64, Buffer, Bytes4, Bytes16, Layout

__all__ = [
    "HEADER",
    "HEADER_SIZE",
    "NO_SIGNATURE",
    "PROTOCOL_ID",
    "Command",
    "Flags",
    "HeaderFixed",
    "build_header",
    "parse_header",
]

PROTOCOL_ID = b"\xfeSMB"
HEADER_SIZE = 64
NO_SIGNATURE = bytes(16)


class Command(OpenEnum):
    """MS-SMB2 2.2.1.2, Command."""

    NEGOTIATE = 0x0000
    SESSION_SETUP = 0x0001
    LOGOFF = 0x0002
    TREE_CONNECT = 0x0003
    TREE_DISCONNECT = 0x0004
    CREATE = 0x0005
    CLOSE = 0x0006
    FLUSH = 0x0007
    READ = 0x0008
    WRITE = 0x0009
    LOCK = 0x000A
    IOCTL = 0x000B
    CANCEL = 0x000C
    ECHO = 0x000D
    QUERY_DIRECTORY = 0x000E
    CHANGE_NOTIFY = 0x000F
    QUERY_INFO = 0x0010
    SET_INFO = 0x0011
    OPLOCK_BREAK = 0x0012
    SERVER_TO_CLIENT_NOTIFICATION = 0x0013


class Flags(OpenFlag):
    """MS-SMB2 2.2.1.2, Flags. `PRIORITY_MASK` covers three bits that hold a number (3.1.1)."""

    SERVER_TO_REDIR = 0x00000001
    ASYNC_COMMAND = 0x00000002
    RELATED_OPERATIONS = 0x00000004
    SIGNED = 0x00000008
    PRIORITY_MASK = 0x00000070
    DFS_OPERATIONS = 0x10000000
    REPLAY_OPERATION = 0x20000000


class HeaderFixed(NamedTuple):
    """MS-SMB2 2.2.1.1 and 2.2.1.2.

    The two forms differ only in the eight bytes at offset 32: an AsyncId, or four reserved bytes and a TreeId. They
    are declared as one integer, so that all headers of a capture come from one gather; in columns, the tree of a
    synchronous message is `async_id >> 32`. `status` is ChannelSequence and Reserved in a request of dialect 3.x.
    """

    protocol_id: Bytes4
    structure_size: U16
    credit_charge: U16
    status: U32
    command: U16
    credits: U16
    flags: U32
    next_command: U32
    message_id: U64
    async_id: U64
    session_id: U64
    signature: Bytes16

    @property
    def is_response(self) -> bool:
        """Whether the server sent it."""
        return bool(self.flags & Flags.SERVER_TO_REDIR)

    @property
    def is_async(self) -> bool:
        """Whether `async_id` is one; it holds the tree otherwise."""
        return bool(self.flags & Flags.ASYNC_COMMAND)

    @property
    def tree_id(self) -> int | None:
        """TreeId of a synchronous message; an asynchronous one carries none."""
        return None if self.is_async else self.async_id >> 32

    @property
    def channel_sequence(self) -> int:
        """ChannelSequence of a request of dialect 3.x (MS-SMB2 2.2.1.2)."""
        return self.status & 0xFFFF


HEADER = Layout(HeaderFixed)


def parse_header(data: Buffer, offset: int = 0) -> HeaderFixed:
    """The header at `offset`.

    Raises:
        ParseError: too short, not an SMB2 message, or StructureSize is not 64 (MS-SMB2 2.2.1.2).
    """
    header = HEADER.parse(data, offset)
    if header.protocol_id != PROTOCOL_ID:
        raise ParseError(f"ProtocolId is {header.protocol_id.hex()}, not fe534d42", offset)
    if header.structure_size != HEADER_SIZE:
        raise ParseError(f"header StructureSize is {header.structure_size}, not {HEADER_SIZE}", offset + 4)
    return header


def build_header(
    command: int,
    message_id: int,
    *,
    credit_charge: int = 0,
    status: int = 0,
    credits_: int = 1,
    flags: int = 0,
    next_command: int = 0,
    tree_id: int = 0,
    async_id: int = 0,
    session_id: int = 0,
    signature: bytes = NO_SIGNATURE,
) -> bytes:
    """The 64 header bytes; `flags` decides whether `async_id` or `tree_id` is written (MS-SMB2 2.2.1)."""
    place = async_id if flags & Flags.ASYNC_COMMAND else tree_id << 32
    return HEADER.build(
        HeaderFixed(
            PROTOCOL_ID,
            HEADER_SIZE,
            credit_charge,
            status,
            command,
            credits_,
            flags,
            next_command,
            message_id,
            place,
            session_id,
            signature,
        )
    )
