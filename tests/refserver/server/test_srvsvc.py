"""NetrShareEnum (MS-SRVS 3.1.4.8)."""

import pytest

from parsers.errors import ParseError
from refserver.server.srvsvc import ShareEntry, srvsvc

SHARES = [ShareEntry("IPC$", 2, "Remote IPC"), ShareEntry("data", 1, "")]
SERVER = (1).to_bytes(4, "little") + b"\2\0\0\0\0\0\0\0\2\0\0\0" + "s\0".encode("utf-16-le")


def u32s(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def ask(level: int, server: bytes = SERVER) -> bytes:
    stub = server + u32s(level, level, 0x20000, 0, 0, 0xFFFFFFFF, 0)
    return srvsvc(SHARES).methods[15](stub)


def string(text: str) -> bytes:
    data = (text + "\0").encode("utf-16-le")
    return u32s(len(text) + 1, 0, len(text) + 1) + data + bytes(-len(data) % 4)


def test_level_one_tells_name_kind_and_remark() -> None:
    entries = u32s(0x20000, 0x80000003, 0x20004, 0x20008, 0, 0x2000C)
    texts = string("IPC$") + string("Remote IPC") + string("data") + string("")
    assert ask(1) == u32s(1, 1, 0x10000, 2, 0x10004, 2) + entries + texts + u32s(2, 0, 0)


def test_level_zero_tells_names_alone() -> None:
    expected = u32s(0, 0, 0x10000, 2, 0x10004, 2, 0x20000, 0x20008) + string("IPC$") + string("data") + u32s(2, 0, 0)
    assert ask(0) == ask(0, server=bytes(4)) == expected


def test_other_levels_are_refused() -> None:
    assert ask(502) == u32s(502, 502, 0, 0, 0, 124)


@pytest.mark.parametrize("length", range(24))
def test_a_stub_that_is_cut_short_is_none(length: int) -> None:
    with pytest.raises(ParseError):
        srvsvc(SHARES).methods[15]((SERVER + u32s(1))[:length])
