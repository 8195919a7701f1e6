"""Oplocks (MS-SMB2 3.3.4.6, 3.3.5.22), and the breaks that operations ask for, of leases too (MS-FSA 2.1.4.12)."""

from typing import TYPE_CHECKING, Final

from parsers.ntstatus import (
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_OPLOCK_PROTOCOL,
    STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.create import OplockLevel
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.lease import LeaseState
from parsers.smb2.oplock_break import LeaseBreak, OplockBreak, parse_oplock_break
from refserver.errors import StatusError
from refserver.server import handles, leases
from refserver.server.caching import NOTHING, Holder, cached, grantable, holders, is_stat_open, level_for, state_for
from refserver.server.requests import Reply, Request
from refserver.server.state import Lease, Open, OpenFile, OplockState

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = [
    "acknowledge",
    "break_for_open",
    "break_handles",
    "break_on_lock",
    "break_on_size",
    "break_on_write",
    "grant",
]

READ: Final = LeaseState.READ_CACHING
HANDLE: Final = LeaseState.HANDLE_CACHING
WRITE: Final = LeaseState.WRITE_CACHING
_BREAKABLE = (OplockLevel.NONE, OplockLevel.II)  # what an oplock can be broken to


def grant(file: OpenFile, open_: Open, asked: int, *, only_level_ii: bool) -> None:
    """Give the new open the oplock that it asked for, or what can be had of it (3.3.5.9)."""
    state = state_for(asked) & READ if only_level_ii else state_for(asked)
    open_.oplock_level = level_for(grantable(file, state, None, by_lease=False))
    open_.oplock_state = OplockState.HELD if open_.oplock_level else OplockState.NONE


# ---------------------------------------------------------------------------------------------- what breaks what


def break_for_open(
    server: "Server",
    file: OpenFile,
    now: int,
    *,
    access: int,
    lease: Lease | None,
    overwrites: bool,
    violates: bool,
    again: bool,
) -> bool:
    """Break what stands against opening `file`; True if the open has to wait for it (MS-FSA 2.1.5.1.2).

    Args:
        server: whose opens they are.
        file: what is to be opened.
        now: the time.
        access: what the open will be granted.
        lease: that of the open, which it does not break.
        overwrites: whether the file's content goes.
        violates: whether the open violates sharing: a client that caches handles may have closed its own.
        again: whether it has waited before.
    """
    if overwrites:
        access |= AccessMask.FILE_WRITE_DATA
    against = HANDLE if violates else WRITE
    waits = False
    for holder in holders(file):
        if holder is lease or is_stat_open(access, beside_lease=isinstance(holder, Lease)):
            continue
        state, was_breaking = cached(holder), _is_breaking(holder)
        lost = against | READ | HANDLE if overwrites else against
        if not state & lost:
            waits |= was_breaking
            continue
        _break(server, holder, NOTHING if overwrites else state & ~against, now)
        waits |= bool(cached(holder) & against) or (was_breaking and again)
    return waits


def break_on_write(server: "Server", open_: Open, now: int) -> None:
    """What others have read ahead is stale; `open_` writes but does not wait (MS-FSA 2.1.5.4).

    A client's own lease stays, but not its own level II oplock.
    """
    for holder in holders(server.open_files[open_.node]):
        mine = holder is open_.lease or holder is open_
        if mine and (isinstance(holder, Lease) or cached(holder) & WRITE):
            continue
        if cached(holder):
            _break(server, holder, NOTHING, now)


def break_on_lock(server: "Server", open_: Open, now: int) -> None:
    """Locks cannot be seen in what others cache (MS-FSA 2.1.5.8)."""
    break_on_write(server, open_, now)


def break_on_size(server: "Server", open_: Open, now: int) -> None:
    """A new end of file or allocation (MS-FSA 2.1.5.15.1, 2.1.5.15.5)."""
    break_on_write(server, open_, now)


def break_handles(server: "Server", open_: Open, now: int) -> bool:
    """Nobody else may cache a handle of a file that is renamed or deleted (MS-FSA 2.1.5.15.3, 2.1.5.15.11).

    True if it has to be waited for; only renaming waits.
    """
    waits = False
    for holder in holders(server.open_files[open_.node]):
        if holder is open_.lease or holder is open_ or not cached(holder) & HANDLE:
            continue
        _break(server, holder, cached(holder) & ~HANDLE, now)
        waits |= bool(cached(holder) & HANDLE)
    return waits


def _is_breaking(holder: Holder) -> bool:
    return holder.breaking if isinstance(holder, Lease) else holder.oplock_state == OplockState.BREAKING


def _break(server: "Server", holder: Holder, to: int, now: int) -> None:
    if isinstance(holder, Lease):
        leases.break_lease(server, holder, to, now)
    elif holder.oplock_state != OplockState.BREAKING:
        _break_oplock(server, holder, OplockLevel.II if to & READ else OplockLevel.NONE, now)


# ---------------------------------------------------------------------------------------------- the oplock's own


def _break_oplock(server: "Server", open_: Open, to: OplockLevel, now: int) -> None:
    """Tell the client (3.3.4.6); level II is gone at once, the others when it has answered."""
    connection = handles.connection_of(open_)
    if connection is None or open_.session is None:
        if open_.is_resilient or open_.is_persistent:
            _set_level(open_, to)
        else:
            handles.close_open(server, open_, now)
        return
    if open_.oplock_level == OplockLevel.II:
        _set_level(open_, to)
    else:
        open_.oplock_state = OplockState.BREAKING
        persistent = open_.is_persistent
        wait = server.config.persistent_break_timeout if persistent else server.config.oplock_break_timeout
        open_.oplock_timer = server.timers.at(now + wait, lambda now: _give_up(server, open_, now))
    notification = OplockBreak(to, FileId(open_.durable_file_id, open_.file_id))
    server.notify(open_.session, connection, Command.OPLOCK_BREAK, notification.build(), now)


def _set_level(open_: Open, level: int) -> None:
    open_.oplock_level = level
    open_.oplock_state = OplockState.HELD if level else OplockState.NONE


def _give_up(server: "Server", open_: Open, now: int) -> None:
    """The client has not answered in time (3.3.6.1)."""
    _set_level(open_, OplockLevel.NONE)
    handles.wake(server.open_files[open_.node], now)


def acknowledge(server: "Server", request: Request) -> Reply:
    """OPLOCK_BREAK of a client: the acknowledgment of an oplock break or a lease break (3.3.5.22).

    Raises:
        ParseError: the body is neither.
        StatusError: those of `leases.acknowledge`; FILE_CLOSED; INVALID_PARAMETER for a level that is none;
            INVALID_OPLOCK_PROTOCOL where no answer was asked for, INVALID_DEVICE_STATE where it comes too late.
    """
    match parse_oplock_break(request.message):
        case LeaseBreak() as answer:
            return leases.acknowledge(server, request, answer)
        case OplockBreak() as answer:
            return _acknowledge_oplock(server, request, answer)
    raise StatusError(STATUS_INVALID_PARAMETER)


def _acknowledge_oplock(server: "Server", request: Request, answer: OplockBreak) -> Reply:
    """3.3.5.22.1."""
    open_ = server.open_of(request, answer.file_id)
    if answer.oplock_level == OplockLevel.LEASE:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if open_.oplock_state != OplockState.BREAKING:
        too_late = open_.oplock_timer is not None  # only an answer takes it away
        raise StatusError(STATUS_INVALID_DEVICE_STATE if too_late else STATUS_INVALID_OPLOCK_PROTOCOL)
    assert open_.oplock_timer is not None  # it breaks
    open_.oplock_timer.cancel()
    open_.oplock_timer = None
    allowed = answer.oplock_level in _BREAKABLE
    _set_level(open_, answer.oplock_level if allowed else OplockLevel.NONE)
    handles.wake(server.open_files[open_.node], request.now)
    if not allowed:
        raise StatusError(STATUS_INVALID_OPLOCK_PROTOCOL)
    return Reply(STATUS_SUCCESS, OplockBreak(answer.oplock_level, answer.file_id).build())
