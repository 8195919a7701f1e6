"""What clients may cache: oplocks and leases in one measure, read, handle and write caching (MS-FSA 2.1.5.17).

The rules about who may have what beside whom are the same for both, so they work on these three bits.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

from parsers.smb2.access import AccessMask
from parsers.smb2.create import OplockLevel
from parsers.smb2.lease import LeaseState
from refserver.server.state import Lease, Open, OpenFile

__all__ = ["NOTHING", "Holder", "cached", "grantable", "holders", "is_stat_open", "level_for", "state_for"]

Holder: TypeAlias = Open | Lease

READ: Final = LeaseState.READ_CACHING
HANDLE: Final = LeaseState.HANDLE_CACHING
WRITE: Final = LeaseState.WRITE_CACHING
NOTHING: Final = LeaseState.NONE

_STATES: Final[dict[int, int]] = {
    OplockLevel.NONE: NOTHING,
    OplockLevel.II: READ,
    OplockLevel.EXCLUSIVE: READ | WRITE,
    OplockLevel.BATCH: READ | WRITE | HANDLE,
}
_LEVELS: Final[dict[int, OplockLevel]] = {
    READ: OplockLevel.II,
    READ | HANDLE: OplockLevel.II,
    READ | WRITE: OplockLevel.EXCLUSIVE,
    READ | WRITE | HANDLE: OplockLevel.BATCH,
}
_LOOKS = AccessMask.FILE_READ_ATTRIBUTES | AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.SYNCHRONIZE


def state_for(level: int) -> int:
    """What an oplock level allows to cache; nothing for values that are no level."""
    return _STATES.get(level, NOTHING)


def level_for(state: int) -> OplockLevel:
    """The oplock level that allows at most `state`; handles alone cannot be cached with an oplock."""
    return _LEVELS.get(state, OplockLevel.NONE)


def cached(holder: Holder) -> int:
    """What the holder of an oplock or a lease may cache now; while it breaks, what it had."""
    return holder.lease_state if isinstance(holder, Lease) else state_for(holder.oplock_level)


def holders(file: OpenFile) -> Iterator[Holder]:
    """Every oplock and every lease on the file, a lease once however many opens share it."""
    seen = set()
    for open_ in list(file.opens):
        if open_.lease is None:
            if open_.oplock_level != OplockLevel.NONE:
                yield open_
        elif open_.lease.lease_key not in seen:
            seen.add(open_.lease.lease_key)
            yield open_.lease


def is_stat_open(access: int, *, beside_lease: bool) -> bool:
    """Whether an open with `access` breaks nothing as it only looks (MS-FSA 2.1.5.1.2).

    Beside a lease, reading the security descriptor is looking too.
    """
    return not access & ~(_LOOKS | AccessMask.READ_CONTROL if beside_lease else _LOOKS)


def grantable(file: OpenFile, asked: int, lease: Lease | None, *, by_lease: bool) -> int:
    """How much of `asked` a new open of `file` may cache; `lease` is the one that it would share (MS-FSA 2.1.5.17).

    Nobody caches writes, or anything beside one who does. Byte-range locks of others cannot be seen in a cache.
    Handles are cached by leases or by a batch oplock, never by both kinds.
    """
    others = [other for other in file.opens if lease is None or other.lease is not lease]
    standing = [(other, cached(other.lease or other)) for other in others]
    if any(state & WRITE for _, state in standing):
        return NOTHING
    granted = asked
    if any(open_.locks for open_ in file.opens):
        granted &= ~READ
    if any(state or not is_stat_open(other.granted_access, beside_lease=False) for other, state in standing):
        granted &= ~WRITE
    if by_lease and any(state and other.lease is None for other, state in standing):
        granted &= ~HANDLE
    if not by_lease and any(state & HANDLE and other.lease is not None for other, state in standing):
        return NOTHING
    return granted if granted & READ else NOTHING
