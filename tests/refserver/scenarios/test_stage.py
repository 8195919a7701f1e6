"""What scenarios are built of."""

import pytest

from parsers.errors import UsageError
from parsers.smb2.dialects import Dialect
from refserver.network.simulation import SECOND
from refserver.scenarios.scenario import COMMON
from refserver.scenarios.stage import SHARE, Stage

OPTIONS = {option.name: option.default for option in COMMON} | {"delay": 2.5}


def stage(**options) -> Stage:
    return Stage(1, 1_767_600_000 * SECOND, OPTIONS | options)


def test_paths_are_as_the_options_say() -> None:
    made = stage(latency=7.0, bandwidth=10.0, loss=0.25)
    made.server()
    made.client()
    made.client()
    assert len(made.paths()) == 6
    assert {(path.latency, path.bandwidth, path.loss) for path in made.paths()} == {(7_000_000, 10_000_000, 0.25)}


def test_clients_work_at_the_same_time_and_keys_are_kept_of_all() -> None:
    made = stage()
    server = made.server()

    def work(link):
        client, tree = yield from made.log_on(link)
        file = yield client.create(tree, "report.txt")
        data = yield client.read(file, 0, 9)
        yield from made.log_off(client, tree)
        return data

    begin = made.now
    assert made.run(*(work(made.client().connect(server)) for _ in range(3))) == (b"quarterly",) * 3
    assert made.now - begin < SECOND
    assert len(made.keys) == 3


def test_a_script_that_fails_says_with_what() -> None:
    made = stage()
    server = made.server()

    def work(link):
        yield from made.log_on(link, made.ntlm(password="wrong"))

    with pytest.raises(UsageError, match="ended with STATUS_LOGON_FAILURE"):
        made.run(work(made.client().connect(server)))
    assert [event.kind for event in made.truth.events] == ["negotiate", "auth_started", "auth_failed"]


def test_kerberos_tickets_last_as_long_as_said_and_the_keytab_is_kept() -> None:
    made = stage()
    made.server()
    begin = made.now
    hour = 3600 * SECOND
    renewed, stale = made.kerberos(hour), made.kerberos(hour, user="bob", renews=False)
    for credential, ends in ((renewed, (hour, 2 * hour)), (stale, (hour, hour))):
        assert tuple(credential.ticket(begin + later).endtime - begin for later in (0, hour)) == ends
    assert [key.principal for key in made.service_keys] == ["cifs/fs1.corpus.example"]


@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
def test_logging_on_validates_what_was_negotiated_where_that_is_done(dialect: int) -> None:
    made = stage()
    server = made.server()

    def work(link):
        client, tree = yield from made.log_on(link)
        assert tree.share_name == SHARE
        yield from made.log_off(client, tree)
        return client.next_message_id

    (count,) = made.run(work(made.client(dialects=(Dialect(dialect),)).connect(server)))
    assert count == (6 if dialect == 0x0311 else 7)


def test_time_passes_only_when_somebody_waits() -> None:
    made = stage()
    begin = made.now
    made.wait(2.5)
    assert made.now - begin == made.seconds("delay") == 2_500_000_000


def test_what_a_scenario_notes_lies_at_its_requests_or_at_the_message_that_came_last() -> None:
    made = stage()
    server = made.server()
    link = made.client().connect(server)

    def work():
        client, tree = yield from made.log_on(link)
        answer = made.next_answer(link)
        request = client.echo(tree.session)
        yield request
        return answer, made.note(link, "request", request, session=tree.session), made.note(link, "echo", text="back")

    ((answer, asked, back),) = made.run(work())
    assert made.client_of(link) is link.client
    (place,) = asked.places
    assert (place.source, place.end) == (link.endpoint.local, link.next_place)
    assert asked.session_id == next(iter(made.client_of(link).sessions))
    assert (back.places[0].source, back.places[0].begin, back.text) == (answer.source, answer.begin, "back")
    assert asked.connection == back.connection == 0


def test_the_paths_of_one_client_are_not_those_of_another() -> None:
    made = stage()
    server, one, other = made.server(), made.client(), made.client()
    there, back = made.paths_between(one, server)
    there.latency = back.latency = 1
    assert sorted(path.latency == 1 for path in made.paths()) == [False] * 4 + [True] * 2
    assert there not in made.paths_between(other, server)
