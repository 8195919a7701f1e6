"""A client on one connection: every command of SMB2 as a call (MS-SMB2 3.2.4).

Each method sends its request as soon as there are credits and gives back a `Call`. A session has the connections that
it was bound to; which of them carries a request is said by whose method it is.
"""

from collections.abc import Callable
from typing import TypeVar

from parsers.errors import ParseError
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, parse_header
from parsers.smb2.negotiate import NegotiateResponse
from parsers.smb2.oplock_break import LeaseBreak, OplockBreak, parse_oplock_break
from parsers.smb2.simple import SimpleBody
from parsers.smb2.tree import ShareFlags, TreeConnectFlags, TreeConnectRequest, TreeConnectResponse
from refserver.client import logon, negotiation
from refserver.client.breaks import Break, find_break
from refserver.client.calls import Call
from refserver.client.commands import Commands
from refserver.client.config import ClientConfig
from refserver.client.logon import SetupFields
from refserver.client.opening import Received
from refserver.client.script import Script, Steps
from refserver.client.script import run as run_script
from refserver.client.state import Request, Session, TreeConnect
from refserver.gss.initiator import Credential, Random
from refserver.timers import Timers

__all__ = ["Client"]

T = TypeVar("T")

_RETRIES = 3  # of a request whose session expires again and again


def _as_specified(fields: SetupFields) -> SetupFields:
    return fields


