"""The few messages that change connections, sessions and trees, each with its time and frame.

NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT and TREE_DISCONNECT.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from parsers import ntstatus
from parsers.capture.packets import PacketBlock
from parsers.errors import ParseError
from parsers.smb2.decoder import Batch
from parsers.smb2.header import HEADER, Command, Flags, HeaderFixed
from parsers.smb2.messages import SIGNATURES
from parsers.smb2.negotiate import NegotiateRequest, NegotiateResponse
from parsers.smb2.session_setup import SessionSetupRequest, SessionSetupResponse
from parsers.smb2.tree import TreeConnectRequest, TreeConnectResponse
from parsers.transport.ip import Segments
from parsers.verdicts import Signature

__all__ = ["LogonEvidence", "LogonExchange", "LogonMessage"]

Body: TypeAlias = (
    NegotiateRequest
    | NegotiateResponse
    | SessionSetupRequest
    | SessionSetupResponse
    | TreeConnectRequest
    | TreeConnectResponse
)

_COMMANDS = (
    Command.NEGOTIATE, Command.SESSION_SETUP, Command.LOGOFF, Command.TREE_CONNECT, Command.TREE_DISCONNECT,
)  # fmt: skip
_PARSERS: dict[tuple[int, bool], Callable[[memoryview], Body]] = {
    (Command.NEGOTIATE, False): NegotiateRequest.parse,
    (Command.NEGOTIATE, True): NegotiateResponse.parse,
    (Command.SESSION_SETUP, False): SessionSetupRequest.parse,
    (Command.SESSION_SETUP, True): SessionSetupResponse.parse,
    (Command.TREE_CONNECT, False): TreeConnectRequest.parse,
    (Command.TREE_CONNECT, True): TreeConnectResponse.parse,
}
_WITH_BODY = (ntstatus.STATUS_SUCCESS, ntstatus.STATUS_MORE_PROCESSING_REQUIRED)


@dataclass(frozen=True, slots=True)
class LogonMessage:
    """One of them.

    Attributes:
        frame: packet that completes it.
        time: its last byte, nanoseconds since 1970.
        connection: number of the connection.
        session: number of the session that its SessionId means; None for SessionId 0.
        header: as sent; `header.status` means something in responses only.
        body: None for LOGOFF and TREE_DISCONNECT, for error responses, and for what is cut off or could not be read.
        encrypted: whether it was sent encrypted.
        signature: verdict on its signature.
    """

    frame: int
    time: int
    connection: int
    session: int | None
    header: HeaderFixed
    body: Body | None
    encrypted: bool
    signature: Signature

    @property
    def signed(self) -> bool:
        """Whether the SIGNED flag is set."""
        return bool(self.header.flags & Flags.SIGNED)


@dataclass(slots=True)
class LogonExchange:
    """A request and its final response; one of them is None where it was not seen.

    `interim` is the STATUS_PENDING response before the final one, if there was one.
    """

    command: int
    connection: int
    request: LogonMessage | None = None
    response: LogonMessage | None = None
    interim: LogonMessage | None = None

    @property
    def status(self) -> int | None:
        """Of the response."""
        return None if self.response is None else self.response.header.status

    @property
    def session(self) -> int | None:
        """Number of the session: the response's, since a first request names none."""
        known = (message.session for message in (self.response, self.request) if message is not None)
        return next((number for number in known if number is not None), None)

    @property
    def first(self) -> LogonMessage:
        """The request; the response where there is none."""
        message = self.request or self.response or self.interim
        assert message is not None  # an exchange begins with a message
        return message

    @property
    def frames(self) -> tuple[int, ...]:
        """Of request and response, as far as they were seen."""
        return tuple(message.frame for message in (self.request, self.response) if message is not None)


@dataclass(slots=True)
class LogonEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`; `messages` are in order of completion."""

    messages: list[LogonMessage] = field(default_factory=list)

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        messages, units = batch.messages, batch.units
        chosen = messages.known & (messages.header["command"] <= max(_COMMANDS))
        for row in np.flatnonzero(chosen).tolist():
            start, unit = int(messages.offset[row]), int(messages.unit[row])
            header = HeaderFixed._make(HEADER.parse(batch.arena, start))
            session = int(messages.session[row])
            self.messages.append(
                LogonMessage(
                    int(units.last_frame[unit]),
                    int(units.last_time[unit]),
                    int(units.connection[unit]),
                    None if session < 0 else session,
                    header,
                    _body(header, batch.arena[start : int(messages.end[row])]),
                    bool(messages.encrypted[row]),
                    SIGNATURES[messages.signature[row]],
                )
            )

    def exchanges(self) -> list[LogonExchange]:
        """Requests with their responses, in order of the requests.

        A response without a request has its own place; so has a request without a response.
        """
        found: list[LogonExchange] = []
        waiting: dict[tuple[int, int, int], LogonExchange] = {}
        for message in self.messages:
            key = message.connection, message.header.message_id, message.header.command
            exchange = waiting.get(key)
            if exchange is None or _has_part(exchange, message):
                exchange = waiting[key] = LogonExchange(message.header.command, message.connection)
                found.append(exchange)
            if not message.header.is_response:
                exchange.request = message
            elif message.header.status == ntstatus.STATUS_PENDING:
                exchange.interim = message
            else:
                exchange.response = message
        return sorted(found, key=lambda exchange: exchange.first.frame)


def _has_part(exchange: LogonExchange, message: LogonMessage) -> bool:
    """Whether the exchange is over for this message; a request may be captured behind its own response."""
    if message.header.is_response:
        return exchange.response is not None
    return exchange.request is not None


def _body(header: HeaderFixed, message: memoryview) -> Body | None:
    parse = _PARSERS.get((header.command, header.is_response))
    if parse is None or (header.is_response and header.status not in _WITH_BODY):
        return None
    try:
        return parse(message)
    except ParseError:
        return None  # the decoder has noted it among what is undecoded
