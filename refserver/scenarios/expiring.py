"""Kerberos sessions that expire (MS-SMB2 3.3.6.3): renewed, not renewed, refused, many at once, or renewed early."""

from dataclasses import replace

from refserver.client.client import Client
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Open, TreeConnect
from refserver.gss.kerberos_initiator import KerberosCredential
from refserver.gss.tickets import ClientTicket, mint
from refserver.network.client_process import ClientLink
from refserver.network.simulation import SECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import USER, Stage
from refserver.scenarios.truth import Event
from refserver.server.config import ServerConfig

__all__ = [
    "HOUR",
    "MASS_EXPIRY",
    "NOT_RENEWED",
    "REAUTH_FAILED",
    "REAUTH_VALID",
    "RENEWED",
    "first_use",
    "ticket_changes",
]

HOUR = 3600
_LATE = 60  # seconds after the end of a ticket: the server has scanned its sessions by then (T6)
_CROWD = 8  # clients
_TOGETHER = 10  # seconds between one and the next: five of them within a minute are a crowd

_LIFETIME = Option("lifetime", 10.0, "hours for which a ticket is valid")


def first_use(
    stage: Stage, link: ClientLink, credential: KerberosCredential
) -> Steps[tuple[Client, TreeConnect, Open]]:
    """Log on, open a file, which keeps the session from being idle, and read in it."""
    client, tree = yield from stage.log_on(link, credential)
    file = yield client.create(tree, "report.txt")
    yield client.read(file, 0, 100)
    return client, tree, file


def _lifetime(stage: Stage) -> float:
    """Seconds."""
    return float(stage.options["lifetime"]) * HOUR


def _renewed(stage: Stage) -> None:
    def change(config: ServerConfig) -> None:
        config.encrypt_data = stage.options["encrypted"]

    server = stage.server(change=change)
    lifetime = _lifetime(stage)
    credential = stage.kerberos(round(lifetime * SECOND))

    def work(link: ClientLink) -> Steps[None]:
        client, tree, file = yield from first_use(stage, link, credential)
        for _ in range(int(stage.options["times"])):
            yield wait(seconds=lifetime / 2)
            yield client.read(file, 0, 100)
            yield wait(seconds=lifetime / 2 + _LATE)
            yield client.read(file, 100, 100)
            stage.truth.expect("session_expired", "session_expired")
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _not_renewed(stage: Stage) -> None:
    server = stage.server()
    lifetime = _lifetime(stage)

    def work(link: ClientLink) -> Steps[None]:
        credential = stage.kerberos(round(lifetime * SECOND))
        client, tree, file = yield from first_use(stage, link, credential)
        yield wait(seconds=lifetime + _LATE)
        yield settled(client.read(file, 100, 100))
        stage.truth.expect("session_not_renewed", "session_expired")
        stage.truth.expect("EXP-05", "session_expired")
        yield client.close_file(file)  # CLOSE and LOGOFF are done all the same (3.3.5.2.9)
        yield client.logoff(tree.session)
        client.close()

    stage.run(work(stage.client(reauthenticate=False).connect(server)))


def _reauth_failed(stage: Stage) -> None:
    server = stage.server()
    lifetime = _lifetime(stage)

    def work(link: ClientLink) -> Steps[None]:
        client, _, file = yield from first_use(stage, link, ticket_changes(stage, round(lifetime * SECOND)))
        yield wait(seconds=lifetime + _LATE)
        yield settled(client.read(file, 100, 100))
        stage.truth.expect("reauth_failed", "reauth_failed")
        stage.truth.expect("spn_wrong_account", "reauth_failed")
        client.close()

    stage.run(work(stage.client().connect(server)))


def ticket_changes(stage: Stage, lifetime: int) -> KerberosCredential:
    """A first ticket that is good; the next is sealed with a key that the service does not have in its keytab."""
    good, random = stage.kerberos(lifetime), stage.random_bytes("a new key")
    key = stage.service_key("FS1")
    changed = replace(key, key=random(32), kvno=key.kvno + 1)
    begin = stage.now

    def ticket(now: int) -> ClientTicket:
        if now < begin + lifetime:
            return good.ticket(now)
        return mint(changed, client=USER, authtime=now, endtime=now + lifetime, random=random)

    return KerberosCredential(ticket)


def _reauth_valid(stage: Stage) -> None:
    server = stage.server()

    def work(link: ClientLink) -> Steps[None]:
        client, tree, file = yield from first_use(stage, link, stage.kerberos(round(_lifetime(stage) * SECOND)))
        for _ in range(int(stage.options["times"])):
            yield wait(seconds=HOUR)
            yield client.reauthenticate(tree.session)
            yield client.read(file, 100, 100)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _mass_expiry(stage: Stage) -> None:
    server = stage.server()
    lifetime, spread = _lifetime(stage), float(stage.options["spread"])
    credential = stage.kerberos(round(lifetime * SECOND))  # all of them have logged on in the morning

    def work(link: ClientLink, place: int) -> Steps[Event]:
        client, tree, file = yield from first_use(stage, link, credential)
        yield wait(seconds=lifetime + _LATE + place * spread)
        yield client.read(file, 100, 100)
        event = stage.truth.expect("session_expired", "session_expired")
        yield client.close_file(file)
        yield from stage.log_off(client, tree)
        return event

    events = stage.run(*(work(stage.client().connect(server), place) for place in range(_CROWD)))
    if spread < _TOGETHER:
        stage.truth.expect("EXP-08", events[0])


RENEWED = Scenario(
    "expiry_renewed",
    "a Kerberos session expires, and the client authenticates it again and repeats what was refused",
    _renewed,
    (
        _LIFETIME,
        Option("times", 1, "how often it expires"),
        Option("encrypted", default=False, help="the session is encrypted"),
    ),
)
NOT_RENEWED = Scenario(
    "expiry_not_renewed",
    "a Kerberos session expires, and the client never authenticates it again",
    _not_renewed,
    (_LIFETIME,),
)
REAUTH_FAILED = Scenario(
    "reauth_failed",
    "a Kerberos session expires, and its re-authentication is refused: the server has not the new key of its account",
    _reauth_failed,
    (_LIFETIME,),
)
REAUTH_VALID = Scenario(
    "reauth_valid",
    "a client authenticates its session again every hour, long before it expires",
    _reauth_valid,
    (_LIFETIME, Option("times", 2, "how often it does")),
)
MASS_EXPIRY = Scenario(
    "mass_expiry",
    "the sessions of many clients, whose tickets are of one age, expire together",
    _mass_expiry,
    (_LIFETIME, Option("spread", 1.0, "seconds from one client's next request to the other's; 60 are not together")),
)
