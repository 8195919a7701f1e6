"""What a command handler gets and gives back.

A handler is a function `handler(server, request) -> Reply | Pending`. It raises `StatusError` for a
failure. It returns
`Pending` where the answer waits for something (an oplock break, a lock, a change): the core then sends the interim
response, if the wait outlasts the call, and whoever ends the wait calls `server.complete(request, reply)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from parsers.smb2.header import HeaderFixed

if TYPE_CHECKING:
    from refserver.server.state import Connection, Open, Session, TreeConnect

__all__ = ["Compound", "Pending", "Reply", "Request"]


@dataclass(slots=True)
class Reply:
    """A response: its Status and its body behind the header, an ERROR body included where the status wants one."""

    status: int
    body: bytes


@dataclass(slots=True)
class Pending:
    """The answer comes later. `cancel` is called once by CANCEL, LOGOFF, CLOSE or a lost connection.

    It has to withdraw whatever waits and to complete the request: STATUS_CANCELLED after a CANCEL.
    """

    cancel: Callable[[], None]


@dataclass(slots=True, eq=False)
class Request:
    """MS-SMB2 3.3.1.13, one command of a message, with what the core has looked up for it already.

    `message` is the whole command, header included, as parsers want it. `open` is the open that the previous command
    of a related compound worked on; a handler which looks an open up by FileId asks `server.open_of(request, file_id)`
    and a CREATE sets it. `status_before` is what the previous command of a related compound came to.
    """

    message: memoryview
    header: HeaderFixed
    connection: "Connection"
    now: int
    session: "Session | None" = None
    tree_connect: "TreeConnect | None" = None
    open: "Open | None" = None
    status_before: int = 0
    status: int = 0  # what it came to
    sealed_by: "Session | None" = None  # whose keys the message was encrypted with
    signed: bool = False
    async_id: int = 0
    cancel: Callable[[], None] | None = None
    answered: bool = False
    compound: "Compound | None" = None
    place: int = field(default=0)  # in its compound

    @property
    def encrypted(self) -> bool:
        """Whether it came in an encrypted message."""
        return self.sealed_by is not None


@dataclass(slots=True, eq=False)
class Compound:
    """What came in one message, in order, and the responses that are not sent yet (MS-SMB2 3.3.5.2.7, 3.3.4.1.3)."""

    requests: list[Request]
    next: int = 0
    running: bool = False
    replies: list[tuple[Request, Reply]] = field(default_factory=list)