class Client(Commands):
    """The commands. `breaks` are the oplock and lease breaks that came, `on_break`, if set, is told of each."""

    def __init__(self, config: ClientConfig, *, random: Random, timers: Timers) -> None:
        super().__init__(config, random=random, timers=timers)
        self.acknowledge_breaks = config.acknowledge_breaks
        self.breaks: list[Break] = []
        self.on_break: Callable[[Break], object] | None = None
        self._break_waiters: list[Call[Break]] = []

    def run(self, steps: Steps[T]) -> Script[T]:
        """Start a script on the client's timers."""
        return run_script(steps, self.timers)

    # ------------------------------------------------------------------------------------ connection and session

    def negotiate(self, *, multi_protocol: bool = False) -> Call[NegotiateResponse]:
        """NEGOTIATE (3.2.4.2.2); `multi_protocol` begins in SMB1."""
        return self.run(negotiation.negotiate(self, multi_protocol=multi_protocol))

    def validate_negotiate(self, tree_connect: TreeConnect) -> Call[None]:
        """FSCTL_VALIDATE_NEGOTIATE_INFO, which 3.0 and 3.0.2 send after the first tree connect (3.2.5.5)."""
        return self.run(negotiation.validate(self, tree_connect))

    def session_setup(
        self,
        credential: Credential,
        *,
        previous_session_id: int = 0,
        change: Callable[[SetupFields], SetupFields] = _as_specified,
    ) -> Call[Session]:
        """Log on (3.2.4.2.3). `change` deviates in the fields of every request."""
        return self.run(logon.session_setup(self, credential, change, previous_session_id))

    def reauthenticate(
        self,
        session: Session,
        credential: Credential | None = None,
        *,
        change: Callable[[SetupFields], SetupFields] = _as_specified,
        encrypt: bool | None = None,
        new_keys: bool = False,
    ) -> Call[Session]:
        """Log on again in the same session, by the rules of 3.2.4.2.3.1.

        Against them: `change` the fields of the requests, `encrypt` them or not whatever the session does, take
        `new_keys` from it, or do it inside of `deviating`, for another SessionId in the header for example.
        """
        steps = logon.reauthenticate(
            self, session, credential or session.credential, change, encrypt=encrypt, new_keys=new_keys
        )
        return self.run(steps)

    def bind(
        self,
        session: Session,
        credential: Credential | None = None,
        *,
        change: Callable[[SetupFields], SetupFields] = _as_specified,
    ) -> Call[Session]:
        """Make this connection a further channel of a session (3.2.4.2.3, SMB2_SESSION_FLAG_BINDING)."""
        return self.run(logon.bind(self, session, credential or session.credential, change))

    def logoff(self, session: Session) -> Request[SimpleBody]:
        """LOGOFF (3.2.4.23)."""

        def ended(call: Call[SimpleBody]) -> None:
            session.ended |= call.succeeded

        request = Request(Command.LOGOFF, SimpleBody().build(), SimpleBody.parse, session=session)
        return self.submit(request).then(ended)

    def echo(self, session: Session | None = None) -> Request[SimpleBody]:
        """ECHO (3.2.4.25), of a session or of none."""
        return self.submit(Request(Command.ECHO, SimpleBody().build(), SimpleBody.parse, session=session))

    def tree_connect(self, session: Session, share_name: str, *, flags: int = 0) -> Request[TreeConnect]:
        """TREE_CONNECT (3.2.4.2.4); 3.1.1 signs it unless it is encrypted."""
        path = rf"\\{self.config.server_name}\{share_name}"

        def parse(message: memoryview) -> TreeConnect:
            response = TreeConnectResponse.parse(message)
            encrypt = bool(response.share_flags & ShareFlags.ENCRYPT_DATA) and self.dialect >= Dialect.SMB_3_0
            tree = TreeConnect(parse_header(message).tree_id or 0, session, share_name, response, encrypt)
            session.tree_connects[tree.tree_id] = tree
            return tree

        body = TreeConnectRequest(TreeConnectFlags(flags), path).build()
        sign = True if self.dialect == Dialect.SMB_3_1_1 else None
        return self.submit(Request(Command.TREE_CONNECT, body, parse, session=session, sign=sign))

    def tree_disconnect(self, tree_connect: TreeConnect) -> Request[SimpleBody]:
        """TREE_DISCONNECT (3.2.4.22)."""
        trees = tree_connect.session.tree_connects
        call = self.on_tree(Command.TREE_DISCONNECT, SimpleBody().build(), SimpleBody.parse, tree_connect)
        return call.then(lambda call: trees.pop(tree_connect.tree_id, None) if call.succeeded else None)

    # ------------------------------------------------------------------------------------ breaks

    def next_break(self) -> Call[Break]:
        """Ends with the next oplock or lease break that comes."""
        call: Call[Break] = Call()
        self._break_waiters.append(call)
        return call

    def acknowledge(self, broken: Break, accepted: int | None = None) -> Request[OplockBreak | LeaseBreak]:
        """Acknowledge a break, with what the server leaves or with `accepted` (3.2.4.25)."""
        broken.acknowledged = True

        def parse(message: memoryview) -> OplockBreak | LeaseBreak:
            response = parse_oplock_break(message)
            assert isinstance(response, OplockBreak | LeaseBreak)
            return response

        body = broken.acknowledgment(accepted)
        return self.on_tree(Command.OPLOCK_BREAK, body, parse, broken.open.tree_connect)

    def unsolicited(self, message: Received) -> None:
        """A break notification (3.2.5.19): it is noted, and acknowledged unless that is turned off."""
        try:
            broken = find_break(message, list(self.sessions.values()), self.timers.now)
        except ParseError as error:
            self.fault(f"a malformed break notification: {error.reason}")
            return
        if broken is None:
            return  # of an open that the client has just closed
        needs_acknowledgment = broken.needs_acknowledgment
        broken.apply()
        self.breaks.append(broken)
        waiters, self._break_waiters = self._break_waiters, []
        for call in waiters:
            call.succeed(broken)
        if self.on_break is not None:
            self.on_break(broken)
        if needs_acknowledgment and self.acknowledge_breaks and not broken.acknowledged:
            self.acknowledge(broken)

    # ------------------------------------------------------------------------------------ expired sessions

    def session_expired(self, request: Request[object]) -> bool:
        """Authenticate again and repeat what failed (3.2.5.1.6); requests made meanwhile wait for that."""
        session = request.session
        if session is None or not self.config.reauthenticate or request.command == Command.SESSION_SETUP:
            return False
        request.expired += 1
        if request.expired > _RETRIES or session.ended:
            return False
        if any(member.answered_at is None for member in request.group):
            return True  # the rest of a compound has the same answer coming
        if any(member.done for member in request.group):
            return False
        session.held.append(request.group)
        if request.sent_at is not None and request.sent_at >= session.authenticated_at:
            session.expired = True
        if session.reauthentication is None:
            if not session.expired:  # it was done while this answer was on its way
                self._release(session)
                return True
            session.reauthentication = self.reauthenticate(session)
            session.reauthentication.then(lambda _call: self._release(session))
        return True

    def _release(self, session: Session) -> None:
        """Send what waited, or fail it where the session could not be renewed."""
        renewal, session.reauthentication = session.reauthentication, None
        held, session.held = session.held, []
        for group in held:
            if renewal is None or renewal.succeeded:
                self.resend(group)
                continue
            assert renewal.status is not None
            for request in group:
                request.fail(renewal.status)
