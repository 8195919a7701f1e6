"""How extended attributes are set (MS-FSCC 2.4.16, MS-FSA 2.1.5.15.5)."""

from parsers.errors import ParseError
from parsers.layout import Buffer
from parsers.ntstatus import STATUS_INVALID_PARAMETER
from parsers.smb2.extended_attributes import parse_eas
from refserver.errors import StatusError
from refserver.store.store import Node

__all__ = ["parse_full_ea", "set_full_ea"]


def parse_full_ea(data: Buffer) -> list[tuple[bytes, bytes]]:
    """Names and values in their order; StatusError INVALID_PARAMETER where an entry leaves its place or has no name."""
    try:
        attributes = parse_eas(data)
    except ParseError as error:
        raise StatusError(STATUS_INVALID_PARAMETER) from error
    if any(not attribute.name for attribute in attributes):
        raise StatusError(STATUS_INVALID_PARAMETER)
    return [(attribute.name, attribute.value) for attribute in attributes]


def set_full_ea(node: Node, changes: list[tuple[bytes, bytes]]) -> None:
    """Set what has a value and remove what has none; names are without case (MS-FSA 2.1.5.15.5)."""
    attributes = node.attributes()
    names = {name.upper(): name for name in attributes.ea}
    for name, value in changes:
        attributes.ea.pop(names.get(name.upper(), name), None)
        if value:
            attributes.ea[name] = value
            names[name.upper()] = name
    node.set_attributes(attributes)
