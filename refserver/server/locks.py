"""SMB2 LOCK: byte ranges that one open keeps from the others (MS-SMB2 3.3.5.14, MS-FSA 2.1.5.7, 2.1.5.8)."""

from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_FILE_LOCK_CONFLICT,
    STATUS_INVALID_LOCK_RANGE,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_RANGE_NOT_LOCKED,
    STATUS_SUCCESS,
)
from parsers.smb2.lock import LockElement, LockFlags, LockRequest, LockResponse
from refserver.errors import StatusError
from refserver.server import handles, oplocks
from refserver.server.requests import Pending, Reply, Request
from refserver.server.state import LockRange, Open, OpenFile

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["check_read", "check_write", "lock"]

_END = 1 << 64  # no range goes beyond the last 64-bit offset
_LAST_INDEX = 64  # of the LockSequenceArray (3.3.1.10)
_DIALECT_3 = 0x0300
_NOW = LockFlags.FAIL_IMMEDIATELY
_KINDS = (
    LockFlags.SHARED_LOCK,
    LockFlags.EXCLUSIVE_LOCK,
    LockFlags.SHARED_LOCK | _NOW,
    LockFlags.EXCLUSIVE_LOCK | _NOW,
)


def lock(server: "Server", request: Request) -> Reply | Pending:
    """Take or give back ranges.

    Raises:
        ParseError: the body is no LOCK request.
        StatusError: INVALID_PARAMETER, INVALID_LOCK_RANGE, LOCK_NOT_GRANTED, RANGE_NOT_LOCKED.
    """
    asked = LockRequest.parse(request.message)
    if not asked.locks:
        raise StatusError(STATUS_INVALID_PARAMETER)
    open_ = server.open_of(request, asked.file_id)
    if open_.node.is_directory:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if _was_done(request, open_, asked):
        return _done()
    if asked.locks[0].flags == LockFlags.UNLOCK:
        _unlock_all(server, open_, asked, request.now)
        _remember(open_, asked)
        return _done()
    _check_elements(asked.locks)
    return _lock_all(server, request, open_, asked)


def check_read(server: "Server", open_: Open, offset: int, length: int) -> None:
    """Raise StatusError FILE_LOCK_CONFLICT where another open has locked the range exclusively (MS-FSA 2.1.5.3)."""
    if length and _conflicts(server.open_files[open_.node], open_, LockRange(offset, length, exclusive=False)):
        raise StatusError(STATUS_FILE_LOCK_CONFLICT)


def check_write(server: "Server", open_: Open, offset: int, length: int) -> None:
    """Raise StatusError FILE_LOCK_CONFLICT where the range is locked but not by `open_` alone (MS-FSA 2.1.5.4)."""
    file = server.open_files[open_.node]
    for other in file.opens:
        for held in other.locks:
            if length and _overlap(held, offset, length) and not (held.exclusive and other is open_):
                raise StatusError(STATUS_FILE_LOCK_CONFLICT)


# ---------------------------------------------------------------------------------------------- taking


def _check_elements(elements: tuple[LockElement, ...]) -> None:
    """3.3.5.14.2: only locks, and only such as do not wait if there are several."""
    for element in elements:
        if element.flags not in _KINDS or (len(elements) > 1 and not element.flags & _NOW):
            raise StatusError(STATUS_INVALID_PARAMETER)


def _lock_all(server: "Server", request: Request, open_: Open, asked: LockRequest) -> Reply | Pending:
    """Every range or none; a single one may wait for its holder (3.3.5.14.2)."""
    file = server.open_files[open_.node]
    taken: list[LockRange] = []
    for element, wanted in zip(asked.locks, list(map(_range, asked.locks)), strict=True):
        if _conflicts(file, open_, wanted):
            for range_ in taken:
                open_.locks.remove(range_)
            if element.flags & _NOW:
                raise StatusError(STATUS_LOCK_NOT_GRANTED)
            return _wait(server, request, open_, asked, wanted)
        open_.locks.append(wanted)
        taken.append(wanted)
    _remember(open_, asked)
    oplocks.break_on_lock(server, open_, request.now)
    return _done()


