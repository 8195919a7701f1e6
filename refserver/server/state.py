"""What the server keeps, with the names of MS-SMB2 3.3.1.4 to 3.3.1.16. Times are integer nanoseconds since 1970."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from parsers.secret import Secret
from parsers.smb2.change_notify import Change
from parsers.smb2.crypto import PREAUTH_START, Decryptor, Signer
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from refserver.server.requests import Request
from refserver.server.sequence_window import SequenceWindow
from refserver.store.store import Node, Store
from refserver.timers import Timer

if TYPE_CHECKING:
    from refserver.gss.acceptor import Acceptor

__all__ = [
    "Channel",
    "Connection",
    "Lease",
    "LeaseTable",
    "LockRange",
    "Open",
    "OpenFile",
    "OplockState",
    "PreauthSession",
    "SecurityContext",
    "Session",
    "SessionState",
    "Share",
    "TreeConnect",
    "Watch",
]


class SessionState(StrEnum):
    """MS-SMB2 3.3.1.8, Session.State."""

    IN_PROGRESS = "InProgress"
    VALID = "Valid"
    EXPIRED = "Expired"


class OplockState(StrEnum):
    """MS-SMB2 3.3.1.10, Open.OplockState."""

    HELD = "Held"
    BREAKING = "Breaking"
    NONE = "None"


@dataclass(slots=True)
class Share:
    """MS-SMB2 3.3.1.6. `store` is None for IPC$."""

    name: str
    store: Store | None
    type: int = 0x01  # SMB2_SHARE_TYPE_DISK
    encrypt_data: bool = False
    read_only: bool = False
    force_level2_oplock: bool = False
    continuously_available: bool = False
    ca_timeout: int = 0  # ms
    compress_data: bool = False
    remark: str = ""
    watches: "dict[int, Open]" = field(default_factory=dict)  # opens that CHANGE_NOTIFY watches, by durable_file_id


@dataclass(frozen=True, slots=True)
class SecurityContext:
    """Who a session belongs to. `logon_hours_end` is when the account's hours end, None where they never do."""

    user: str
    domain: str
    workstation: str = ""
    groups: tuple[str, ...] = ()
    logon_hours_end: int | None = None


@dataclass(slots=True, eq=False)
class Connection:
    """MS-SMB2 3.3.1.7. `number` is the transport's name for it."""

    number: int
    creation_time: int
    client_name: str = ""
    transport_name: str = "TCP"
    dialect: int = 0
    negotiate_dialect: int = 0xFFFF
    client_guid: bytes = bytes(16)
    client_capabilities: GlobalCapabilities = field(default_factory=lambda: GlobalCapabilities(0))
    server_capabilities: GlobalCapabilities = field(default_factory=lambda: GlobalCapabilities(0))
    client_security_mode: SecurityMode = field(default_factory=lambda: SecurityMode(0))
    server_security_mode: SecurityMode = field(default_factory=lambda: SecurityMode(0))
    client_dialects: tuple[int, ...] = ()
    should_sign: bool = False
    supports_multi_credit: bool = False
    max_transact_size: int = 0
    max_read_size: int = 0
    max_write_size: int = 0
    session_table: "dict[int, Session]" = field(default_factory=dict)
    preauth_session_table: "dict[int, PreauthSession]" = field(default_factory=dict)
    preauth_integrity_hash_value: bytes = PREAUTH_START
    cipher_id: int = 0
    signing_algorithm_id: int = 0
    compression_ids: tuple[int, ...] = ()
    supports_chained_compression: bool = False
    supports_notifications: bool = False
    command_sequence_window: SequenceWindow = field(default_factory=SequenceWindow)
    request_list: dict[int, Request] = field(default_factory=dict)  # by MessageId
    async_command_list: dict[int, Request] = field(default_factory=dict)  # by AsyncId
    received: bytearray = field(default_factory=bytearray)
    closed: bool = False


@dataclass(slots=True, eq=False)
class PreauthSession:
    """MS-SMB2 3.3.1.15: the hash of a binding that is under way."""

    session_id: int
    preauth_integrity_hash_value: bytes
    acceptor: "Acceptor | None" = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Channel(Secret):
    """MS-SMB2 3.3.1.14."""

    connection: Connection
    signing_key: bytes = field(default=b"", repr=False)
    signer: Signer | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Session(Secret):
    """MS-SMB2 3.3.1.8, every member; what the server needs besides stands behind the empty line."""

    session_id: int
    connection: Connection
    creation_time: int
    idle_time: int
    session_global_id: int = 0
    state: SessionState = SessionState.IN_PROGRESS
    security_context: SecurityContext | None = None
    is_anonymous: bool = False
    is_guest: bool = False
    session_key: bytes | None = field(default=None, repr=False)
    signing_required: bool = False
    open_table: "dict[int, Open]" = field(default_factory=dict)  # by the volatile part of FileId
    tree_connect_table: "dict[int, TreeConnect]" = field(default_factory=dict)
    expiration_time: int | None = None  # None is never
    user_name: str = ""
    channel_list: list[Channel] = field(default_factory=list)
    encrypt_data: bool = False
    encryption_key: bytes | None = field(default=None, repr=False)  # server to client
    decryption_key: bytes | None = field(default=None, repr=False)  # client to server
    signing_key: bytes | None = field(default=None, repr=False)
    application_key: bytes | None = field(default=None, repr=False)
    supports_notification: bool = False
    preauth_integrity_hash_value: bytes = PREAUTH_START
    full_session_key: bytes | None = field(default=None, repr=False)

    acceptor: "Acceptor | None" = field(default=None, repr=False)  # of the authentication that is under way
    cipher_id: int = 0  # of all channels
    signing_algorithm_id: int = 0  # with `signing_key`; a channel's own key is used with its connection's algorithm
    decryptor: Decryptor | None = field(default=None, repr=False)
    nonces: int = 0  # how many messages were encrypted
    next_tree_id: int = 1
    previous_session_id: int = 0


