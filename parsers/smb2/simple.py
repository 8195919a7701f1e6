"""The four-byte bodies of LOGOFF, TREE_DISCONNECT, ECHO and CANCEL (MS-SMB2 2.2.7, 2.2.11, 2.2.28, 2.2.30)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.layout import U16, Layout
from parsers.smb2.body import parse_body

__all__ = ["SIMPLE_BODY", "SimpleBody", "SimpleBodyFixed"]

_STRUCTURE_SIZE = 4


class SimpleBodyFixed(NamedTuple):
    """The same in every command that says nothing: MS-SMB2 2.2.7 and the others."""

    structure_size: U16
    reserved: U16


SIMPLE_BODY = Layout(SimpleBodyFixed)


@dataclass(frozen=True, slots=True)
class SimpleBody:
    """Request or response of LOGOFF, TREE_DISCONNECT or ECHO, or a CANCEL request: the header says it all."""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Check the body of `message`.

        Raises:
            ParseError: too short, or StructureSize is not 4.
        """
        parse_body(SIMPLE_BODY, _STRUCTURE_SIZE, message)
        return cls()

    def build(self) -> bytes:
        """The body."""
        return SIMPLE_BODY.build(SimpleBodyFixed(_STRUCTURE_SIZE, 0))
