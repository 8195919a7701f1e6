"""Extended attributes of files: what a client sends is set (MS-FSA 2.1.5.15.5, MS-SMB2 3.3.5.9.1)."""

from parsers.errors import ParseError
from parsers.layout import Buffer
from parsers.ntstatus import STATUS_INVALID_PARAMETER
from parsers.smb2.extended_attributes import parse_eas
from refserver.errors import StatusError
from refserver.store.store import Node

__all__ = ["parse_full_ea", "set_full_ea"]


def parse_full_ea(data: Buffer) -> list[tuple[bytes, bytes]]:
    """Names and values in their order; StatusError INVALID_PARAMETER for a damaged list or an empty name."""
    try:
        changes = [(one.name, one.value) for one in parse_eas(data)]
    except ParseError as error:
        raise StatusError(STATUS_INVALID_PARAMETER) from error
    if not all(name for name, _ in changes):
        raise StatusError(STATUS_INVALID_PARAMETER)
    return changes


def set_full_ea(node: Node, changes: list[tuple[bytes, bytes]]) -> None:
    """Set what has a value and remove what has none; names are without case."""
    attributes = node.attributes()
    names = {name.upper(): name for name in attributes.ea}
    for name, value in changes:
        attributes.ea.pop(names.get(name.upper(), name), None)
        if value:
            attributes.ea[name] = value
            names[name.upper()] = name
    node.set_attributes(attributes)
