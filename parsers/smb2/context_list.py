"""Lists of (type, data) contexts: the common form of negotiate and tree connect contexts (MS-SMB2 2.2.3.1, 2.2.9.2)."""

from collections.abc import Iterable
from typing import NamedTuple

from parsers.layout import U16, U32, Layout
from parsers.smb2.body import pad8, payload

__all__ = ["CONTEXT_HEADER", "ContextHeaderFixed", "build_context_list", "parse_context_list"]


class ContextHeaderFixed(NamedTuple):
    """MS-SMB2 2.2.3.1 and 2.2.9.2; `data_length` bytes follow."""

    context_type: U16
    data_length: U16
    reserved: U32


CONTEXT_HEADER = Layout(ContextHeaderFixed)


def parse_context_list(message: memoryview, offset: int, count: int) -> list[tuple[int, memoryview]]:
    """The `count` pairs of ContextType and Data from `offset` on; each begins eight-byte aligned after the first.

    The message bounds the work: every context has a header of eight bytes.

    Raises:
        ParseError: a context leaves the message or begins inside of its header.
    """
    contexts = []
    for _ in range(count):
        header = CONTEXT_HEADER.parse(payload(message, offset, CONTEXT_HEADER.size, "context header"))
        offset += CONTEXT_HEADER.size
        contexts.append((header.context_type, payload(message, offset, header.data_length, "context data")))
        offset += header.data_length + -header.data_length % 8
    return contexts


def build_context_list(contexts: Iterable[tuple[int, bytes]]) -> bytes:
    """The wire bytes of pairs of ContextType and Data, padded between but not after them."""
    built = b""
    for context_type, data in contexts:
        built += pad8(len(built)) + CONTEXT_HEADER.build(ContextHeaderFixed(context_type, len(data), 0)) + data
    return built
