"""Oplocks and leases that the server takes back (MS-SMB2 3.2.5.19, 3.2.4.25)."""

from dataclasses import dataclass

from parsers.errors import ParseError
from parsers.smb2.create import OplockLevel
from parsers.smb2.lease import LeaseState
from parsers.smb2.oplock_break import (
    LeaseBreak,
    LeaseBreakFlags,
    LeaseBreakNotification,
    OplockBreak,
    parse_oplock_break,
)
from refserver.client.opening import Received
from refserver.client.state import Open, Session

__all__ = ["Break", "find_break"]


@dataclass(slots=True, eq=False)
class Break:
    """A notification, and the open that it is about (one of those of the lease). Time in nanoseconds since 1970."""

    notification: OplockBreak | LeaseBreakNotification
    open: Open
    received_at: int
    acknowledged: bool = False

    @property
    def needs_acknowledgment(self) -> bool:
        """Whether the server waits for the client (3.2.5.19.1, 3.2.5.19.2): not if only reading was cached."""
        if isinstance(self.notification, LeaseBreakNotification):
            return bool(self.notification.flags & LeaseBreakFlags.ACK_REQUIRED)
        return self.open.oplock_level in (OplockLevel.EXCLUSIVE, OplockLevel.BATCH)

    def acknowledgment(self, accepted: int | None = None) -> bytes:
        """The body of the answer: what the server wants to leave, or `accepted`, a level or state."""
        if isinstance(self.notification, LeaseBreakNotification):
            state = self.notification.new_lease_state if accepted is None else LeaseState(accepted)
            return LeaseBreak(self.notification.lease_key, state).build()
        level = self.notification.oplock_level if accepted is None else OplockLevel(accepted)
        return OplockBreak(level, self.open.file_id).build()

    def apply(self) -> None:
        """Note in the open, or in all opens of the lease, what the server has left."""
        if isinstance(self.notification, OplockBreak):
            self.open.oplock_level = self.notification.oplock_level
            return
        for open_ in self.open.tree_connect.session.open_table.values():
            if open_.lease_key == self.notification.lease_key:
                open_.lease_state = self.notification.new_lease_state
                open_.lease_epoch = self.notification.new_epoch


def find_break(message: Received, sessions: list[Session], now: int) -> Break | None:
    """The break that a notification tells of; None if the client has no such open.

    Raises:
        ParseError: malformed, or no notification.
    """
    notification = parse_oplock_break(message.bytes_)
    if isinstance(notification, LeaseBreak):
        raise ParseError("an answer to an acknowledgment where a notification was expected")
    for session in sessions:
        for open_ in session.open_table.values():
            if isinstance(notification, LeaseBreakNotification):
                found = open_.lease_key == notification.lease_key
            else:
                found = open_.file_id == notification.file_id
            if found:
                return Break(notification, open_, now)
    return None
