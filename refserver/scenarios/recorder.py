"""Watches a client and notes what passes between it and the server: before it is encrypted, and when it is decrypted.

So the events do not depend on what an analyzer makes of the capture. What only the server knows, or nobody says on the
wire (that a break timed out, that a channel is lost), the scenario has to note itself.
"""

from collections.abc import Callable
from typing import Any

from parsers import ntstatus
from parsers.smb2.create import CreateRequest, CreateResponse
from parsers.smb2.durable import DurableReconnect, DurableReconnectV2, DurableResponse, DurableResponseV2
from parsers.smb2.header import Command
from parsers.smb2.oplock_break import OplockBreak, parse_oplock_break
from parsers.smb2.session_setup import SessionSetupFlags, SessionSetupRequest
from parsers.smb2.tree import TreeConnectRequest
from refserver.client.opening import Received
from refserver.client.state import Request, Session
from refserver.network.client_process import ClientLink, Place
from refserver.scenarios.truth import Truth

__all__ = ["Recorder"]

_PREFIX = 4
_LOGONS = {  # what a logon is called: its begin, its success, its failure
    "first": ("auth_started", "auth_succeeded", "auth_failed"),
    "again": ("reauth_started", "reauth_succeeded", "reauth_failed"),
    "bind": ("auth_started", "channel_bound", "auth_failed"),
}


