"""What is noted of a dialogue, with the session that it belongs to."""

from parsers.smb2.create import OplockLevel
from parsers.smb2.durable import DurableRequest
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import settled, wait
from refserver.network.simulation import SECOND
from refserver.scenarios.stage import Stage
from tests.refserver.scenarios.test_stage import stage


def kinds(of: Stage) -> list[str]:
    return [event.kind for event in of.truth.events]


def test_a_logon_work_and_a_logoff() -> None:
    made = stage()
    server = made.server()

    def work(link):
        client, tree = yield from made.log_on(link)
        yield client.echo(tree.session)
        file = yield client.create(tree, "report.txt")
        yield client.close_file(file)
        yield settled(client.create(tree, "missing.txt"))
        yield from made.log_off(client, tree)
        return tree.session.session_id

    (session_id,) = made.run(work(made.client().connect(server)))
    assert kinds(made) == [
        "negotiate", "auth_started", "auth_succeeded", "tree_connected", "echo", "open", "close", "tree_disconnected",
        "session_logoff",
    ]  # fmt: skip
    assert {event.session_id for event in made.truth.events} == {None, session_id}
    assert [event.text for event in made.truth.events if event.kind in ("tree_connected", "open")] == [
        r"\\FS1\data", "report.txt",
    ]  # fmt: skip
    assert all(len({place.connection for place in event.places}) == 1 for event in made.truth.events)


def test_an_expired_session_is_renewed() -> None:
    made = stage()
    server = made.server()

    def work(link):
        client, tree = yield from made.log_on(link, made.kerberos(60 * SECOND))
        made_at = made.now
        while made.now < made_at + 120 * SECOND:
            yield settled(client.create(tree, "missing.txt"))
            yield wait(seconds=5)

    made.run(work(made.client().connect(server)))
    found = kinds(made)
    assert found.count("session_expired") == found.count("reauth_started") == found.count("reauth_succeeded") == 1
    assert found.index("session_expired") < found.index("reauth_started") < found.index("reauth_succeeded")


def test_an_oplock_is_broken_acknowledged_and_the_other_waits_meanwhile() -> None:
    made = stage()
    server = made.server()
    holder, other = made.client().connect(server), made.client().connect(server)

    def hold():
        client, tree = yield from made.log_on(holder)
        yield client.create(tree, "report.txt", oplock=OplockLevel.BATCH, contexts=(DurableRequest(),))

    def want():
        client, tree = yield from made.log_on(other)
        yield client.create(tree, "report.txt", access=READ_WRITE_DELETE)

    made.run(hold())
    assert kinds(made)[-2:] == ["open", "handle_granted"]
    made.run(want())
    found = kinds(made)[-5:]
    assert set(found) == {"oplock_break", "oplock_ack", "async_pending", "async_done", "open"}
    assert [kind for kind in found if kind.startswith("oplock")] == ["oplock_break", "oplock_ack"]
