"""Requests to a KDC and what it answered (RFC 4120 3.1 and 3.3): the state of each exchange, as far as it shows.

An answer carries nothing of its request in the clear. It belongs to a request of its kind on the same path that waits:
to the first over TCP, which keeps the order, to the last over UDP, where those before were given up. A request
that is sent again has the same bytes; its nonce does not tell, because MIT's client keeps that when it asks anew with
pre-authentication.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from parsers.errors import ParseError
from parsers.gss.kerberos.asn1 import PrincipalName
from parsers.gss.kerberos.kdc import KdcOptions, KdcReply, KdcRequest
from parsers.gss.kerberos.messages import KrbError
from parsers.gss.kerberos.names import ErrorCode, Etype, MessageType, NameType
from parsers.kdc.framing import Record
from parsers.kdc.lifetimes import Lifetime, LifetimeReader
from parsers.transport.connections import Endpoint

__all__ = ["Exchanges", "KdcExchange", "Outcome", "Path"]

_DIGEST_SIZE = 16
_MAX_WAITING = 64  # requests of one path that may still be answered; a client has one or two
_MAX_ETYPES = 64  # of a request that are kept: clients offer a dozen, a message has room for hundreds of thousands
_KINDS = {
    MessageType.AS_REQ: "AS", MessageType.AS_REP: "AS", MessageType.TGS_REQ: "TGS", MessageType.TGS_REP: "TGS",
}  # fmt: skip
_STEPS = (
    ErrorCode.KDC_ERR_PREAUTH_REQUIRED,
    ErrorCode.KDC_ERR_MORE_PREAUTH_DATA_REQUIRED,
    ErrorCode.KRB_ERR_RESPONSE_TOO_BIG,
    ErrorCode.KDC_ERR_WRONG_REALM,
)


class Outcome(StrEnum):
    """What came of a request."""

    ISSUED = "issued"
    RETRY = "retry"
    FAILED = "failed"
    UNANSWERED = "unanswered"


class Path(NamedTuple):
    """Between whom messages go: over a TCP connection by its number, over UDP by both endpoints."""

    connection: int | None
    client: Endpoint
    server: Endpoint


@dataclass(slots=True, eq=False)
class KdcExchange:
    """A request and its answer. Times in nanoseconds, frames count from 1; None: not there, or not to be seen.

    Principals are `name@REALM`. `requested_end` and `requested_renew_till` are what the client asked for; 0 is as long
    as possible. `repeats` counts how often the client sent the request again. `etypes` are those that the client
    offers, in its order; `reply_etype` is that of the part for the client.
    """

    path: Path
    kind: str | None
    request_frame: int | None = None
    request_time: int | None = None  # of its first byte
    request_complete: int | None = None
    response_frame: int | None = None
    response_time: int | None = None  # of its last byte
    principal: str | None = None
    realm: str | None = None
    service: str | None = None
    options: KdcOptions | None = None
    requested_end: int | None = None
    requested_renew_till: int | None = None
    etypes: tuple[Etype, ...] = ()
    repeats: int = 0
    error: ErrorCode | None = None
    error_text: str | None = None
    ticket_service: str | None = None
    ticket_etype: Etype | None = None
    reply_etype: Etype | None = None
    lifetime: Lifetime | None = None

    @property
    def outcome(self) -> Outcome:
        """What came of it. An error that only asks for another way of asking is no failure (RFC 4120 3.1.3, 7.2.1)."""
        if self.response_frame is None:
            return Outcome.UNANSWERED
        if self.error is None:
            return Outcome.ISSUED
        return Outcome.RETRY if self.error in _STEPS else Outcome.FAILED


@dataclass(slots=True)
class _Conversation:
    """What was said on one path: the requests that wait, the last one, and how many answers that one may still get."""

    waiting: list[KdcExchange] = field(default_factory=list)
    last: KdcExchange | None = None
    last_digest: bytes = b""
    more_answers: int = 0


class Exchanges:
    """Finds exchanges; `rows` are all of them, in order of their requests, or answers where there is no request."""

    def __init__(self, lifetimes: LifetimeReader) -> None:
        self.rows: list[KdcExchange] = []
        self._lifetimes = lifetimes
        self._conversations: dict[Path, _Conversation] = {}
        self._holders: dict[bytes, str] = {}  # who got a ticket, by its digest

    def add(self, path: Path, record: Record, message: KdcRequest | KdcReply | KrbError) -> None:
        """Take the next message on a path."""
        conversation = self._conversations.setdefault(path, _Conversation())
        if isinstance(message, KdcRequest):
            self._ask(conversation, path, record, message)
        else:
            self._answer(conversation, path, record, message)

    def finish(self) -> None:
        """Put the rows in order of frames: datagrams and streams came separately."""
        self.rows.sort(key=lambda row: row.request_frame or row.response_frame or 0)

    def _ask(self, conversation: _Conversation, path: Path, record: Record, message: KdcRequest) -> None:
        digest = _digest(record.data)
        if conversation.last is not None and digest == conversation.last_digest:
            conversation.last.repeats += 1
            conversation.more_answers += 1
            return
        exchange = KdcExchange(
            path,
            _KINDS[message.msg_type],
            record.last_frame,
            record.first_time,
            record.last_time,
            principal=self._asker(message),
            realm=message.realm,
            service=_full_name(message.sname, message.realm),
            options=message.kdc_options,
            requested_end=message.till,
            requested_renew_till=message.rtime,
            etypes=message.etype[:_MAX_ETYPES],
        )
        self.rows.append(exchange)
        conversation.waiting.append(exchange)
        del conversation.waiting[:-_MAX_WAITING]
        conversation.last, conversation.last_digest, conversation.more_answers = exchange, digest, 0

    def _asker(self, message: KdcRequest) -> str | None:
        """Who asks: a TGS-REQ does not say, but whoever got the ticket that it shows does."""
        if message.msg_type == MessageType.AS_REQ:
            return _full_name(message.cname, message.realm)
        try:
            return None if message.tgt is None else self._holders.get(_digest(message.tgt.enc_part.cipher))
        except ParseError:
            return None

    def _answer(self, conversation: _Conversation, path: Path, record: Record, message: KdcReply | KrbError) -> None:
        kind = _KINDS[message.msg_type] if isinstance(message, KdcReply) else None
        exchange = _take(conversation.waiting, kind, newest=path.connection is None)
        if exchange is None:
            if conversation.more_answers:
                conversation.more_answers -= 1
                return
            exchange = KdcExchange(path, kind)
            self.rows.append(exchange)
        exchange.response_frame, exchange.response_time = record.last_frame, record.last_time
        if isinstance(message, KrbError):
            _refused(exchange, message)
        else:
            self._issued(exchange, message)

    def _issued(self, exchange: KdcExchange, reply: KdcReply) -> None:
        exchange.ticket_service = _full_name(reply.ticket.sname, reply.ticket.realm)
        exchange.ticket_etype = reply.ticket.enc_part.etype
        exchange.reply_etype = reply.enc_part.etype
        exchange.realm = exchange.realm or reply.ticket.realm
        exchange.lifetime = self._lifetimes.read(reply)
        if exchange.lifetime is not None:
            exchange.principal = f"{exchange.lifetime.client}@{exchange.lifetime.client_realm}"
        elif reply.cname.name_type != NameType.WELLKNOWN or exchange.principal is None:  # RFC 6113 hides it
            exchange.principal = _full_name(reply.cname, reply.crealm)
        if exchange.principal is not None:
            self._holders[_digest(reply.ticket.enc_part.cipher)] = exchange.principal


def _take(waiting: list[KdcExchange], kind: str | None, *, newest: bool) -> KdcExchange | None:
    """Remove the request that is answered; an error may answer any kind."""
    places: Sequence[int] = range(len(waiting))
    for place in reversed(places) if newest else places:
        if kind is None or waiting[place].kind == kind:
            return waiting.pop(place)
    return None


def _refused(exchange: KdcExchange, error: KrbError) -> None:
    exchange.error, exchange.error_text = error.error_code, error.e_text
    if exchange.request_frame is None:
        exchange.realm = error.realm
        exchange.service = _full_name(error.sname, error.realm)
        exchange.principal = _full_name(error.cname, error.crealm or error.realm)


def _full_name(name: PrincipalName | None, realm: str) -> str | None:
    return None if name is None else f"{name}@{realm}"


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_SIZE).digest()
