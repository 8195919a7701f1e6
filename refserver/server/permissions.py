"""What a file's access list grants (MS-DTYP 2.5.3.2, MS-FSA 2.1.5.1.2.1).

Every account is an administrator of this server, a guest is not. Only simple grants and denials count.
"""

from typing import Final, NamedTuple

from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, Layout
from parsers.reader import Reader
from parsers.smb2.access import AccessMask
from parsers.smb2.security_descriptor import Control, SecurityDescriptor, build_sid
from refserver.server.state import Session

__all__ = ["ALL", "granted"]

ALL: Final = 0x001F01FF
_ALLOWED, _DENIED = 0, 1  # AceType (MS-DTYP 2.4.4.1)
_INHERIT_ONLY = 0x08  # AceFlags
_ACL_HEADER = 8
_GUEST = (build_sid(1, 0), build_sid(5, 2))  # Everyone, Network
_ACCOUNT = (*_GUEST, build_sid(5, 11), build_sid(5, 32, 545), build_sid(5, 32, 544))  # Users, Administrators
_GENERIC: Final = (
    (AccessMask.GENERIC_READ, 0x00120089),
    (AccessMask.GENERIC_WRITE, 0x00120116),
    (AccessMask.GENERIC_EXECUTE, 0x001200A0),
    (AccessMask.GENERIC_ALL, ALL),
)


class _Ace(NamedTuple):
    """MS-DTYP 2.4.4.2; the SID follows."""

    ace_type: U8
    ace_flags: U8
    ace_size: U16
    mask: U32


_ACE = Layout(_Ace)


def granted(session: Session, security: bytes) -> int:
    """The rights that the descriptor `security` leaves to the user; all of them where there is no list.

    An owner may always read and change the list.
    """
    descriptor = SecurityDescriptor.parse(security)
    if not descriptor.control & Control.DACL_PRESENT or not descriptor.dacl:
        return ALL
    sids = _GUEST if session.is_guest or session.is_anonymous else _ACCOUNT
    owned = AccessMask.READ_CONTROL | AccessMask.WRITE_DAC if descriptor.owner in (*sids, b"") else 0
    allowed = denied = 0
    for ace, sid in _entries(descriptor.dacl):
        if ace.ace_flags & _INHERIT_ONLY or sid not in sids:
            continue
        if ace.ace_type == _ALLOWED:
            allowed |= _specific(ace.mask) & ~denied
        elif ace.ace_type == _DENIED:
            denied |= _specific(ace.mask) & ~allowed
    return allowed | owned


def _entries(dacl: bytes) -> list[tuple[_Ace, bytes]]:
    """The entries and their SIDs up to the first that is damaged."""
    found: list[tuple[_Ace, bytes]] = []
    reader = Reader(dacl[_ACL_HEADER:])
    try:
        while reader.remaining:
            ace = _ACE.parse(dacl, _ACL_HEADER + reader.position)
            entry = bytes(reader.take(max(ace.ace_size, _ACE.size), "entry of an access list"))
            found.append((ace, entry[_ACE.size :]))
    except ParseError:
        return found
    return found


def _specific(mask: int) -> int:
    """Generic rights as what they stand for."""
    for generic, meaning in _GENERIC:
        if mask & generic:
            mask |= meaning
    return mask & ALL
