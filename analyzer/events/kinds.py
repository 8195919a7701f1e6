"""The kinds of events, and what each means."""

from enum import StrEnum

__all__ = ["MEANINGS", "Kind"]


class Kind(StrEnum):
    """What happened. `MEANINGS` says it in words."""

    TCP_CONNECT = "tcp_connect"
    TCP_CONNECT_FAILED = "tcp_connect_failed"
    TCP_CLOSE = "tcp_close"
    TCP_RESET = "tcp_reset"
    TCP_RETRANSMISSION = "tcp_retransmission"
    TCP_ZERO_WINDOW = "tcp_zero_window"
    TCP_GAP = "tcp_gap"
    NEGOTIATE = "negotiate"
    AUTH_STARTED = "auth_started"
    AUTH_LEG = "auth_leg"
    AUTH_SUCCEEDED = "auth_succeeded"
    AUTH_FAILED = "auth_failed"
    CHANNEL_BOUND = "channel_bound"
    CHANNEL_LOST = "channel_lost"
    SESSION_EXPIRED = "session_expired"
    REAUTH_STARTED = "reauth_started"
    REAUTH_SUCCEEDED = "reauth_succeeded"
    REAUTH_FAILED = "reauth_failed"
    SESSION_LOGOFF = "session_logoff"
    SESSION_ENDED = "session_ended"
    TREE_CONNECTED = "tree_connected"
    TREE_REFUSED = "tree_refused"
    TREE_DISCONNECTED = "tree_disconnected"
    OPEN = "open"
    CLOSE = "close"
    HANDLE_GRANTED = "handle_granted"
    HANDLE_RECONNECTED = "handle_reconnected"
    HANDLE_LOST = "handle_lost"
    OPLOCK_BREAK = "oplock_break"
    OPLOCK_ACK = "oplock_ack"
    OPLOCK_TIMEOUT = "oplock_timeout"
    LEASE_BREAK = "lease_break"
    LEASE_ACK = "lease_ack"
    LEASE_TIMEOUT = "lease_timeout"
    ASYNC_PENDING = "async_pending"
    ASYNC_DONE = "async_done"
    CANCEL = "cancel"
    ECHO = "echo"
    CREDITS_EXHAUSTED = "credits_exhausted"
    CREDITS_REFILLED = "credits_refilled"


MEANINGS = {
    Kind.TCP_CONNECT: "a TCP connection was made: SYN and its answer",
    Kind.TCP_CONNECT_FAILED: "a SYN was refused with RST, or never answered",
    Kind.TCP_CLOSE: "one side closed a connection (FIN)",
    Kind.TCP_RESET: "one side broke a connection off (RST)",
    Kind.TCP_RETRANSMISSION: "a run of segments that one side sent again",
    Kind.TCP_ZERO_WINDOW: "a receiver let nothing more come: its window was closed",
    Kind.TCP_GAP: "bytes that were delivered but are not in the capture: lost by the capture",
    Kind.NEGOTIATE: "NEGOTIATE: dialect, cipher and signing were chosen, or refused",
    Kind.AUTH_STARTED: "first SESSION_SETUP request of a logon, or of the binding of another connection",
    Kind.AUTH_LEG: "a SESSION_SETUP that was answered with STATUS_MORE_PROCESSING_REQUIRED",
    Kind.AUTH_SUCCEEDED: "a logon was accepted: the session is valid",
    Kind.AUTH_FAILED: "a logon or a binding was refused",
    Kind.CHANNEL_BOUND: "another connection carries the session from now on",
    Kind.CHANNEL_LOST: "one of several connections of a session was closed",
    Kind.SESSION_EXPIRED: "first STATUS_NETWORK_SESSION_EXPIRED of a session since it was valid",
    Kind.REAUTH_STARTED: "first SESSION_SETUP request for a session that had been valid",
    Kind.REAUTH_SUCCEEDED: "the session was authenticated again",
    Kind.REAUTH_FAILED: "the session was refused when it should have been authenticated again",
    Kind.SESSION_LOGOFF: "LOGOFF was answered",
    Kind.SESSION_ENDED: "a session was over: logged off, deleted by the server, replaced, or without connection",
    Kind.TREE_CONNECTED: "a share was connected to",
    Kind.TREE_REFUSED: "a share was refused",
    Kind.TREE_DISCONNECTED: "a share was disconnected from",
    Kind.OPEN: "a file was opened",
    Kind.CLOSE: "a file was closed",
    Kind.HANDLE_GRANTED: "a durable or persistent handle was granted: it outlives its connection",
    Kind.HANDLE_RECONNECTED: "such a handle was taken up again after its connection was lost",
    Kind.HANDLE_LOST: "such a handle was wanted back and refused",
    Kind.OPLOCK_BREAK: "the server asked a client to give up an oplock",
    Kind.OPLOCK_ACK: "the client gave it up: acknowledged, or closed the file",
    Kind.OPLOCK_TIMEOUT: "the server's time for that was over (MS-SMB2 3.3.2.1)",
    Kind.LEASE_BREAK: "the server asked a client to give up a part of a lease",
    Kind.LEASE_ACK: "the client gave it up: acknowledged, or closed the file",
    Kind.LEASE_TIMEOUT: "the server's time for that was over (MS-SMB2 3.3.2.5)",
    Kind.ASYNC_PENDING: "the server said that an answer takes longer (STATUS_PENDING)",
    Kind.ASYNC_DONE: "the answer came",
    Kind.CANCEL: "the client cancelled a request",
    Kind.ECHO: "ECHO: somebody asked whether the other side is there",
    Kind.CREDITS_EXHAUSTED: "the client had no credit left and could ask nothing",
    Kind.CREDITS_REFILLED: "the server granted credits again",
}
"""One line for each kind."""