class Recorder:
    """The record of one connection of a client.

    Args:
        truth: where events go.
        link: the connection; its client must not have sent anything yet.
    """

    def __init__(self, truth: Truth, link: ClientLink) -> None:
        self._truth, self._link, self._client = truth, link, link.client
        self._asked: dict[Request[Any], Place] = {}
        self._logons: dict[Session, str] = {}  # those under way
        self._expired: set[Session] = set()
        self._deleted: set[int] = set()
        self._workers: dict[Command, Callable[[Request[Any], Received, Place], None]] = {
            Command.NEGOTIATE: self._negotiated,
            Command.SESSION_SETUP: self._logged_on,
            Command.LOGOFF: self._logged_off,
            Command.TREE_CONNECT: self._tree_connected,
            Command.TREE_DISCONNECT: self._tree_disconnected,
            Command.CREATE: self._opened,
            Command.CLOSE: self._closed,
        }
        self._client.on_sent = self._sent
        self._client.on_message = self._received

    def place_of(self, request: Request[Any]) -> Place:
        """Where a request lies in the stream of its connection."""
        return self._asked[request]

    def _sent(self, group: list[Request[Any]]) -> None:
        place = self._link.own_place(self._link.next_place, _PREFIX + len(group[0].unit))
        for request in group:
            self._asked[request] = place
            if request.command == Command.SESSION_SETUP:
                self._begin_logon(request, place)
            elif request.command in (Command.CANCEL, Command.ECHO):
                self._note(request.command.name.lower(), place, session=request.session)
            elif request.command == Command.OPLOCK_BREAK:
                kind = "oplock_ack" if _is_oplock(memoryview(request.message)) else "lease_ack"
                self._note(kind, place, session=request.session)

    def _begin_logon(self, request: Request[Any], place: Place) -> None:
        session = request.session
        if session is None or session in self._logons:
            return
        flags = SessionSetupRequest.parse(memoryview(request.message)).flags
        known = "again" if session.session_id else "first"
        self._logons[session] = "bind" if flags & SessionSetupFlags.BINDING else known
        self._note(_LOGONS[self._logons[session]][0], place, session=session, text=_user(session))

    def _received(self, message: Received) -> None:
        header, place = message.header, self._link.place
        assert place is not None  # something has come
        request = self._client.outstanding.get(header.message_id)
        if request is None:
            if header.command == Command.OPLOCK_BREAK:
                self._note("oplock_break" if _is_oplock(message.bytes_) else "lease_break", place)
            return
        if header.status == ntstatus.STATUS_PENDING:
            self._note("async_pending", place, of=request, session=request.session, text=request.command.name)
            return
        if header.is_async:
            text = _answer(request, header.status)
            self._note("async_done", place, of=request, session=request.session, text=text)
        self._refused(request, header.status, place)
        worker = self._workers.get(request.command)
        if worker is not None:
            worker(request, message, place)

    def _refused(self, request: Request[Any], status: int, place: Place) -> None:
        session = request.session
        if session is None:
            return
        if status == ntstatus.STATUS_NETWORK_SESSION_EXPIRED and session not in self._expired:
            self._expired.add(session)
            self._note("session_expired", place, session=session, text=_answer(request, status))
        elif status == ntstatus.STATUS_USER_SESSION_DELETED and session.session_id not in self._deleted:
            self._deleted.add(session.session_id)
            self._note("session_ended", place, session=session, text=_answer(request, status))

    def _negotiated(self, request: Request[Any], message: Received, place: Place) -> None:
        self._note("negotiate", place, of=request, text=ntstatus.name(message.header.status))

    def _logged_on(self, request: Request[Any], message: Received, place: Place) -> None:
        status, session = message.header.status, request.session
        if status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED or session is None:
            return
        _, success, failure = _LOGONS[self._logons.pop(session)]
        text = f"{_user(session)}: {ntstatus.name(status)}"
        self._note(
            failure if status else success,
            place,
            of=request,
            session_id=message.header.session_id,
            text=text,
        )
        if not status:
            self._expired.discard(session)

    def _logged_off(self, request: Request[Any], message: Received, place: Place) -> None:
        if not message.header.status:
            self._note("session_logoff", place, of=request, session=request.session)

    def _tree_connected(self, request: Request[Any], message: Received, place: Place) -> None:
        if not message.header.status:
            path = TreeConnectRequest.parse(memoryview(request.message)).path
            self._note("tree_connected", place, of=request, session=request.session, text=path)

    def _tree_disconnected(self, request: Request[Any], message: Received, place: Place) -> None:
        if not message.header.status:
            self._note("tree_disconnected", place, of=request, session=request.session)

    def _opened(self, request: Request[Any], message: Received, place: Place) -> None:
        asked = CreateRequest.parse(memoryview(request.message))
        reconnects = any(isinstance(context, DurableReconnect | DurableReconnectV2) for context in asked.contexts)
        if message.header.status:
            if reconnects:
                text = f"{asked.name}: {ntstatus.name(message.header.status)}"
                self._note("handle_lost", place, of=request, session=request.session, text=text)
            return
        self._note("open", place, of=request, session=request.session, text=asked.name)
        contexts = CreateResponse.parse(message.bytes_).contexts
        if reconnects:
            self._note("handle_reconnected", place, of=request, session=request.session, text=asked.name)
        elif any(isinstance(context, DurableResponse | DurableResponseV2) for context in contexts):
            self._note("handle_granted", place, of=request, session=request.session, text=asked.name)

    def _closed(self, request: Request[Any], message: Received, place: Place) -> None:
        if not message.header.status:
            self._note("close", place, of=request, session=request.session)

    def _note(
        self,
        kind: str,
        place: Place,
        *,
        of: Request[Any] | None = None,
        session: Session | None = None,
        session_id: int = 0,
        text: str = "",
    ) -> None:
        places = (place,) if of is None else (self._asked[of], place)
        identifier = session.session_id if session is not None else session_id
        self._truth.note(kind, self._client.timers.now, *places, session_id=identifier, text=text)


def _is_oplock(message: memoryview) -> bool:
    """Whether a break, or the acknowledgment of one, is about an oplock; else about a lease."""
    return isinstance(parse_oplock_break(message), OplockBreak)


def _answer(request: Request[Any], status: int) -> str:
    return f"{request.command.name}: {ntstatus.name(status)}"


def _user(session: Session) -> str:
    return str(getattr(session.credential, "user", "")) or "?"
