"""Events of handles: reconnected or lost, and of oplocks and leases: broken, given up, timed out."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.events.event import Detail, Event, seconds, status_name
from analyzer.events.kinds import Kind
from analyzer.evidence import Evidence
from analyzer.evidence.handles import BreakMessage
from parsers import ntstatus
from parsers.smb2.create import OplockLevel
from parsers.smb2.lease import LeaseState
from parsers.smb2.oplock_break import LeaseBreakFlags, LeaseBreakNotification, OplockBreak
from parsers.times import NANOSECONDS

__all__ = ["BREAK_WAIT", "handle_events"]

BREAK_WAIT = 35 * NANOSECONDS
"""How long a server waits for the acknowledgment of a break (MS-SMB2 3.3.2.1, 3.3.2.5: 35 s in Windows and Samba)."""

_NEEDS_ACK = (OplockLevel.EXCLUSIVE, OplockLevel.BATCH)  # a level II oplock is just gone (MS-SMB2 3.3.4.6)
_LETTERS = ((LeaseState.READ_CACHING, "R"), (LeaseState.HANDLE_CACHING, "H"), (LeaseState.WRITE_CACHING, "W"))

Rows = npt.NDArray[Any]


def handle_events(evidence: Evidence) -> Iterator[Event]:
    """Reconnects first, then breaks."""
    rows = evidence.handles.creates
    for row in rows[(rows["reconnect_version"] > 0) & (rows["response_frame"] != 0)]:
        yield _reconnect(row, evidence)
    if evidence.handles.breaks:
        yield from _Breaks(evidence).events()


def _reconnect(row: Any, evidence: Evidence) -> Event:
    name = evidence.name(int(row["name"]))
    what = f"the handle of '{name}'" if name else "a handle"
    good = row["status"] == ntstatus.STATUS_SUCCESS
    status = status_name(int(row["status"]))
    details: dict[str, Detail] = {
        "file": name,
        "version": int(row["reconnect_version"]),
        "status": status,
        "file_id": f"{int(row['reconnect_persistent']):016x}:{int(row['reconnect_volatile']):016x}",
    }
    kind = Kind.HANDLE_RECONNECTED if good else Kind.HANDLE_LOST
    text = f"{what} was taken up again" if good else f"{what} could not be taken up again ({status})"
    frames = (int(row["request_frame"]), int(row["response_frame"]))
    session = int(row["session"])
    return Event(
        int(row["response_time"]), kind, text, int(row["connection"]), None if session < 0 else session, frames, details
    )


@dataclass(slots=True)
class _Asked:
    """A notification, whose file or lease it is about, and by when it was answered."""

    message: BreakMessage
    session: int | None
    name: str | None
    needs_ack: bool
    known: bool  # whether the open is known
    frees: int | None  # when the last open that holds it was closed
    answer: BreakMessage | None = None


_Subject = tuple[bytes, bytes]


class _Breaks:
    """Notifications with what became of them."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._opens = evidence.decoded.smb2.exchanges.opens.rows
        self._by_volatile = np.argsort(self._opens["volatile"], kind="stable")
        self._volatile = self._opens["volatile"][self._by_volatile]
        self._levels: dict[int, int] = {}  # of opens whose oplock was broken before
        creates = evidence.handles.creates
        self._leases: dict[_Subject, list[int]] = defaultdict(list)  # rows of opens
        for row in creates[(creates["granted_lease"] >= 0) & (creates["response_frame"] != 0)]:
            file_id = int(row["file_persistent"]), int(row["file_volatile"])
            place = self._open(file_id, int(row["connection"]), int(row["response_time"]))
            if place is not None:
                self._leases[self._lease(row["lease_key"].tobytes(), int(row["connection"]))].append(place)

    def events(self) -> Iterator[Event]:
        """Each notification with what became of it, then acknowledgments of what nobody was asked for."""
        responses = {
            (m.connection, m.message_id): m for m in self._evidence.handles.breaks if m.solicited and not m.from_client
        }  # of acknowledgments
        asked: list[_Asked] = []
        pending: dict[_Subject, list[_Asked]] = defaultdict(list)
        for message in self._evidence.handles.breaks:
            if message.body is None or (message.solicited and not message.from_client):
                continue
            subject = self._subject(message)
            if not message.solicited:
                asked.append(self._asked(message, subject))
                pending[subject].append(asked[-1])
            elif not _answer(pending[subject], message):
                yield self._acknowledged(message, None, responses)
        for one in asked:
            yield self._notification(one)
            yield from self._outcome(one, responses)

    def _subject(self, message: BreakMessage) -> "_Subject":
        """What is broken: an oplock by its FileId, a lease by its key and its client (MS-SMB2 3.3.1.12)."""
        body = message.body
        if isinstance(body, OplockBreak):
            return f"{message.connection}".encode(), body.file_id.persistent.to_bytes(
                8
            ) + body.file_id.volatile.to_bytes(8)
        assert body is not None  # callers have looked
        return self._lease(body.lease_key, message.connection)

    def _lease(self, key: bytes, connection: int) -> "_Subject":
        smb = self._evidence.decoded.smb2.tracker.connections[connection]
        request = smb.negotiate_request
        return (f"{connection}".encode() if request is None else request.client_guid), key

    def _asked(self, message: BreakMessage, subject: "_Subject") -> _Asked:
        body = message.body
        if isinstance(body, OplockBreak):
            place = self._open(body.file_id, message.connection, message.time)
            level = OplockLevel.NONE if place is None else self._opens["oplock_level"][place]
            level = level if place is None else self._levels.get(place, int(level))
            if place is not None:
                self._levels[place] = body.oplock_level
            return self._of_opens(message, [] if place is None else [place], needs_ack=level in _NEEDS_ACK)
        assert isinstance(body, LeaseBreakNotification)  # what is unsolicited and no oplock break
        places = [place for place in self._leases.get(subject, []) if self._lived(place, message.time)]
        return self._of_opens(message, places, needs_ack=bool(body.flags & LeaseBreakFlags.ACK_REQUIRED))

    def _of_opens(self, message: BreakMessage, places: list[int], *, needs_ack: bool) -> _Asked:
        if not places:
            return _Asked(message, None, None, needs_ack, known=False, frees=None)
        rows = self._opens[places]
        session = int(rows["session"][0])
        frees = int(rows["closed"].max()) if (rows["closed"] != 0).all() else None
        name = self._evidence.name(int(rows["name"][0]))
        return _Asked(message, None if session < 0 else session, name, needs_ack, known=True, frees=frees)

    def _lived(self, place: int, time: int) -> bool:
        return bool(self._opens["opened"][place] <= time and not 0 < self._opens["closed"][place] <= time)

    def _open(self, file_id: tuple[int, int], connection: int, time: int) -> int | None:
        """The row of the open that had this FileId at a time: on the connection if there is one, else anywhere."""
        first, last = (int(np.searchsorted(self._volatile, np.uint64(file_id[1]), side=s)) for s in ("left", "right"))
        places = self._by_volatile[first:last]
        rows = self._opens[places]
        fits = places[(rows["persistent"] == file_id[0]) & (rows["opened"] <= time)]
        here = fits[self._opens["connection"][fits] == connection]
        best = here if len(here) else fits
        return int(best[-1]) if len(best) else None

    def _notification(self, asked: _Asked) -> Event:
        message, body = asked.message, asked.message.body
        name = f" of '{asked.name}'" if asked.name else ""
        details: dict[str, Detail] = {"file": asked.name, "needs_acknowledgment": asked.needs_ack}
        if isinstance(body, OplockBreak):
            level = OplockLevel(body.oplock_level).name
            details |= {"new_level": level, "file_id": _file_id(body)}
            kind, text = Kind.OPLOCK_BREAK, f"the server breaks the oplock{name} to {level}"
        else:
            assert isinstance(body, LeaseBreakNotification)  # see `_asked`
            old, new = _letters(body.current_lease_state), _letters(body.new_lease_state)
            details |= {"old_state": old, "new_state": new, "lease_key": body.lease_key.hex()}
            kind, text = Kind.LEASE_BREAK, f"the server breaks the lease{name} from {old} to {new}"
        return Event(message.time, kind, text, message.connection, asked.session, (message.frame,), details)

    def _outcome(self, asked: _Asked, responses: dict[tuple[int, int], BreakMessage]) -> Iterator[Event]:
        """Acknowledged, given up by closing the file, or timed out; late acknowledgments come with the timeout."""
        message, answer = asked.message, asked.answer
        deadline = message.time + BREAK_WAIT
        closed = asked.frees if asked.frees is not None and asked.frees >= message.time else None
        done = min(
            (time for time in (closed, None if answer is None else answer.time) if time is not None), default=None
        )
        late = asked.needs_ack and asked.known and (done is None or done > deadline)
        if late and self._watched_until(message, deadline):
            yield self._timeout(asked, deadline)
        if answer is not None:
            yield self._acknowledged(answer, asked, responses)
        elif asked.needs_ack and closed is not None:
            yield self._closed(asked, closed)

    def _watched_until(self, message: BreakMessage, deadline: int) -> bool:
        """Whether the capture went on for so long, and the holder had its connection."""
        connection = self._evidence.decoded.connections[message.connection]
        ended = connection.closed_time
        return (self._evidence.decoded.last_time or 0) >= deadline and (ended is None or ended >= deadline)

    def _timeout(self, asked: _Asked, time: int) -> Event:
        message, oplock = asked.message, isinstance(asked.message.body, OplockBreak)
        name = f" of '{asked.name}'" if asked.name else ""
        kind, what = (Kind.OPLOCK_TIMEOUT, "oplock") if oplock else (Kind.LEASE_TIMEOUT, "lease")
        text = f"the client had not given up the {what}{name} within {seconds(BREAK_WAIT)}"
        details: dict[str, Detail] = {"file": asked.name, "waited_ns": BREAK_WAIT}
        return Event(time, kind, text, message.connection, asked.session, (message.frame,), details)

    def _acknowledged(
        self, answer: BreakMessage, asked: _Asked | None, responses: dict[tuple[int, int], BreakMessage]
    ) -> Event:
        oplock = isinstance(answer.body, OplockBreak)
        response = responses.get((answer.connection, answer.message_id))
        status = None if response is None else status_name(response.status)
        length = None if asked is None else answer.time - asked.message.time
        name = f" of '{asked.name}'" if asked is not None and asked.name else ""
        after = "" if length is None else f" after {seconds(length)}"
        what = "oplock" if oplock else "lease"
        result = f" ({status})" if status not in {None, "STATUS_SUCCESS"} else ""
        text = f"the client acknowledged the break of the {what}{name}{after}{result}"
        details: dict[str, Detail] = {
            "file": None if asked is None else asked.name, "by": "acknowledgment", "length_ns": length,
            "status": status, "asked_for": asked is not None,
        }  # fmt: skip
        frames = tuple(m.frame for m in (None if asked is None else asked.message, answer, response) if m is not None)
        kind = Kind.OPLOCK_ACK if oplock else Kind.LEASE_ACK
        return Event(answer.time, kind, text, answer.connection, answer.session, frames, details)

    def _closed(self, asked: _Asked, time: int) -> Event:
        oplock = isinstance(asked.message.body, OplockBreak)
        what, kind = ("oplock", Kind.OPLOCK_ACK) if oplock else ("lease", Kind.LEASE_ACK)
        name = f" of '{asked.name}'" if asked.name else ""
        length = time - asked.message.time
        text = f"the client gave up the {what}{name} after {seconds(length)} by closing the file"
        details: dict[str, Detail] = {
            "file": asked.name,
            "by": "close",
            "length_ns": length,
            "status": None,
            "asked_for": True,
        }
        return Event(time, kind, text, asked.message.connection, asked.session, (asked.message.frame,), details)


def _answer(pending: list[_Asked], message: BreakMessage) -> bool:
    """Give an acknowledgment to the last notification that waits for one, else to the last; whether there is any."""
    asked = next((one for one in reversed(pending) if one.needs_ack), pending[-1] if pending else None)
    if asked is None:
        return False
    asked.answer = message
    pending.remove(asked)
    return True


def _file_id(body: OplockBreak) -> str:
    return f"{body.file_id.persistent:016x}:{body.file_id.volatile:016x}"


def _letters(state: LeaseState) -> str:
    """`RHW`, or `none`."""
    return "".join(letter for flag, letter in _LETTERS if state & flag) or "none"
