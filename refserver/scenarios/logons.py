"""Logons that go wrong, or well: a wrong password, an account that is locked, a guest, a second logon with new keys."""

from refserver.client import files
from refserver.client.client import Client
from refserver.client.script import Steps, settled, wait
from refserver.network.client_process import ClientLink
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import SHARE, Stage
from refserver.server.config import ServerConfig

__all__ = ["GUEST", "LOCKOUT", "ROLLOVER", "WRONG_PASSWORD"]

_MISTYPED = "Passw0rd?"


def _rollover(stage: Stage) -> None:
    def change(config: ServerConfig) -> None:
        config.require_message_signing = True
        config.encrypt_data = stage.options["encrypted"]

    server = stage.server(change=change)

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        yield from files.get(client, tree, "report.txt")
        second = yield client.session_setup(stage.ntlm())
        other = yield client.tree_connect(second, SHARE)
        yield from files.get(client, other, "report.txt")
        yield from files.get(client, tree, "table.csv")
        yield client.logoff(tree.session)
        third = yield client.session_setup(stage.ntlm())
        last = yield client.tree_connect(third, SHARE)
        yield from files.get(client, last, "report.txt")
        yield client.logoff(second)
        yield from stage.log_off(client, last)

    stage.run(work(stage.client().connect(server)))


def _wrong_password(stage: Stage) -> None:
    server = stage.server()

    def work(link: ClientLink) -> Steps[None]:
        client = yield from _begin(stage, link)
        yield settled(client.session_setup(stage.ntlm(password=_MISTYPED)))
        if not stage.options["corrected"]:
            stage.truth.expect("logon_refused", "auth_failed")
            client.close()
            return
        yield wait(seconds=10)  # somebody has mistyped, and types again
        session = yield client.session_setup(stage.ntlm())
        tree = yield client.tree_connect(session, SHARE)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _lockout(stage: Stage) -> None:
    threshold = int(stage.options["threshold"])

    def change(config: ServerConfig) -> None:
        config.lockout_threshold = threshold

    server = stage.server(change=change)

    def work(link: ClientLink) -> Steps[None]:
        client = yield from _begin(stage, link)
        for _ in range(threshold):
            yield settled(client.session_setup(stage.ntlm(password=_MISTYPED)))
            stage.truth.expect("logon_refused", "auth_failed")
            yield wait(seconds=5)
        yield settled(client.session_setup(stage.ntlm()))  # the right one, too late
        stage.truth.expect("account_locked", "auth_failed")
        client.close()

    stage.run(work(stage.client().connect(server)))


def _guest(stage: Stage) -> None:
    def change(config: ServerConfig) -> None:
        config.guest = True

    server = stage.server(change=change)
    user = str(stage.options["user"])

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link, stage.ntlm(user))
        if tree.session.is_guest:
            stage.truth.expect("guest_session", "auth_succeeded")
        yield from files.get(client, tree, "report.txt")
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _begin(stage: Stage, link: ClientLink) -> Steps[Client]:
    client = stage.client_of(link)
    yield link.established
    yield client.negotiate()
    return client


ROLLOVER = Scenario(
    "key_rollover",
    "users log on beside and after each other on one connection: each session has keys of its own",
    _rollover,
    (Option("encrypted", default=True, help="the sessions are encrypted; else they are signed"),),
)
WRONG_PASSWORD = Scenario(
    "wrong_password",
    "a logon with a wrong password",
    _wrong_password,
    (Option("corrected", default=False, help="the user has mistyped, and logs on after that"),),
)
LOCKOUT = Scenario(
    "lockout",
    "wrong passwords until the account is locked, and then the right one",
    _lockout,
    (Option("threshold", 3, "wrong passwords that lock an account"),),
)
GUEST = Scenario(
    "guest_fallback",
    "a user whom the server does not know becomes a guest",
    _guest,
    (Option("user", "mallory", "who logs on; alice is known"),),
)
