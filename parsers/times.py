"""Time is integer nanoseconds since 1970-01-01T00:00:00Z, from the capture's own clock."""

__all__ = ["NANOSECONDS", "filetime_to_ns", "ns_to_filetime"]

NANOSECONDS = 1_000_000_000
_FILETIME_TICK_NS = 100
_FILETIME_EPOCH_S = 11_644_473_600  # seconds from 1601-01-01 to 1970-01-01
_FILETIME_NEVER = 0x7FFF_FFFF_FFFF_FFFF


def filetime_to_ns(filetime: int) -> int | None:
    """Nanoseconds since 1970 of a FILETIME (MS-DTYP 2.3.3), or None where it says "not set" or "never"."""
    if filetime == 0 or filetime >= _FILETIME_NEVER:
        return None
    return filetime * _FILETIME_TICK_NS - _FILETIME_EPOCH_S * NANOSECONDS


def ns_to_filetime(ns: int) -> int:
    """The FILETIME (MS-DTYP 2.3.3, 100 ns ticks since 1601) of nanoseconds since 1970."""
    return (ns + _FILETIME_EPOCH_S * NANOSECONDS) // _FILETIME_TICK_NS
