"""The server service, as far as a client needs it to list shares: NetrShareEnum, levels 0 and 1 (MS-SRVS 3.1.4.8)."""

import uuid
from typing import NamedTuple

from parsers.reader import Reader
from parsers.smb2.body import encode_utf16
from refserver.server.rpc import Interface

__all__ = ["ShareEntry", "srvsvc"]

_NETR_SHARE_ENUM = 15
_UUID = uuid.UUID("4b324fc8-1670-01d3-1278-5a47bf6ee188")
_HIDDEN = 0x80000000  # STYPE_SPECIAL (MS-SRVS 2.2.2.4)
_KINDS = {0x01: 0, 0x02: 3, 0x03: 1}  # MS-SMB2 2.2.10, ShareType, to MS-SRVS 2.2.2.4
_INVALID_LEVEL = 124  # ERROR_INVALID_LEVEL


class ShareEntry(NamedTuple):
    """What is told of a share; `share_type` is that of TREE_CONNECT."""

    name: str
    share_type: int
    remark: str

    @property
    def kind(self) -> int:
        """MS-SRVS 2.2.2.4; names that end in a dollar sign are not shown by default."""
        return _KINDS.get(self.share_type, 0) | (_HIDDEN if self.name.endswith("$") else 0)


def srvsvc(shares: list[ShareEntry]) -> Interface:
    """The interface of a server with these shares."""
    return Interface(_UUID, 3, {_NETR_SHARE_ENUM: lambda stub: _share_enum(stub, shares)})


def _share_enum(stub: bytes, shares: list[ShareEntry]) -> bytes:
    reader = Reader(stub)
    if reader.u32("ServerName"):
        _skip_string(reader)
    level = reader.u32("Level")
    if level not in {0, 1}:
        return _u32s(level, level, 0, 0, 0, _INVALID_LEVEL)
    texts = b""
    entries = b""
    for place, share in enumerate(shares):
        # Referents are any distinct numbers but zero.
        name, remark = 8 * place + 0x20000, 8 * place + 0x20004
        entries += _u32s(name, share.kind, remark) if level else _u32s(name)
        texts += _string(share.name) + (_string(share.remark) if level else b"")
    container = _u32s(level, level, 0x10000, len(shares), 0x10004, len(shares)) + entries + texts
    return container + _u32s(len(shares), 0, 0)  # TotalEntries, no ResumeHandle, NERR_Success


def _skip_string(reader: Reader) -> None:
    reader.take(8, "maximum count and offset")
    size = 2 * reader.u32("actual count")
    reader.take(size + size % 4, "string")


def _string(text: str) -> bytes:
    """A conformant and varying string with its terminator, padded to four bytes (C706 14.3.4.2)."""
    data = encode_utf16(text + "\0")
    count = len(data) // 2
    return _u32s(count, 0, count) + data + bytes(-len(data) % 4)


def _u32s(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)
