"""What is known of SMB2 sessions, their channels and tree connects, and of the connections that carry them.

Members have the names of MS-SMB2 3.3.1.7 to 3.3.1.9. What a capture does not show is None: unknown, not guessed.
Times are integer nanoseconds since 1970.
"""

from dataclasses import dataclass, field

from parsers.gss.kerberos.opening import OpenedTicket
from parsers.secret import Secret
from parsers.smb2.crypto import PREAUTH_START, Cipher, Decryptor, SessionKeys, Signer
from parsers.smb2.negotiate import NegotiateRequest, NegotiateResponse
from parsers.smb2.state import Event, State, next_state
from parsers.verdicts import Decryption

__all__ = [
    "SIGNATURE",
    "TAG",
    "Authentication",
    "Candidate",
    "Channel",
    "Identity",
    "Proof",
    "SecurityContext",
    "Session",
    "SmbConnection",
    "TreeConnect",
]

SIGNATURE, TAG = "signature", "tag"
"""What proves a key to be a session's: a message is signed with it, or the tag of an encrypted one is made with it."""

_LONG_KEYS = (Cipher.AES_256_CCM, Cipher.AES_256_GCM)


@dataclass(slots=True)
class SecurityContext:
    """Who the session belongs to, as far as its authentication shows; `groups` and `user_sid` come from a PAC."""

    user: str | None = None
    domain: str | None = None
    workstation: str | None = None
    groups: tuple[str, ...] | None = None
    user_sid: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What one authentication showed, whether it was accepted or not; `started` is the time of its first leg."""

    started: int
    mechanism: str | None
    who: SecurityContext | None
    ticket: OpenedTicket | None


@dataclass(slots=True)
class TreeConnect:
    """MS-SMB2 3.3.1.9, as observed."""

    tree_id: int
    session: "Session"
    path: str | None = None
    share_type: int | None = None
    share_flags: int | None = None
    capabilities: int | None = None
    maximal_access: int | None = None
    connected: int | None = None
    disconnected: int | None = None

    @property
    def encrypt_data(self) -> bool | None:
        """TreeConnect.Share.EncryptData: SMB2_SHAREFLAG_ENCRYPT_DATA (MS-SMB2 2.2.10)."""
        return None if self.share_flags is None else bool(self.share_flags & 0x8000)


@dataclass(slots=True)
class Channel(Secret):
    """MS-SMB2 3.3.1.14: a connection that the session was bound to. `signer` checks what goes over it."""

    connection: "SmbConnection"
    bound: int | None
    signing_key: bytes | None = field(default=None, repr=False)
    signer: Signer | None = field(default=None, repr=False)
    lost: int | None = None


@dataclass(slots=True)
class Candidate(Secret):
    """Keys that may be this session's, and where they come from in words.

    `source` is what the user gave, an entry of the key store; `proof` is what its logon has proved already.
    """

    keys: SessionKeys = field(repr=False)
    provenance: str
    ciphers: tuple[int, ...]
    signing_algorithms: tuple[int, ...]
    session_key: bytes | None = field(default=None, repr=False)
    source: object = field(default=None, repr=False)
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Proof(Secret):
    """That something the user gave is right for a session: `source` is the entry of the key store, `how` what shows it.

    A logon proves a password also where nothing else of the session shows its keys, or where they cannot be derived.
    """

    source: object = field(repr=False)
    how: str


@dataclass(slots=True)
class Authentication:
    """One run of SESSION_SETUP legs: a first authentication, a re-authentication, or a binding.

    `preauth_hash` covers the legs so far (MS-SMB2 3.3.5.5); `client_tokens` and `server_tokens` are GSS tokens as sent.
    """

    preauth_hash: bytes
    started: int
    new_session: bool = False
    session: "Session | None" = None
    binding: bool = False
    reauthentication: bool = False
    previous_session_id: int = 0
    security_mode: int = 0
    client_tokens: list[bytes] = field(default_factory=list)
    server_tokens: list[bytes] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class SmbConnection:
    """MS-SMB2 3.3.1.7, as observed: one transport connection that carries SMB2.

    `preauth_integrity_hash_value` is None where the NEGOTIATE pair was not seen whole.
    """

    number: int
    server: tuple[int, int]  # address number and port
    negotiate_request: NegotiateRequest | None = None
    negotiate_response: NegotiateResponse | None = None
    multi_protocol: bool = False
    dialect: int | None = None
    cipher: int | None = None
    signing_algorithm: int | None = None
    compression: tuple[int, ...] = ()
    preauth_integrity_hash_value: bytes | None = PREAUTH_START
    sessions: "dict[int, list[tuple[int, Session]]]" = field(default_factory=dict)  # id -> (since frame, session)
    authentications: dict[int, Authentication] = field(default_factory=dict)  # by SessionId
    pending_setups: dict[int, Authentication] = field(default_factory=dict)  # first legs, by MessageId
    pending_trees: dict[int, str] = field(default_factory=dict)  # share paths, by MessageId


@dataclass(slots=True, eq=False)
class Session(Secret):
    """MS-SMB2 3.3.1.8, every member, as observed from outside, and what diagnosis needs beside them.

    `session_global_id` never goes over the wire. `decryption_key` is the client-to-server key and `encryption_key`
    the server-to-client key, since the specification speaks as the server.
    """

    number: int
    session_id: int
    connection: SmbConnection
    state: State = State.UNSEEN
    security_context: SecurityContext | None = None
    is_anonymous: bool | None = None
    is_guest: bool | None = None
    session_key: bytes | None = field(default=None, repr=False)
    signing_required: bool | None = None
    open_table: list[int] = field(default_factory=list)  # rows of the table of opens
    tree_connect_table: list[TreeConnect] = field(default_factory=list)
    expiration_time: int | None = None
    session_global_id: int | None = None
    creation_time: int | None = None
    idle_time: int | None = None
    user_name: str | None = None
    channel_list: list[Channel] = field(default_factory=list)
    encrypt_data: bool | None = None
    encryption_key: bytes | None = field(default=None, repr=False)
    decryption_key: bytes | None = field(default=None, repr=False)
    signing_key: bytes | None = field(default=None, repr=False)
    application_key: bytes | None = field(default=None, repr=False)
    supports_notification: bool | None = None
    preauth_integrity_hash_value: bytes | None = None
    full_session_key: bytes | None = field(default=None, repr=False)

    previous_session_id: int | None = None
    dialect: int | None = None
    cipher: int | None = None
    signing_algorithm: int | None = None
    mechanism: str | None = None
    ticket: OpenedTicket | None = None  # the Kerberos ticket, where a key opened it
    identities: list[Identity] = field(default_factory=list)  # of all its authentications but bindings
    service: str | None = None  # whom a Kerberos ticket is for
    ended_by: str | None = None
    ended_time: int | None = None
    first_frame: int | None = None
    reauthentications: int = 0
    setup_status: int | None = None  # of the last answer to a SESSION_SETUP for it, bindings left out

    candidates: list[Candidate] = field(default_factory=list, repr=False)
    adopted: Candidate | None = field(default=None, repr=False)  # the one that was proved, of several the last
    provenance: str | None = None  # where the proved keys come from
    proofs: list[Proof] = field(default_factory=list)  # which of the user's keys they are, and what showed it
    complaints: list[str] = field(default_factory=list)  # why no key was found, in words
    complaint_verdict: Decryption | None = None  # the same for counting
    decryptors: list[Decryptor | None] = field(default_factory=lambda: [None, None], repr=False)  # by sender
    signer: Signer | None = field(default=None, repr=False)
    opened: int = 0  # encrypted units that were decrypted
    closed: int = 0  # encrypted units that were not
    damaged_frames: list[int] = field(default_factory=list)

    def apply(self, event: Event, time: int, ended_by: str | None = None) -> None:
        """Go to the next state; note how the session ended the first time that it does.

        Messages in clear and encrypted ones are not read in one order, so the first may be told of last.
        """
        self.state = next_state(self.state, event)
        if self.state is not State.REMOVED:
            self.ended_by = self.ended_time = None  # what lives has not ended
        elif ended_by is not None and (self.ended_time is None or time < self.ended_time):
            self.ended_by, self.ended_time = ended_by, time

    @property
    def keys_proved(self) -> bool:
        """Whether a signature or a tag has shown that the keys are this session's."""
        return self.provenance is not None

    @property
    def has_half_key(self) -> bool:
        """Whether signatures alone have proved a session key that may be too short for the cipher.

        AES-256 takes all of a key, of which Kerberos may give 32 bytes, and signing the first 16 (MS-SMB2 3.3.5.5.3).
        """
        return (
            self.cipher in _LONG_KEYS
            and self.adopted is not None
            and self.adopted.proof is None
            and len(self.adopted.session_key or b"") == 16
            and self.decryptors == [None, None]
            and not (self.mechanism or "").startswith("NTLM")  # whose keys have 16 bytes
        )

    def prove(self, source: object, how: str) -> None:
        """Note what has shown that `source`, which the user gave, is right; once is enough."""
        if not any(proof.source is source and proof.how == how for proof in self.proofs):
            self.proofs.append(Proof(source, how))