@dataclass(slots=True, eq=False)
class TreeConnect:
    """MS-SMB2 3.3.1.9."""

    tree_id: int
    session: Session
    share: Share
    creation_time: int
    maximal_access: int = 0x001F01FF
    open_count: int = 0


@dataclass(frozen=True, slots=True)
class LockRange:
    """A byte range that an open has locked (MS-SMB2 2.2.26.1)."""

    offset: int
    length: int
    exclusive: bool


@dataclass(slots=True, eq=False)
class Open:
    """MS-SMB2 3.3.1.10. `file_id` is the volatile part, `durable_file_id` the persistent one."""

    file_id: int
    durable_file_id: int
    session: Session | None
    tree_connect: TreeConnect | None
    connection: Connection | None
    node: Node
    granted_access: int
    share_access: int
    create_options: int
    path: str
    create_disposition: int = 0
    create_action: int = 0
    file_attributes: int = 0
    oplock_level: int = 0
    oplock_state: OplockState = OplockState.NONE
    oplock_timer: Timer | None = None
    is_durable: bool = False
    durable_open_timeout: int = 0  # ms
    durable_open_scavenger: Timer | None = None
    durable_owner: str = ""
    is_persistent: bool = False
    is_resilient: bool = False
    resilient_open_timeout: int = 0  # ms
    lock_sequence_array: dict[int, int] = field(default_factory=dict)
    locks: list[LockRange] = field(default_factory=list)
    create_guid: bytes = bytes(16)
    app_instance_id: bytes = bytes(16)
    lease: "Lease | None" = None
    channel_sequence: int = 0
    outstanding_request_count: int = 0
    enumeration_location: int = 0
    enumeration_search_pattern: str = ""
    current_quota_index: int = 0
    current_ea_index: int = 0
    delete_on_close: bool = False
    position: int = 0
    client_guid: bytes = bytes(16)  # of the connection that created it
    kept_times: frozenset[str] = frozenset()  # that this open has set: what it does later leaves them alone
    enumeration: "list[tuple[str, Node]] | None" = None  # what a listing of the directory found when it began
    change_notify: deque[Request] = field(default_factory=deque)
    watch: "Watch | None" = None
    on_close: list[Callable[[int], None]] = field(default_factory=list)  # each gets the time


@dataclass(slots=True, eq=False)
class OpenFile:
    """What all opens of one node have in common (MS-FSA 2.1.1.3, 2.1.1.5).

    `waiting` are retries of requests that wait for a break, a lock or a close; each is called once, with the time.
    """

    node: Node
    share: Share  # that it was first opened through
    opens: list[Open] = field(default_factory=list)
    delete_pending: bool = False
    reserved: int = 0  # bytes that FileAllocationInformation asked for, while somebody has the file open
    waiting: list[Callable[[int], None]] = field(default_factory=list)


@dataclass(slots=True)
class Watch:
    """What CHANGE_NOTIFY reports of a directory, fixed by the first request on the open, and what it has yet to."""

    completion_filter: int
    watch_tree: bool
    buffer_length: int
    changes: list[Change] = field(default_factory=list)
    overflowed: bool = False


@dataclass(slots=True, eq=False)
class Lease:
    """MS-SMB2 3.3.1.12."""

    lease_key: bytes
    node: Node
    client_guid: bytes = bytes(16)
    lease_state: int = 0
    break_to_lease_state: int = 0  # what the client was told to break to
    break_required: int = 0  # what has to be left in the end; fewer bits where a break came during the break
    lease_break_timeout: Timer | None = None
    lease_opens: list[Open] = field(default_factory=list)
    breaking: bool = False
    held: bool = False
    break_notification: bytes = b""
    file_delete_on_close: bool = False
    epoch: int = 0
    parent_lease_key: bytes = bytes(16)
    version: int = 1


@dataclass(slots=True, eq=False)
class LeaseTable:
    """MS-SMB2 3.3.1.11: the leases of one client."""

    client_guid: bytes
    lease_list: dict[bytes, Lease] = field(default_factory=dict)
