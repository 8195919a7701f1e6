"""What the client keeps, with the names of MS-SMB2 3.2.1.3 to 3.2.1.7, and how one request may deviate from the rules.

Times are nanoseconds since 1970.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from parsers.secret import Secret
from parsers.smb2.create import CreateResponse, OplockLevel
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.crypto import Decryptor, SessionKeys, Signer
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.header import Command, HeaderFixed
from parsers.smb2.lease import LeaseState
from parsers.smb2.tree import ShareType, TreeConnectResponse
from refserver.client.calls import Call
from refserver.gss.initiator import Credential
from refserver.timers import Timer

if TYPE_CHECKING:
    from refserver.client.connection import Connection

__all__ = ["Channel", "Deviation", "Open", "Request", "Session", "TreeConnect", "related"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation(Secret):
    """What to do otherwise than the specification says, in the requests that are made under it; None is by the rules.

    `flags` are those of the header, all of them but SIGNED, which `signed` decides. `signer` signs in place of the
    session's key. `tamper` is the place of a byte to change in what is sent, counted from the protocol id of its
    outermost header, from the end if negative.
    """

    message_id: int | None = None
    session_id: int | None = None
    tree_id: int | None = None
    flags: int | None = None
    credit_charge: int | None = None
    credits_: int | None = None
    signed: bool | None = None
    signer: Signer | None = None
    encrypted: bool | None = None
    compressed: bool | None = None
    tamper: int | None = None


RIGHT = Deviation()


@dataclass(slots=True, eq=False)
class Channel(Secret):
    """MS-SMB2 3.2.1.8: a session on one connection; `setup_signer` has the session's own key, for SESSION_SETUP."""

    connection: "Connection"
    signer: Signer | None = field(default=None, repr=False)
    setup_signer: Signer | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Session(Secret):
    """MS-SMB2 3.2.1.3. `session_key` is all that GSS gave, `keys` is None for guests and for nobody."""

    session_id: int
    credential: Credential
    session_key: bytes | None = field(default=None, repr=False)
    keys: SessionKeys | None = field(default=None, repr=False)
    cipher: int | None = None
    signing_required: bool = False
    encrypt_data: bool = False
    is_guest: bool = False
    is_anonymous: bool = False
    channels: "dict[Connection, Channel]" = field(default_factory=dict)
    tree_connects: "dict[int, TreeConnect]" = field(default_factory=dict)
    open_table: "dict[FileId, Open]" = field(default_factory=dict)
    channel_sequence: int = 0
    decryptor: Decryptor | None = field(default=None, repr=False)
    nonces: int = 0  # messages that were encrypted
    expired: bool = False
    ended: bool = False
    authenticated_at: int = 0
    reauthentication: Call[Any] | None = None
    held: "list[list[Request[Any]]]" = field(default_factory=list)  # what waits for it


@dataclass(slots=True, eq=False)
class TreeConnect:
    """MS-SMB2 3.2.1.4."""

    tree_id: int
    session: Session
    share_name: str
    response: TreeConnectResponse
    encrypt_data: bool = False

    @property
    def is_pipe(self) -> bool:
        """Whether opens are named pipes, whose requests have no time limit (3.2.6.1)."""
        return self.response.share_type == ShareType.PIPE


@dataclass(slots=True, eq=False)
class Open:
    """MS-SMB2 3.2.1.5 and, of its lease, 3.2.1.6. `contexts` are those of the request, for a reconnect."""

    file_id: FileId
    tree_connect: TreeConnect
    name: str
    oplock_level: OplockLevel = OplockLevel.NONE
    response: CreateResponse | None = None
    contexts: tuple[CreateContext, ...] = ()
    lease_key: bytes | None = None
    lease_state: LeaseState = LeaseState.NONE
    lease_epoch: int = 0
    durable: bool = False
    closed: bool = False


def related(tree_connect: TreeConnect) -> Open:
    """The open of the request before, in a related compound (3.2.4.1.4)."""
    return Open(FILE_ID_RELATED, tree_connect, "")


class Request(Call[T]):
    """MS-SMB2 3.2.1.7: one command; its `response` is the whole message once there is one, header included.

    `sign` and `encrypt` are None where the session decides. `payload` counts for credits (3.1.5.2). `timed` says
    whether it expires (3.2.6.1). `message` is the command as it was sent, `unit` all of what it travelled in.
    """

    def __init__(
        self,
        command: Command,
        body: bytes,
        parse: Callable[[memoryview], T],
        *,
        session: Session | None = None,
        tree_connect: TreeConnect | None = None,
        payload: int = 0,
        sign: bool | None = None,
        encrypt: bool | None = None,
        timed: bool = True,
    ) -> None:
        super().__init__()
        self.command = command
        self.body = body
        self.parse = parse
        self.session = session
        self.tree_connect = tree_connect
        self.payload = payload
        self.sign = sign
        self.encrypt = encrypt
        self.timed = timed
        self.deviation = RIGHT
        self.group: list[Request[Any]] = [self]
        self.related = False
        self.message = b""
        self.unit = b""
        self.message_id: int | None = None
        self.credits_asked = 0
        self.async_id = 0
        self.header: HeaderFixed | None = None
        self.response: memoryview | None = None
        self.sent_at: int | None = None
        self.pending_at: int | None = None
        self.answered_at: int | None = None
        self.expiration: Timer | None = None
        self.expired = 0  # how often the session had expired

    def forget_answer(self) -> None:
        """Become sendable again, by the rules (3.2.5.1.6)."""
        self.message_id, self.async_id = None, 0
        self.sent_at = self.pending_at = self.answered_at = None
        self.deviation = replace(self.deviation, message_id=None)
