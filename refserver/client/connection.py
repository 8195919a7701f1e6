"""One connection of a client (MS-SMB2 3.2.1.2): framing, credits, requests under way, their answers, their time limits.

Sans-IO: bytes come in by `received`, go out by `outgoing`; time is that of `timers`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from parsers.errors import ParseError
from parsers.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_CONNECTION_DISCONNECTED,
    STATUS_FILE_CLOSED,
    STATUS_INVALID_NETWORK_RESPONSE,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_NETWORK_SESSION_EXPIRED,
    STATUS_PENDING,
    STATUS_USER_SESSION_DELETED,
)
from parsers.smb2.crypto import PREAUTH_START
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.simple import SimpleBody
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client.calls import Call
from refserver.client.config import ClientConfig
from refserver.client.opening import Received, open_unit
from refserver.client.sealing import seal
from refserver.client.state import RIGHT, Deviation, Request, Session
from refserver.gss.initiator import Random
from refserver.timers import Timers

__all__ = ["Connection"]

T = TypeVar("T")

_UNSOLICITED = 0xFFFF_FFFF_FFFF_FFFF  # MessageId of break notifications (3.3.4.6)
_CREDIT_UNIT = 65536  # bytes that a credit pays for (3.1.5.2)
_PREFIX = 4
_LEAST_SIZE = 65536  # MaxTransactSize before it is negotiated
_FAILED, _WARNING = 0xC000_0000, 0x8000_0000  # severities of NTSTATUS (MS-ERREF 2.3)
# A server that no longer knows session, tree or open has no key to sign with; some leave the request's signature there.
_UNPROVEN = (STATUS_USER_SESSION_DELETED, STATUS_NETWORK_NAME_DELETED, STATUS_FILE_CLOSED)
# These go out although the session has expired (3.3.5.2.9).
_NOT_HELD = (Command.SESSION_SETUP, Command.LOGOFF, Command.CLOSE, Command.LOCK, Command.CANCEL, Command.ECHO)


class Connection:
    """Transport and requests of one connection; what the commands mean is for `refserver.client.client.Client`.

    `outgoing` holds the bytes to send, in the frames of direct TCP; None is to close the connection. `on_output`, if
    set, is called when something was put there. For whoever keeps a record: `on_sent`, if set, gets the requests whose
    bytes are put there next, and `on_message` each message of the server before it is worked on. `faults` says in
    words what was wrong with what the server sent.
    """

    def __init__(self, config: ClientConfig, *, random: Random, timers: Timers) -> None:
        self.config = config
        self.random = random
        self.timers = timers
        self.outgoing: deque[bytes | None] = deque()
        self.on_output: Callable[[], object] | None = None
        self.on_sent: Callable[[list[Request[Any]]], object] | None = None
        self.on_message: Callable[[Received], object] | None = None
        self.faults: list[str] = []
        self.closed = False
        self.connected_at = timers.now
        self.sessions: dict[int, Session] = {}
        self.dialect = 0
        self.server_guid = bytes(16)
        self.server_capabilities = GlobalCapabilities(0)
        self.server_security_mode = SecurityMode(0)
        self.max_transact_size = self.max_read_size = self.max_write_size = _LEAST_SIZE
        self.preauth_hash = PREAUTH_START
        self.cipher_id = 0
        self.signing_algorithm: int | None = None
        self.compression_ids: tuple[CompressionAlgorithm, ...] = ()
        self.supports_chained_compression = False
        self.next_message_id = 0
        self.credits = 1  # the first request needs no grant (3.2.4.2.2)
        self._asked = 0  # credits that requests under way have asked for
        self.outstanding: dict[int, Request[Any]] = {}
        self._waiting: deque[list[Request[Any]]] = deque()  # for credits
        self._received = bytearray()
        self._compound: list[Request[Any]] | None = None
        self._deviation = RIGHT

    # ------------------------------------------------------------------------------------ transport

    def received(self, data: bytes, now: int) -> None:
        """Take bytes of the server, cut anywhere."""
        self.timers.now = max(self.timers.now, now)
        self._received += data
        while len(self._received) >= _PREFIX and not self.closed:
            end = _PREFIX + int.from_bytes(self._received[1:_PREFIX], "big")
            if len(self._received) < end:
                return
            unit = bytes(self._received[_PREFIX:end])
            del self._received[:end]
            if unit:
                self._take(unit)

    def disconnected(self, now: int) -> None:
        """The transport is gone (3.2.7.1): whatever is under way fails; opens stay, for a reconnect."""
        self.timers.now = max(self.timers.now, now)
        self._lose()

    def close(self) -> None:
        """Drop the connection, without a word to the server."""
        if not self.closed:
            self.send(None)
            self._lose()

    def send(self, data: bytes | None) -> None:
        """Put something into `outgoing`; `data` with its transport header."""
        self.outgoing.append(data)
        if self.on_output is not None:
            self.on_output()

    def _lose(self) -> None:
        if self.closed:
            return
        self.closed = True
        for session in self.sessions.values():
            session.channels.pop(self, None)
            session.channel_sequence += 1  # 3.2.7.1: the other channels go on with the next number
        lost = [*self.outstanding.values(), *(request for group in self._waiting for request in group)]
        self.outstanding.clear()
        self._waiting.clear()
        for request in lost:
            self._end(request, STATUS_CONNECTION_DISCONNECTED)

    # ------------------------------------------------------------------------------------ requests

    @contextmanager
    def compound(self, *, related: bool = False) -> Iterator[None]:
        """The requests made inside go out together (3.2.4.1.4).

        In a related compound, those behind the first one work on its session, tree and open, `state.related(tree)`.
        """
        assert self._compound is None, "compounds do not nest"
        group: list[Request[Any]] = []
        self._compound = group
        try:
            yield
        finally:
            self._compound = None
        for place, request in enumerate(group):
            request.related = related and place > 0
            request.group = group
        if group:
            self._enqueue(group)

    @contextmanager
    def deviating(self, deviation: Deviation) -> Iterator[None]:
        """The requests made inside deviate from the rules."""
        before, self._deviation = self._deviation, deviation
        try:
            yield
        finally:
            self._deviation = before

    @property
    def deviation(self) -> Deviation:
        """How the requests that are made now deviate."""
        return self._deviation

    def submit(self, request: Request[T]) -> Request[T]:
        """Send a request as soon as there are credits for it; it fails at once on a connection that is closed."""
        request.deviation = self._deviation
        if self.closed:
            request.fail(STATUS_CONNECTION_DISCONNECTED)
        elif self._compound is not None:
            self._compound.append(request)
        else:
            self._enqueue([request])
        return request

    def submit_raw(self, request: Request[Any], message: bytes) -> None:
        """Send `message`, which is no SMB2, as the first of the connection; MessageId 0 answers it (3.3.5.3.1)."""
        request.message_id, request.message, request.unit = self.next_message_id, message, message
        self.next_message_id += 1
        self.credits -= 1
        self.outstanding[request.message_id] = request
        request.sent_at = self.timers.now
        self._limit(request, self.config.session_timeout)
        if self.on_sent is not None:
            self.on_sent([request])
        self._transmit(message)

    def send_again(self, request: Request[Any]) -> None:
        """Send the very bytes of a request once more, which is what an attacker does who replays it."""
        self._transmit(request.unit)

    def cancel(self, request: Request[Any]) -> None:
        """Ask the server to give a request up (3.2.4.24). No answer comes but that of the request itself."""
        if request.message_id is None or request.done:
            return
        cancel = Request(Command.CANCEL, SimpleBody().build(), SimpleBody.parse, session=request.session)
        cancel.deviation, cancel.async_id = self._deviation, request.async_id
        cancel.tree_connect = request.tree_connect
        cancel.message_id = request.message_id  # also beside an AsyncId, so that no nonce of AES-GMAC repeats
        if cancel.deviation.message_id is not None:
            cancel.message_id = cancel.deviation.message_id
        cancel.unit = seal(self, [cancel])
        if self.on_sent is not None:
            self.on_sent([cancel])
        self._transmit(cancel.unit)

    def _enqueue(self, group: list[Request[Any]]) -> None:
        session = group[0].session
        if session is not None and session.expired and group[0].command not in _NOT_HELD:
            session.held.append(group)
            return
        self._waiting.append(group)
        self._pump()

    def resend(self, group: list[Request[Any]]) -> None:
        """Send requests that were answered with a reason to try again (3.2.5.1.6)."""
        for request in group:
            request.forget_answer()
        if self.closed:
            for request in group:
                request.fail(STATUS_CONNECTION_DISCONNECTED)
            return
        self._enqueue(group)

    # ------------------------------------------------------------------------------------ credits

    def credit_charge(self, request: Request[Any]) -> int:
        """CreditCharge of the header: reserved in 2.0.2; nothing costs more than one without large MTU (3.1.5.2)."""
        if request.deviation.credit_charge is not None:
            return request.deviation.credit_charge
        if self.dialect in (0, Dialect.SMB_2_0_2) or request.command == Command.CANCEL:
            return 0
        return self._cost(request)

    def credits_to_ask(self, request: Request[Any]) -> int:
        """CreditRequest: what is missing to the number that the client wants to hold, at least what this one costs."""
        if request.deviation.credits_ is not None:
            return request.deviation.credits_
        if request.command == Command.CANCEL:
            return 0
        missing = self.config.credits - self.credits - self._asked
        return min(max(self._cost(request), missing), 0xFFFF)

    def _cost(self, request: Request[Any]) -> int:
        if self.dialect in (0, Dialect.SMB_2_0_2) or not self.server_capabilities & GlobalCapabilities.LARGE_MTU:
            return 1
        return (max(request.payload, 1) - 1) // _CREDIT_UNIT + 1

    def _pump(self) -> None:
        """Send what there are credits for, in order."""
        while self._waiting and not self.closed:
            group = self._waiting[0]
            if sum(map(self._cost, group)) > self.credits:
                return
            self._waiting.popleft()
            self._send_group(group)

    def _send_group(self, group: list[Request[Any]]) -> None:
        for request in group:
            cost = self._cost(request)
            request.message_id = self.next_message_id
            self.next_message_id += cost
            self.credits -= cost
            if request.deviation.message_id is not None:
                request.message_id = request.deviation.message_id
            self.outstanding[request.message_id] = request
            request.credits_asked = self.credits_to_ask(request)
            self._asked += request.credits_asked
            request.sent_at = self.timers.now
            self._limit(request, self.config.session_timeout)
        unit = seal(self, group)
        for request in group:
            request.unit = unit
        if self.on_sent is not None:
            self.on_sent(group)
        self._transmit(unit)

    def _transmit(self, unit: bytes) -> None:
        self.send(len(unit).to_bytes(_PREFIX, "big") + unit)

    # ------------------------------------------------------------------------------------ time limits

    def _limit(self, request: Request[Any], timeout: int) -> None:
        """Start, or start again, the Request Expiration Timer (3.2.2.1)."""
        if request.expiration is not None:
            request.expiration.cancel()
        if not request.timed:
            return
        at, scan = self.timers.now + timeout, self.config.expiration_scan
        if scan:
            at += (self.connected_at - at) % scan
        request.expiration = self.timers.at(at, lambda _now: self._time_out(request))

    def _time_out(self, request: Request[Any]) -> None:
        """Note 205: Windows drops the connection."""
        if not request.done:
            self.fault(f"{request.command.name} was not answered in time")
            self.close()

    # ------------------------------------------------------------------------------------ answers

    def fault(self, what: str) -> None:
        """Note what is wrong with the server."""
        self.faults.append(what)

    def _take(self, unit: bytes) -> None:
        limit = 256 + 52 + max(self.max_transact_size, self.max_read_size, self.max_write_size)
        try:
            messages = open_unit(unit, self.sessions, limit)
        except ParseError as error:
            self.fault(error.reason)
            self.close()
            return
        for message in messages:
            if not self.closed:
                self._dispatch(message)
        self._pump()

    def _dispatch(self, message: Received) -> None:
        header = message.header
        if self.on_message is not None:
            self.on_message(message)
        if header.message_id == _UNSOLICITED:
            self.unsolicited(message)
            return
        request = self.outstanding.get(header.message_id)
        if request is None or header.command != request.command:
            self.fault(f"an answer to nothing that was asked, MessageId {header.message_id}")
            return
        if not self._is_believed(request, message):
            self.fault(f"the signature of the answer to {request.command.name} is wrong or missing")
            if self.config.drop_on_bad_signature:
                self.close()
            return
        self.credits += header.credits
        if header.status == STATUS_PENDING and header.is_async:
            request.async_id, request.pending_at = header.async_id, self.timers.now
            self._limit(request, self.config.extended_timeout)  # 3.2.5.1.5
            return
        del self.outstanding[header.message_id]
        self._asked -= request.credits_asked
        if request.expiration is not None:
            request.expiration.cancel()
        request.header, request.response, request.answered_at = header, message.bytes_, self.timers.now
        self._answer(request, header.status)

    def _is_believed(self, request: Request[Any], message: Received) -> bool:
        """Whether the signature is right, or need not be there (3.2.5.1.3). That of a logon is checked with its key."""
        header, session = message.header, request.session
        channel = session.channels.get(self) if session is not None else None
        if message.encrypted or request.command == Command.SESSION_SETUP or session is None or channel is None:
            return True
        if channel.signer is None or header.status == STATUS_PENDING or header.status in _UNPROVEN:
            return True
        if header.flags & Flags.SIGNED:
            return channel.signer.verify(message.bytes_)
        return request.deviation != RIGHT or not session.signing_required

    def _answer(self, request: Request[Any], status: int) -> None:
        if status == STATUS_NETWORK_SESSION_EXPIRED and self.session_expired(request):
            return
        self._finish(request, status)
        if all(member.answered_at is not None for member in request.group):
            for member in request.group:  # those whose session had expired, if not all of them had that answer
                self._end(member, STATUS_NETWORK_SESSION_EXPIRED)

    def _finish(self, request: Request[Any], status: int) -> None:
        if status >= _FAILED or (status >= _WARNING and status != STATUS_BUFFER_OVERFLOW):
            request.fail(status)
            return
        assert request.response is not None
        try:
            result = request.parse(request.response)
        except ParseError as error:
            self.fault(f"the answer to {request.command.name} is malformed: {error.reason}")
            request.fail(STATUS_INVALID_NETWORK_RESPONSE)
            return
        request.succeed(result, status)

    @staticmethod
    def _end(request: Call[Any], status: int) -> None:
        if not request.done:
            request.fail(status)

    # ------------------------------------------------------------------------------------ for the commands

    def unsolicited(self, message: Received) -> None:
        """Take a message that answers nothing."""
        raise NotImplementedError

    def session_expired(self, request: Request[Any]) -> bool:
        """Take a request that failed because its session has expired; whether it is taken care of."""
        raise NotImplementedError
