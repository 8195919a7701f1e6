"""A client that re-authenticates its session against the rules of MS-SMB2 3.2.4.2.3.1 and 3.2.5.1.6."""

from collections.abc import Callable
from dataclasses import replace

from parsers.smb2.negotiate import SecurityMode
from parsers.smb2.session_setup import SessionSetupFlags
from refserver.client.client import Client
from refserver.client.logon import SetupFields
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Open, TreeConnect
from refserver.network.client_process import ClientLink
from refserver.network.simulation import SECOND
from refserver.scenarios.expiring import HOUR, first_use, ticket_changes
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import SHARE, Stage
from refserver.server.config import ServerConfig

__all__ = ["VIOLATION"]

_LIFETIME = HOUR
_LATE = 60  # seconds after the end of the ticket: the server has scanned its sessions by then
_UNKNOWN_FLAG = SessionSetupFlags(0x02)  # 2.2.5 knows only BINDING
_BOTH_MODES = SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED

_Act = Callable[[Stage, ClientLink, TreeConnect, Open], Steps[None]]
_FIELDS: dict[str, Callable[[SetupFields], SetupFields]] = {
    "none": lambda fields: fields,
    "flags": lambda fields: replace(fields, flags=_UNKNOWN_FLAG),
    "security_mode": lambda fields: replace(fields, security_mode=_BOTH_MODES),
    "previous_session_id": lambda fields: replace(fields, previous_session_id=0x1122334455),
}
_EXPECTED = {
    "none": (),
    "flags": ("REAU-01",),
    "security_mode": ("REAU-01",),
    "previous_session_id": ("REAU-01", "PREV-01"),
}


def _violation(stage: Stage) -> None:
    violation = str(stage.options["violation"])

    def change(config: ServerConfig) -> None:
        config.require_message_signing = True
        config.encrypt_data = violation == "plaintext"

    server = stage.server(change=change)
    lifetime = round(_LIFETIME * SECOND)
    fails = violation == "used_after_failure"
    credential = ticket_changes(stage, lifetime) if fails else stage.kerberos(lifetime)
    machine = stage.client(reauthenticate=False)  # by itself: the scenario says when, and how

    def work(link: ClientLink) -> Steps[None]:
        _, tree, file = yield from first_use(stage, link, credential)
        yield wait(seconds=_LIFETIME + _LATE)
        yield from _ACTS.get(violation, _wrong_fields)(stage, link, tree, file)

    stage.run(work(machine.connect(server)))


def _wrong_fields(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """A field of the requests that is not what it has to be; the server does not mind."""
    client, violation = stage.client_of(link), str(stage.options["violation"])
    yield settled(client.read(file, 100, 100))
    stage.truth.expect("session_expired", "session_expired")
    yield client.reauthenticate(tree.session, change=_FIELDS[violation])
    for rule in _EXPECTED[violation]:
        stage.truth.expect(rule, "reauth_started")
    yield from _go_on(stage, client, tree, file)


def _go_on(stage: Stage, client: Client, tree: TreeConnect, file: Open) -> Steps[None]:
    """What was refused, again, and a good end."""
    yield client.read(file, 100, 100)
    yield client.close_file(file)
    yield from stage.log_off(client, tree)


def _new_session(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """A new session on the same connection in place of the old one, which stays as it is, with all that is open."""
    client = stage.client_of(link)
    yield settled(client.read(file, 100, 100))
    stage.truth.expect("session_not_renewed", "session_expired")
    stage.truth.expect("EXP-05", "session_expired")
    session = yield client.session_setup(tree.session.credential)
    other = yield client.tree_connect(session, SHARE)
    again = yield client.create(other, file.name)
    yield from _go_on(stage, client, other, again)


def _plaintext(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """The session is encrypted, its re-authentication is not: the server does not look at it (3.3.5.2.9)."""
    client = stage.client_of(link)
    yield settled(client.read(file, 100, 100))
    yield settled(client.reauthenticate(tree.session, encrypt=False))
    stage.truth.expect("REAU-04", "reauth_started")
    stage.truth.expect("reauth_failed", "reauth_failed")
    client.close()


def _new_keys(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """The client takes new keys, which the server does not know of: it keeps those of the first logon."""
    client = stage.client_of(link)
    yield settled(client.read(file, 100, 100))
    stage.truth.expect("session_expired", "session_expired")
    yield client.reauthenticate(tree.session, new_keys=True)
    request = client.read(file, 100, 100)
    yield settled(request)
    stage.note(link, "request", request, session=tree.session, text="READ", findings=("REAU-02", "SIGN-05"))
    client.close()


def _not_retried(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """What was refused is not asked again: whoever wanted it got an error for nothing."""
    client = stage.client_of(link)
    yield settled(client.read(file, 100, 100))
    yield client.reauthenticate(tree.session)
    stage.truth.expect("session_expired", "session_expired")
    stage.truth.expect("EXP-05", "session_expired")
    yield client.close_file(file)
    yield from stage.log_off(client, tree)


def _new_requests(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """The client goes on asking although it knows that the session has expired."""
    client = stage.client_of(link)
    yield settled(client.read(file, 100, 100))
    for offset in (200, 300):
        request = client.read(file, offset, 100)
        yield settled(request)
        if offset == 200:
            stage.note(link, "request", request, session=tree.session, text="READ", findings=("EXP-06",))
    stage.truth.expect("session_expired", "session_expired")
    yield client.reauthenticate(tree.session)
    yield client.read(file, 200, 100)
    yield client.read(file, 300, 100)
    yield from _go_on(stage, client, tree, file)


def _used_after_failure(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """The re-authentication is refused, which ends the session, and the client goes on with it."""
    client = stage.client_of(link)
    yield settled(client.read(file, 100, 100))
    yield settled(client.reauthenticate(tree.session))
    for rule in ("reauth_failed", "spn_wrong_account"):
        stage.truth.expect(rule, "reauth_failed")
    yield wait(seconds=1)
    request = client.read(file, 200, 100)
    yield settled(request)
    stage.note(link, "request", request, session=tree.session, text="READ", findings=("EXP-07",))
    client.close()


_ACTS: dict[str, _Act] = {
    "new_session": _new_session,
    "plaintext": _plaintext,
    "new_keys": _new_keys,
    "not_retried": _not_retried,
    "new_requests": _new_requests,
    "used_after_failure": _used_after_failure,
}

VIOLATION = Scenario(
    "reauth_violation",
    "a client re-authenticates its expired session against the rules",
    _violation,
    (Option("violation", "flags", "what it does wrong", (*_FIELDS, *_ACTS)),),
)
