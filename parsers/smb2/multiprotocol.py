r"""The SMB1 NEGOTIATE request that may lead to SMB2 (MS-SMB2 3.2.4.2.2.1, 3.3.5.3; MS-CIFS 2.2.4.52.1).

A client that also speaks SMB1 opens with it. "SMB 2.002" and "SMB 2.???" among its dialect strings ask for SMB2: the
server then answers with an SMB2 NEGOTIATE response of dialect 2.0.2 or of the wildcard 0x02FF.
"""

from dataclasses import dataclass
from typing import Self

from parsers.errors import ParseError
from parsers.reader import Reader

__all__ = ["SMB1_PROTOCOL_ID", "SMB_2_002", "SMB_2_WILDCARD", "MultiProtocolNegotiateRequest"]

SMB1_PROTOCOL_ID = b"\xffSMB"
SMB_2_002 = "SMB 2.002"
SMB_2_WILDCARD = "SMB 2.???"

_HEADER_SIZE = 32
_COMMAND_OFFSET = 4
_FLAGS_OFFSET = 9
_COM_NEGOTIATE = 0x72
_FLAGS_REPLY = 0x80
_DIALECT_FORMAT = 0x02  # MS-CIFS 2.2.4.52.1: BufferFormat before each dialect string


@dataclass(frozen=True, slots=True)
class MultiProtocolNegotiateRequest:
    """The dialect strings in the order of the wire, which the server's answer counts by."""

    dialects: tuple[str, ...]

    @property
    def offers_smb2(self) -> bool:
        """Whether an SMB2 server may answer in SMB2 (MS-SMB2 3.3.5.3)."""
        return SMB_2_002 in self.dialects or SMB_2_WILDCARD in self.dialects

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the whole SMB1 `message`, its 32-byte header included.

        Raises:
            ParseError: too short, not a NEGOTIATE request of SMB1, or a dialect without its format byte or its end.
        """
        reader = Reader(message)
        header = reader.take(_HEADER_SIZE, "SMB1 header")
        if header[:4] != SMB1_PROTOCOL_ID or header[_COMMAND_OFFSET] != _COM_NEGOTIATE:
            raise ParseError("not an SMB1 NEGOTIATE")
        if header[_FLAGS_OFFSET] & _FLAGS_REPLY:
            raise ParseError("an SMB1 NEGOTIATE response, not a request", _FLAGS_OFFSET)
        reader.take(2 * reader.u8("WordCount"), "parameter words")
        return cls(_parse_dialects(reader.take(reader.u16("ByteCount"), "dialect strings")))

    def build(self) -> bytes:
        """What follows the 32-byte SMB1 header."""
        strings = b"".join(b"\x02" + dialect.encode("latin-1") + b"\0" for dialect in self.dialects)
        return b"\0" + len(strings).to_bytes(2, "little") + strings


def _parse_dialects(data: memoryview) -> tuple[str, ...]:
    # OEM strings; Latin-1 keeps every byte as one character.
    *strings, rest = bytes(data).split(b"\0")
    if rest or any(string[:1] != bytes([_DIALECT_FORMAT]) for string in strings):
        raise ParseError("a dialect string lacks its format byte or its terminator", _HEADER_SIZE)
    return tuple(string[1:].decode("latin-1") for string in strings)