def _wait(server: "Server", request: Request, open_: Open, asked: LockRequest, wanted: LockRange) -> Pending:
    """Until the range is free; RANGE_NOT_LOCKED if the open ends before (MS-FSA 2.1.5.5)."""
    file = server.open_files[open_.node]

    def attempt(now: int) -> Reply | OpenFile:
        if _conflicts(file, open_, wanted):
            return file
        open_.on_close.remove(closed)
        open_.locks.append(wanted)
        _remember(open_, asked)
        oplocks.break_on_lock(server, open_, now)
        return _done()

    def closed(now: int) -> None:
        server.complete(request, StatusError(STATUS_RANGE_NOT_LOCKED), now)

    def cancel() -> None:
        if closed in open_.on_close:
            open_.on_close.remove(closed)
        waiting.cancel()

    open_.on_close.append(closed)
    waiting = handles.wait(server, request, file, attempt)
    return Pending(cancel)


def _range(element: LockElement) -> LockRange:
    if element.offset + element.length > _END:
        raise StatusError(STATUS_INVALID_LOCK_RANGE)
    return LockRange(element.offset, element.length, bool(element.flags & LockFlags.EXCLUSIVE_LOCK))


def _conflicts(file: OpenFile, open_: Open, wanted: LockRange) -> bool:
    """Whether a lock that is held stands against `wanted`; an open may read what it has locked exclusively itself."""
    return any(
        (held.exclusive or wanted.exclusive)
        and _overlap(held, wanted.offset, wanted.length)
        and (wanted.exclusive or other is not open_)
        for other in file.opens
        for held in other.locks
    )


def _overlap(held: LockRange, offset: int, length: int) -> bool:
    """An empty range overlaps what it lies inside of, but nothing that begins or ends at it."""
    return held.offset < offset + length and offset < held.offset + held.length


# ---------------------------------------------------------------------------------------------- giving back


def _unlock_all(server: "Server", open_: Open, asked: LockRequest, now: int) -> None:
    """One after the other: what was given back stays so where a later one fails (3.3.5.14.1)."""
    try:
        for element in asked.locks:
            if element.flags != LockFlags.UNLOCK:
                raise StatusError(STATUS_INVALID_PARAMETER)
            _unlock(open_, element)
    finally:
        handles.wake(server.open_files[open_.node], now)


def _unlock(open_: Open, element: LockElement) -> None:
    """Exactly the range that was locked; where it is locked twice, the exclusive lock goes first."""
    for exclusive in (True, False):
        held = LockRange(element.offset, element.length, exclusive)
        if held in open_.locks:
            open_.locks.remove(held)
            return
    raise StatusError(STATUS_RANGE_NOT_LOCKED)


# ---------------------------------------------------------------------------------------------- repetition


def _was_done(request: Request, open_: Open, asked: LockRequest) -> bool:
    """Whether the client only repeats what it did before it lost its connection (3.3.5.14)."""
    kept = open_.is_durable or open_.is_resilient or open_.is_persistent
    if not (request.connection.dialect >= _DIALECT_3 or kept) or not 1 <= asked.lock_sequence_index <= _LAST_INDEX:
        return False
    if open_.lock_sequence_array.get(asked.lock_sequence_index) == asked.lock_sequence_number:
        return True
    open_.lock_sequence_array.pop(asked.lock_sequence_index, None)
    return False


def _remember(open_: Open, asked: LockRequest) -> None:
    if 1 <= asked.lock_sequence_index <= _LAST_INDEX:
        open_.lock_sequence_array[asked.lock_sequence_index] = asked.lock_sequence_number


def _done() -> Reply:
    return Reply(STATUS_SUCCESS, LockResponse().build())
