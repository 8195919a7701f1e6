"""SMB2 SERVER_TO_CLIENT notification (MS-SMB2 2.2.44)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenEnum
from parsers.layout import U16, U32, Layout
from parsers.reader import Reader
from parsers.smb2.header import HEADER_SIZE

__all__ = ["SERVER_NOTIFICATION", "NotificationType", "ServerNotification", "ServerNotificationFixed"]


class NotificationType(OpenEnum):
    """MS-SMB2 2.2.44.1, NotificationType."""

    SESSION_CLOSED = 0x0


class ServerNotificationFixed(NamedTuple):
    """MS-SMB2 2.2.44.1 up to Notification."""

    structure_size: U16
    reserved: U16
    notification_type: U32


SERVER_NOTIFICATION = Layout(ServerNotificationFixed)

_SESSION_CLOSED = bytes(4)  # SMB2_NOTIFY_SESSION_CLOSED, 2.2.44.2: one reserved field


@dataclass(frozen=True, slots=True)
class ServerNotification:
    """MS-SMB2 2.2.44.1; the session that was closed is the one in the header.

    Of an unknown type, all that follows is `notification`.
    """

    notification_type: NotificationType
    notification: bytes = _SESSION_CLOSED

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        StructureSize is not looked at: "the size of the structure" (2.2.44.1) leaves open whether Notification counts.

        Raises:
            ParseError: too short.
        """
        fixed = SERVER_NOTIFICATION.parse(message, HEADER_SIZE)
        kind = NotificationType(fixed.notification_type)
        reader = Reader(message[HEADER_SIZE + SERVER_NOTIFICATION.size :])
        known = kind == NotificationType.SESSION_CLOSED
        return cls(kind, bytes(reader.take(len(_SESSION_CLOSED), "Notification") if known else reader.rest()))

    def build(self) -> bytes:
        """The body; StructureSize counts all of it."""
        size = SERVER_NOTIFICATION.size + len(self.notification)
        return SERVER_NOTIFICATION.build(ServerNotificationFixed(size, 0, self.notification_type)) + self.notification
