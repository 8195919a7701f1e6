"""Security descriptors: the one that files have until another is set, and what may be read and set (MS-FSA 2.1.5.14).

They are kept and given back; what they grant is for `permissions` to say.
"""

from dataclasses import replace

from parsers.errors import ParseError
from parsers.ntstatus import STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER
from parsers.smb2.access import AccessMask
from parsers.smb2.info_classes import SecurityInformation
from parsers.smb2.security_descriptor import Control, SecurityDescriptor, build_ace, build_acl, build_sid
from refserver.errors import StatusError
from refserver.server.state import Open
from refserver.store.store import Attributes

__all__ = ["DEFAULT", "descriptor_of", "merged", "selected"]

_ALL = 0x001F01FF
_LARGEST = 0xFFFF  # bytes, as much as Windows takes
_EVERYONE = build_sid(1, 0)
_ADMINISTRATORS = build_sid(5, 32, 544)
_USERS = build_sid(5, 32, 545)

DEFAULT = SecurityDescriptor(
    Control.SELF_RELATIVE | Control.DACL_PRESENT,
    owner=_ADMINISTRATORS,
    group=_USERS,
    dacl=build_acl(build_ace(0, 0, _ALL, _EVERYONE)),
)
"""Everyone may do everything."""

_OWNERSHIP = SecurityInformation.OWNER | SecurityInformation.GROUP
_TO_READ = {
    _OWNERSHIP | SecurityInformation.DACL | SecurityInformation.LABEL: AccessMask.READ_CONTROL,
    SecurityInformation.SACL: AccessMask.ACCESS_SYSTEM_SECURITY,
}
_TO_SET = {
    _OWNERSHIP | SecurityInformation.LABEL: AccessMask.WRITE_OWNER,
    SecurityInformation.DACL: AccessMask.WRITE_DAC,
    SecurityInformation.SACL: AccessMask.ACCESS_SYSTEM_SECURITY,
}
_DACL_BITS = Control.DACL_PRESENT | Control.DACL_DEFAULTED | Control.DACL_AUTO_INHERITED | Control.DACL_PROTECTED
_SACL_BITS = Control.SACL_PRESENT | Control.SACL_AUTO_INHERITED | Control.SACL_PROTECTED


def descriptor_of(known: Attributes) -> SecurityDescriptor:
    """The descriptor of a file."""
    return SecurityDescriptor.parse(known.security) if known.security else DEFAULT


def selected(open_: Open, information: int) -> bytes:
    """The parts that `information` (SECURITY_INFORMATION bits) asks for; StatusError ACCESS_DENIED."""
    _check(open_, information, _TO_READ)
    whole = descriptor_of(open_.node.attributes())
    dacl, sacl = bool(information & SecurityInformation.DACL), bool(information & SecurityInformation.SACL)
    kept = Control.SELF_RELATIVE | (_DACL_BITS if dacl else 0) | (_SACL_BITS if sacl else 0)
    return SecurityDescriptor(
        Control(whole.control & kept),
        whole.owner if information & SecurityInformation.OWNER else b"",
        whole.group if information & SecurityInformation.GROUP else b"",
        whole.sacl if sacl else b"",
        whole.dacl if dacl else b"",
    ).build()


def merged(open_: Open, information: int, buffer: bytes) -> bytes:
    """The descriptor of a file after the parts that `information` names were set.

    Raises:
        StatusError: ACCESS_DENIED, or INVALID_PARAMETER for what is no descriptor or lacks an owner to be set.
    """
    _check(open_, information, _TO_SET)
    try:
        new = SecurityDescriptor.parse(buffer)
    except ParseError as error:
        raise StatusError(STATUS_INVALID_PARAMETER) from error
    whole = descriptor_of(open_.node.attributes())
    if information & SecurityInformation.OWNER and new.owner:
        whole = replace(whole, owner=new.owner)
    if information & SecurityInformation.GROUP and new.group:
        whole = replace(whole, group=new.group)
    if information & SecurityInformation.DACL:
        whole = replace(whole, dacl=new.dacl, control=_taken(whole.control, new.control, _DACL_BITS))
    if information & SecurityInformation.SACL:
        whole = replace(whole, sacl=new.sacl, control=_taken(whole.control, new.control, _SACL_BITS))
    built = whole.build()
    if len(built) > _LARGEST:
        raise StatusError(STATUS_INVALID_PARAMETER)
    return built


def _taken(old: Control, new: Control, bits: int) -> Control:
    return Control(old & ~bits | new & bits)


def _check(open_: Open, information: int, table: dict[SecurityInformation, AccessMask]) -> None:
    for bits, access in table.items():
        if information & bits and not open_.granted_access & access:
            raise StatusError(STATUS_ACCESS_DENIED)
