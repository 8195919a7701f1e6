"""Every column of every table, declared once: its name, type, unit and meaning.

The builders, the command line, the documentation and the tests all read this. It knows neither numpy nor pandas.
"""

from dataclasses import dataclass

from parsers.errors import UsageError

__all__ = ["EXTRACTED", "LATENCY", "TABLES", "Column", "Table", "describe", "table_named"]

TIME = "datetime64[ns, UTC]"
DURATION = "timedelta64[ns]"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `dtype` is the name of its pandas type; `unit` says how to read a value.

    Units `id` and `bits` are numbers that people read as hexadecimal. Types with a capital letter (`Int64`,
    `UInt64`), `boolean`, `string` and `category` can be NA: unknown or not applicable, never guessed.
    """

    name: str
    dtype: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, its columns, and which of them a terminal shows when none are asked for.

    `remark` is a column of whole sentences, which a terminal shows below the row; `noun` is what it calls the rows,
    if not by the table's name.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    headline: tuple[str, ...]
    remark: str | None = None
    noun: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of this name; `KeyError` where there is none."""
        return {column.name: column for column in self.columns}[name]


def table_named(name: str) -> Table:
    """The table of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in TABLES:
        raise UsageError(f"there is no table {name!r}; the tables are {', '.join(TABLES)}")
    return TABLES[name]


def describe(name: str) -> list[tuple[str, str, str, str]]:
    """Name, type, unit and meaning of every column of a table.

    Raises:
        UsageError: there is no such table.
    """
    return [(column.name, column.dtype, column.unit, column.meaning) for column in table_named(name).columns]


_CONNECTION = Column("connection", "int32", "number", "the connection, as numbered in `connections`")
_SESSION_ID = Column("session_id", "UInt64", "id", "SessionId; 0 before the server has given one")
_TREE_ID = Column("tree_id", "UInt32", "id", "TreeId; NA where the message has none because it is asynchronous")
_FILE_NAME = Column("file_name", "category", "", "name of the file that is spoken of, as its CREATE gave it")
_ASYNC_ID = Column("async_id", "UInt64", "id", "AsyncId; NA for what is synchronous")

_CONNECTIONS = Table(
    "connections",
    "a TCP connection",
    (
        Column("connection", "int32", "number", "counts from 0 in the order of first packets"),
        Column("client", "string", "", "address and port of the client"),
        Column("server", "string", "", "address and port of the server"),
        Column("client_ip", "string", "", "address of the client"),
        Column("client_port", "int32", "port", "TCP port of the client"),
        Column("server_ip", "string", "", "address of the server"),
        Column("server_port", "int32", "port", "TCP port of the server"),
        Column("protocol", "category", "", "what it carries, told by its bytes: smb2, smb1, tls, http, ..., unknown"),
        Column("dialect", "category", "", "SMB2 dialect that was negotiated, such as 3.1.1"),
        Column("first_frame", "int64", "frame", "its first packet"),
        Column("last_frame", "int64", "frame", "its last packet"),
        Column("start", TIME, "UTC", "time of the first packet"),
        Column("end", TIME, "UTC", "time of the last packet"),
        Column("packets", "int64", "packets", "in both directions"),
        Column("bytes_client", "int64", "bytes", "payload captured from the client, retransmissions included"),
        Column("bytes_server", "int64", "bytes", "payload captured from the server, retransmissions included"),
        Column("closed_by", "category", "", "who closed it first, and how: client FIN, server RST, ...; NA if nobody"),
        Column("closed_time", TIME, "UTC", "when that was"),
        Column("handshake", "bool", "", "whether a SYN is in the capture: it began inside"),
        Column("gap_bytes", "int64", "bytes", "payload that was sent but is not in the capture"),
        Column("retransmitted_bytes", "int64", "bytes", "payload that was captured more than once"),
    ),
    (
        "connection", "client", "server", "protocol", "dialect", "start", "packets", "bytes_client", "bytes_server",
        "closed_by", "gap_bytes",
    ),
)  # fmt: skip

_SESSIONS = Table(
    "sessions",
    "an SMB2 session; the same SessionId begun anew is another row",
    (
        Column("session_id", "UInt64", "id", "SessionId"),
        Column("connections", "string", "", "connections that carried it, such as 0, 3; one a row in `channels`"),
        Column("dialect", "category", "", "SMB2 dialect, such as 3.1.1"),
        Column("cipher", "category", "", "cipher that was negotiated or proved, such as AES-128-GCM"),
        Column("signing_algorithm", "category", "", "how messages are signed, such as AES-GMAC"),
        Column("compression", "category", "", "compression algorithms that were negotiated"),
        Column("mechanism", "category", "", "how the user logged on, such as NTLMv2 or Kerberos"),
        Column("user", "string", "", "user, as the client sent it; empty for an anonymous logon"),
        Column("domain", "string", "", "domain of the user, as the client sent it"),
        Column("workstation", "string", "", "name of the client, as it sent it"),
        Column("state", "category", "", "at the end of the capture: unseen, in_progress, valid, expired, removed"),
        Column("is_guest", "boolean", "", "the server made it a guest session"),
        Column("is_anonymous", "boolean", "", "the server made it an anonymous session"),
        Column("signing_required", "boolean", "", "Session.SigningRequired"),
        Column("encrypt_data", "boolean", "", "Session.EncryptData: the server asks for encryption of everything"),
        Column("creation_time", TIME, "UTC", "first SESSION_SETUP request"),
        Column("idle_time", TIME, "UTC", "last request on the session (Session.IdleTime)"),
        Column("expiration_time", TIME, "UTC", "when the logon expires (Session.ExpirationTime)"),
        Column("service", "string", "", "service that the Kerberos ticket is for"),
        Column("ticket_start", TIME, "UTC", "when the Kerberos ticket begins to be valid, if a key opened it"),
        Column("ticket_renew_till", TIME, "UTC", "until when the ticket may be renewed"),
        Column("ticket_flags", "string", "", "flags of the ticket (RFC 4120 5.3)"),
        Column("user_sid", "string", "", "SID of the user, from the PAC of the ticket"),
        Column("groups", "string", "", "SIDs of the user's groups, from the PAC, with blanks between"),
        Column("kick_off_time", TIME, "UTC", "when the user has to be logged off, from the PAC; NA: never, or unknown"),
        Column("previous_session_id", "UInt64", "id", "session that the client asked to replace by this one"),
        Column(
            "decryption", "category", "",
            "all in one: plaintext, decrypted, no_key, no_handshake, wrong_key, damaged or unsupported; "
            "damaged as soon as one message is",
        ),
        Column("reason", "string", "", "why it is not, or not wholly, decrypted, and what to do; empty if all is well"),
        Column("key_source", "string", "", "where the keys come from that proved to be its own"),
        Column("encrypted", "int64", "messages", "encrypted transport messages; a compound counts once"),
        Column("decrypted", "int64", "messages", "how many of them were decrypted"),
        Column("signatures_invalid", "int64", "messages", "signed messages that are not what their sender wrote"),
        Column("ended_by", "string", "", "what ended it; NA if nothing did"),
        Column("ended_time", TIME, "UTC", "when it ended"),
        Column("reauthentications", "int64", "times", "how often it was authenticated again"),
        Column("channels", "int64", "channels", "how many connections it was bound to"),
        Column("supports_notification", "boolean", "", "Connection.SupportsNotifications"),
        Column("first_frame", "int64", "frame", "where it was first seen"),
    ),
    ("session_id", "domain", "user", "mechanism", "dialect", "cipher", "encrypted", "decryption", "ended_by"),
    "reason",
)  # fmt: skip

_CHANNELS = Table(
    "channels",
    "a connection that carries a session",
    (
        Column("session_id", "UInt64", "id", "SessionId"),
        _CONNECTION,
        Column("bound", TIME, "UTC", "when the session was set up on it, or bound to it; NA if that was not seen"),
        Column("lost", TIME, "UTC", "when its connection was closed"),
        Column("signing_key_known", "bool", "", "whether signatures on this channel can be checked"),
    ),
    ("session_id", "connection", "bound", "lost", "signing_key_known"),
)

_TREES = Table(
    "trees",
    "a tree connect: a share that a session has connected to",
    (
        Column("tree_id", "UInt32", "id", "TreeId"),
        Column("session_id", "UInt64", "id", "SessionId"),
        Column("path", "string", "", "share, such as \\\\server\\share"),
        Column("share_type", "category", "", "DISK, PIPE or PRINT"),
        Column("share_flags", "UInt32", "bits", "ShareFlags (MS-SMB2 2.2.10)"),
        Column("encrypt_data", "boolean", "", "the share asks for encryption (TreeConnect.Share.EncryptData)"),
        Column("connected", TIME, "UTC", "TREE_CONNECT response"),
        Column("disconnected", TIME, "UTC", "TREE_DISCONNECT response"),
        Column("maximal_access", "UInt32", "bits", "MaximalAccess (MS-SMB2 2.2.13.1)"),
    ),
    ("tree_id", "session_id", "path", "share_type", "encrypt_data", "connected", "disconnected"),
)

_MESSAGES = Table(
    "messages",
    "an SMB2 message, in order of completion; one that could not be opened is a row too",
    (
        Column("frame", "int64", "frame", "packet that completes it, counted over all files"),
        Column("first_frame", "int64", "frame", "packet in which it begins"),
        Column("time", TIME, "UTC", "its first byte"),
        Column("complete_time", TIME, "UTC", "its last byte; of an incomplete message the last byte that was captured"),
        _CONNECTION,
        Column("from_client", "bool", "", "sent by the client"),
        Column("is_response", "bool", "", "the SERVER_TO_REDIR flag; for what was not opened: sent by the server"),
        Column("command", "category", "", "SMB2 command, such as CREATE; NA where the header could not be read"),
        Column("message_id", "UInt64", "number", "MessageId"),
        _ASYNC_ID,
        _SESSION_ID,
        _TREE_ID,
        Column("status", "category", "", "NTSTATUS of a response; NA for requests"),
        Column("flags", "UInt32", "bits", "Flags (MS-SMB2 2.2.1.2)"),
        Column("credit_charge", "UInt16", "credits", "CreditCharge"),
        Column("credits", "UInt16", "credits", "asked for in requests, granted in responses"),
        Column("encrypted", "bool", "", "it was sent encrypted"),
        Column("compressed", "bool", "", "it was sent compressed"),
        Column(
            "decryption", "category", "",
            "plaintext, decrypted, no_key, no_handshake, wrong_key, damaged (the key is right, the bytes are not) or "
            "unsupported",
        ),
        Column(
            "signature", "category", "",
            "unsigned, valid, invalid, no_key (could not be checked) or not_covered (encryption protects it)",
        ),
        _FILE_NAME,
        Column("length", "uint32", "bytes", "header and body; of what was not opened, the encrypted message"),
        Column("incomplete", "bool", "", "its end is not in the capture"),
    ),
    (
        "frame", "time", "connection", "from_client", "command", "message_id", "session_id", "status", "decryption",
        "signature", "length", "file_name",
    ),
)  # fmt: skip

_EXCHANGES = Table(
    "exchanges",
    "a request with its answer, in order of the answers; then requests without one",
    (
        Column("request_frame", "Int64", "frame", "packet that completes the request; NA if it was not captured"),
        Column("response_frame", "Int64", "frame", "packet that completes the final response; NA if there is none"),
        _CONNECTION,
        _SESSION_ID,
        _TREE_ID,
        Column("command", "category", "", "SMB2 command"),
        _FILE_NAME,
        Column("status", "category", "", "NTSTATUS of the final response"),
        Column("request_time", TIME, "UTC", "first byte of the request"),
        Column("response_time", TIME, "UTC", "last byte of the final response"),
        Column("latency", DURATION, "seconds", "from the last byte of the request to the last byte of the response"),
        Column(
            "outcome", "category", "",
            "answered, cancelled, pending (only an interim response), unanswered, or capture_edge (the other half may "
            "be outside of the capture)",
        ),
        Column("pending_time", TIME, "UTC", "interim response (STATUS_PENDING)"),
        _ASYNC_ID,
        Column("message_id", "uint64", "number", "MessageId"),
        Column("credit_charge", "uint16", "credits", "CreditCharge of the request"),
        Column("request_length", "uint32", "bytes", "header and body of the request"),
        Column("response_length", "uint32", "bytes", "header and body of the final response"),
        Column("file_offset", "UInt64", "bytes", "where in the file a READ or WRITE begins; NA for other commands"),
        Column("transferred", "UInt32", "bytes", "moved by a READ or WRITE, as its response says; NA if none does"),
    ),
    (
        "request_frame", "response_frame", "connection", "session_id", "command", "status", "outcome", "request_time",
        "latency", "file_name",
    ),
)  # fmt: skip

_OPENS = Table(
    "opens",
    "a file that a CREATE opened",
    (
        Column("file_id", "string", "", "FileId, persistent:volatile in hexadecimal"),
        Column("session_id", "UInt64", "id", "SessionId"),
        Column("tree_id", "UInt32", "id", "TreeId"),
        _CONNECTION,
        _FILE_NAME,
        Column("opened", TIME, "UTC", "CREATE response"),
        Column("opened_frame", "int64", "frame", "packet that completes the CREATE response"),
        Column("closed", TIME, "UTC", "CLOSE response; NA if it was not seen"),
        Column("closed_frame", "Int64", "frame", "packet that completes the CLOSE response"),
        Column("bytes_read", "uint64", "bytes", "sum of what READ responses brought"),
        Column("bytes_written", "uint64", "bytes", "sum of what WRITE responses confirmed"),
        Column("oplock_level", "category", "", "granted: NONE, II, EXCLUSIVE, BATCH or LEASE"),
        Column("create_action", "category", "", "SUPERSEDED, OPENED, CREATED or OVERWRITTEN"),
        Column("file_attributes", "uint32", "bits", "FileAttributes (MS-FSCC 2.6)"),
        Column("end_of_file", "uint64", "bytes", "size of the file when it was opened"),
    ),
    (
        "file_id", "session_id", "connection", "opened", "closed", "bytes_read", "bytes_written", "oplock_level",
        "create_action", "file_name",
    ),
)  # fmt: skip

_UNDECODED = Table(
    "undecoded",
    "bytes that could not be decoded, or a damaged place of a capture file",
    (
        Column("connection", "Int32", "number", "the connection; NA for a UDP datagram, or a damaged file"),
        Column("from_client", "boolean", "", "sent by the client"),
        Column("layer", "category", "", "where decoding stopped; capture for a damaged file"),
        Column("position", "Int64", "bytes", "where in the stream of the direction they begin"),
        Column("length", "Int64", "bytes", "how many they are; 0 where the message counts as decoded"),
        Column("frame", "Int64", "frame", "packet in which they end"),
        Column("reason", "string", "", "why"),
        Column("file", "string", "", "the damaged file"),
        Column("offset", "Int64", "bytes", "where in the (decompressed) file the damage is"),
    ),
    ("connection", "from_client", "layer", "position", "length", "frame", "file", "offset", "reason"),
)

_ACCOUNTING = Table(
    "accounting",
    "one direction of a connection, or of all UDP datagrams of a protocol: captured = decoded + undecoded + "
    "retransmitted",
    (
        Column("connection", "Int32", "number", "the connection, as numbered in `connections`; NA for UDP"),
        Column("from_client", "bool", "", "the direction: sent by the client"),
        Column("protocol", "category", "", "as in `connections`"),
        Column("captured", "int64", "bytes", "payload in the capture"),
        Column("decoded", "int64", "bytes", "of it: decoded"),
        Column("undecoded", "int64", "bytes", "of it: not decoded; the reasons are in `undecoded`"),
        Column("retransmitted", "int64", "bytes", "of it: had been there before"),
        Column("gap", "int64", "bytes", "sent, but not in the capture; never known of UDP"),
        Column("snapped", "int64", "bytes", "cut off the packets by the snap length of the capture"),
    ),
    (
        "connection", "from_client", "protocol", "captured", "decoded", "undecoded", "retransmitted", "gap", "snapped",
    ),
)  # fmt: skip

EXTRACTED = Table(
    "files",
    "what one open of a file read, or what it wrote",
    (
        Column("path", "string", "", "where its data lies in the folder; NA if it is only listed"),
        Column("share", "string", "", "share, such as \\\\server\\share; NA if its TREE_CONNECT was not seen"),
        Column("name", "string", "", "name as the CREATE gave it; NA if that was not seen"),
        Column("file_id", "string", "", "FileId, persistent:volatile in hexadecimal, as in `opens`"),
        Column("direction", "category", "", "read or written"),
        Column("session_id", "UInt64", "id", "SessionId"),
        Column("user", "string", "", "user of the session, with the domain"),
        Column("opened", TIME, "UTC", "CREATE response"),
        Column("bytes", "int64", "bytes", "of the file that the capture holds; what was moved twice counts once"),
        Column(
            "size", "uint64", "bytes",
            "of the file: EndOfFile of the CREATE response, or where the last byte lies that the open moved",
        ),
        Column(
            "complete", "bool", "",
            "the capture shows that this is the whole file: nothing is missing, and of a written one, every WRITE was "
            "confirmed and the file was closed",
        ),
        Column("missing", "string", "", "ranges of the file that are not there, such as 0-99 200-299"),
        Column("unconfirmed", "Int64", "bytes", "sent in WRITE requests without an answer that they were written"),
        Column("sha256", "string", "", "SHA-256 of the extracted file; NA if a range is missing before its end"),
        Column("md5", "string", "", "MD5, likewise"),
        Column("first_frame", "int64", "frame", "packet that completes the first message with its data"),
        Column("last_frame", "int64", "frame", "packet that completes the last one"),
        Column("note", "string", "", "what else there is to say"),
    ),
    ("path", "direction", "bytes", "size", "complete", "sha256"),
    "note",
)  # fmt: skip
"""What `extract` lists beside the files that it writes; it is no table of a capture."""

LATENCY = Table(
    "latency",
    "a group of requests that were answered; of the first seven columns there are those that it is grouped by",
    (
        Column("command", "category", "", "SMB2 command"),
        Column("server", "category", "", "address and port of the server"),
        Column("client", "category", "", "address of the client"),
        Column("share", "string", "", "share, such as \\\\server\\share; NA if its TREE_CONNECT was not seen"),
        _FILE_NAME,
        Column("session_id", "UInt64", "id", "SessionId"),
        Column("status", "category", "", "NTSTATUS of the final response"),
        Column("count", "int64", "requests", "how many there are"),
        Column("shortest", DURATION, "seconds", "the shortest time from request to answer, as in `exchanges`"),
        Column("median", DURATION, "seconds", "half of them took less"),
        Column("p90", DURATION, "seconds", "90 % took less"),
        Column("p99", DURATION, "seconds", "99 % took less"),
        Column("longest", DURATION, "seconds", "the longest time"),
        Column("mean", DURATION, "seconds", "the mean"),
        Column("total", DURATION, "seconds", "the sum"),
        Column("network", DURATION, "seconds", "median of the round trip times of their connections, if known"),
        Column("server_time", DURATION, "seconds", "median of what is left without the round trip"),
        Column("bytes", "int64", "bytes", "moved by READ and WRITE"),
    ),
    ("command", "count", "median", "p90", "p99", "longest", "total", "network", "server_time", "bytes"),
    noun="groups",
)  # fmt: skip
"""Response times (`Analysis.latency`); it is no table of a capture, since its first columns are chosen."""

_KEYS = Table(
    "keys",
    "an SMB2 session, and which of the keys that were given opened it",
    (
        Column("session_id", "UInt64", "id", "SessionId"),
        Column("connections", "string", "", "connections that carried it, such as 0, 3"),
        Column("user", "string", "", "user, as the client sent it or the Kerberos ticket says"),
        Column("domain", "string", "", "domain of the user, likewise"),
        Column("mechanism", "category", "", "how the user logged on, such as NTLMv2 or Kerberos"),
        Column("service", "string", "", "service that the Kerberos ticket is for"),
        Column("entry", "string", "", "file and line of the key that is its own; several with semicolons between"),
        Column("kind", "string", "", "what the key is, as in `key_entries`; likewise"),
        Column("owner", "string", "", "whose the key is, as in `key_entries`; likewise"),
        Column(
            "proof", "string", "",
            "what shows that the key is right: the logon (NTProofStr, MIC, authenticator, AP-REP), a signature, the "
            "tag of an encrypted message; likewise",
        ),
        Column("decryption", "category", "", "as in `sessions`"),
        Column("reason", "string", "", "why no key is proved, or not everything is decrypted; empty if all is well"),
    ),
    ("session_id", "domain", "user", "decryption", "kind", "entry", "proof"),
    "reason",
    "sessions",
)  # fmt: skip

_KEY_ENTRIES = Table(
    "key_entries",
    "a key that was given",
    (
        Column("entry", "string", "", "file and line"),
        Column(
            "kind", "category", "",
            "password, NT hash, session key, direction keys, keytab key, cached ticket (of a credentials cache), TLS "
            "secret or RSA key",
        ),
        Column(
            "owner", "string", "",
            "whose it is: a user, a SessionId, a service with the number and type of its key, or a ticket's client and "
            "service",
        ),
        Column("used", "bool", "", "it is the key of a session, or opened a ticket"),
        Column("sessions", "string", "", "SessionIds of these sessions, with commas between"),
        Column("reason", "string", "", "why it is not used; empty if it is"),
    ),
    ("entry", "kind", "owner", "sessions"),
    "reason",
    "keys",
)  # fmt: skip

_KDC = Table(
    "kdc",
    "a request to a Kerberos KDC with its answer (RFC 4120), in order of the requests",
    (
        Column("request_frame", "Int64", "frame", "packet that completes the request; NA if it was not captured"),
        Column("response_frame", "Int64", "frame", "packet that completes the answer; NA if there is none"),
        Column("transport", "category", "", "tcp or udp"),
        Column("connection", "Int32", "number", "the connection, as numbered in `connections`; NA for UDP"),
        Column("client", "string", "", "address and port of the client"),
        Column("server", "string", "", "address and port of the KDC"),
        Column("client_ip", "string", "", "address of the client"),
        Column("server_ip", "string", "", "address of the KDC"),
        Column("request_time", TIME, "UTC", "first byte of the request"),
        Column("response_time", TIME, "UTC", "last byte of the answer"),
        Column("latency", DURATION, "seconds", "from the last byte of the request to the last byte of the answer"),
        Column("repeats", "int64", "times", "how often the client sent the request again"),
        Column("request", "category", "", "AS (to log on) or TGS (for a service); NA if only an error was captured"),
        Column(
            "principal", "string", "",
            "the client, name@REALM; of a TGS request known if the capture shows who got the ticket in it",
        ),
        Column("realm", "string", "", "realm that is asked"),
        Column("service", "string", "", "service that a ticket is asked for, name@REALM"),
        Column(
            "outcome", "category", "",
            "issued, retry (the KDC wants pre-authentication, TCP, or another realm asked: no failure), failed or "
            "unanswered",
        ),
        Column("error", "category", "", "error code of the answer (RFC 4120 7.5.9)"),
        Column("error_text", "string", "", "what the KDC says of it, if anything"),
        Column("requested_etypes", "string", "", "encryption types that the client takes, best first"),
        Column("ticket_etype", "category", "", "encryption type of the ticket: that of the service's key"),
        Column("reply_etype", "category", "", "encryption type of the part for the client"),
        Column("ticket_service", "string", "", "service that the ticket is for; another one is a referral"),
        Column("options", "string", "", "options of the request (RFC 4120 5.4.1)"),
        Column("requested_end", TIME, "UTC", "until when the client wants the ticket; NA: as long as possible"),
        Column("requested_renew_till", TIME, "UTC", "until when the client wants to renew it"),
        Column("ticket_start", TIME, "UTC", "when the ticket begins to be valid, if a key opened it"),
        Column("ticket_end", TIME, "UTC", "when it expires, likewise"),
        Column("ticket_renew_till", TIME, "UTC", "until when it may be renewed, likewise"),
        Column("ticket_flags", "string", "", "its flags (RFC 4120 5.3), likewise"),
        Column("key_source", "string", "", "where the key comes from that opened it"),
    ),
    (
        "request_time", "transport", "client_ip", "server_ip", "request", "principal", "service", "outcome", "error",
        "ticket_etype", "ticket_end", "latency",
    ),
    noun="KDC exchanges",
)  # fmt: skip

_EVENTS = Table(
    "events",
    "something that happened to a connection or a session, in order of time",
    (
        Column("time", TIME, "UTC", "when"),
        Column("kind", "category", "", "what happened (docs/events.md)"),
        Column("connection", "Int32", "number", "the connection, as numbered in `connections`; NA if there is none"),
        Column("session_id", "UInt64", "id", "SessionId; NA if it is about no session"),
        Column("frames", "string", "frame", "packets that show it, such as 12, 15"),
        Column("text", "category", "", "what happened, in words"),
        Column(
            "details", "string", "",
            "values by name, as a JSON object; names that end in _ns are nanoseconds; NA for files that are opened or "
            "closed and handles that are granted, whose values are in `opens`",
        ),
    ),
    ("time", "kind", "connection", "session_id", "frames", "text"),
)  # fmt: skip

_FINDINGS = Table(
    "findings",
    "one thing that is wrong, and what to change",
    (
        Column("rule", "category", "", "the rule that found it (docs/findings.md)"),
        Column("severity", "category", "", "info, warning, error or security"),
        Column("title", "category", "", "what it is, in a few words"),
        Column("session_id", "UInt64", "id", "SessionId of the session that suffers; NA if there is none"),
        Column("connection", "Int32", "number", "the connection, as numbered in `connections`"),
        Column("time", TIME, "UTC", "when it began"),
        Column("end", TIME, "UTC", "when it was over; NA for what is a moment, or has not ended"),
        Column("frames", "string", "frame", "packets that show it, the most telling first, such as 12, 15"),
        Column("cause", "string", "", "what is wrong and who did it, in one sentence"),
        Column("evidence", "string", "", "what in the capture shows it"),
        Column("confidence", "category", "", "certain, likely or possible: less where packets are missing near by"),
        Column("party", "category", "", "who has to change something"),
        Column("remedy", "string", "", "what to change, with the name of the setting"),
        Column("spec", "string", "", "where the rule comes from"),
    ),
    ("severity", "rule", "time", "session_id", "connection", "frames"),
    "cause",
)  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _SESSIONS, _EXCHANGES, _MESSAGES, _CONNECTIONS, _CHANNELS, _TREES, _OPENS, _UNDECODED, _ACCOUNTING, _KEYS,
        _KEY_ENTRIES, _EVENTS, _FINDINGS, _KDC,
    )
}  # fmt: skip
