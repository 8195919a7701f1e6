"""A server that is slow, stopped, killed, and started again."""

import pytest

from parsers.ntstatus import STATUS_CONNECTION_DISCONNECTED, STATUS_CONNECTION_RESET, STATUS_IO_TIMEOUT
from refserver.network.server_process import Death, messages
from refserver.network.simulation import MILLISECOND, SECOND
from tests.refserver.network.smb import Office


def test_messages_are_taken_whole() -> None:
    buffer = bytearray(b"\0\0\0\2ab\0\0\0\0\0\0\0\3cd")
    assert list(messages(buffer)) == [b"\0\0\0\2ab", b"\0\0\0\0"]
    assert buffer == b"\0\0\0\3cd"
    buffer += b"e"
    assert list(messages(buffer)) == [b"\0\0\0\3cde"]
    assert not buffer


def test_a_delay_is_for_one_message_and_others_overtake_it() -> None:
    office = Office()
    link = office.connect()
    tree = office.play(office.log_on(link))
    begin = office.simulation.now
    office.server.delay_next(20 * SECOND)
    slow, quick = link.client.echo(tree.session), link.client.echo(tree.session)
    office.simulation.run_until(lambda: quick.done)
    assert office.simulation.now - begin < 10 * MILLISECOND
    office.simulation.run_until(lambda: slow.done)
    assert 20 * SECOND < office.simulation.now - begin < 20 * SECOND + 10 * MILLISECOND


def test_a_stopped_server_takes_data_until_its_buffer_is_full_and_answers_when_it_goes_on() -> None:
    office = Office()
    link = office.connect()
    tree = office.play(office.log_on(link))
    office.server.stop()
    writing = link.client.run(office.put(link, tree, bytes(5 << 20)))
    office.simulation.run(30 * SECOND)
    assert not writing.done
    office.server.resume()
    office.simulation.run(2 * SECOND)
    assert writing.succeeded
    assert office.store.find(("a.bin",)).attributes().end_of_file == 5 << 20


def test_a_server_that_goes_on_answers_what_came_before_its_client_left() -> None:
    office = Office()
    link = office.connect()
    tree = office.play(office.log_on(link))
    office.server.stop()
    asked = link.client.echo(tree.session)
    office.simulation.run(SECOND)
    link.client.close()
    office.simulation.run(SECOND)
    assert asked.status == STATUS_CONNECTION_DISCONNECTED
    sent: list[bytes] = []
    office.server.rewrite = lambda message: sent.append(message) or message
    office.server.resume()
    office.simulation.run(SECOND)
    assert len(sent) == 1
    assert not office.server.server.connections


def test_a_stopped_server_accepts_connections_and_says_nothing() -> None:
    office = Office()
    office.server.stop()
    link = office.connect()
    logging_on = link.client.run(office.log_on(link))
    office.simulation.run(30 * SECOND)
    assert link.established.succeeded
    assert not logging_on.done
    office.server.resume()
    office.simulation.run(SECOND)
    assert logging_on.succeeded


def test_answers_can_be_changed_or_kept_back() -> None:
    office = Office()
    link = office.connect(drop_on_bad_signature=False, require_signing=True)
    tree = office.play(office.log_on(link))
    office.server.rewrite = lambda message: b""
    lost = link.client.echo(tree.session)
    office.simulation.run(SECOND)
    assert not lost.done
    office.server.rewrite = lambda message: message[:20] + b"\1\0\0\0" + message[24:]  # Flags without SIGNED
    assert link.client.faults == []
    link.client.echo(tree.session)
    office.simulation.run(SECOND)
    assert link.client.faults == ["the signature of the answer to ECHO is wrong or missing"]


def test_timers_of_the_server_fire() -> None:
    office = Office()
    link = office.connect()
    office.play(iter_wait(link))
    office.simulation.run(120 * SECOND)  # nobody has logged on: the server hangs up (3.3.6.3)
    assert link.closed.done


def iter_wait(link):
    yield link.established


@pytest.mark.parametrize(
    ("death", "status"),
    [
        (Death.RESET, STATUS_CONNECTION_DISCONNECTED),
        (Death.FIN, STATUS_CONNECTION_DISCONNECTED),
        (Death.SILENT, STATUS_CONNECTION_DISCONNECTED),
    ],
)
def test_a_killed_server_is_missed_and_knows_nothing_when_it_comes_back(death: Death, status: int) -> None:
    office = Office()
    link = office.connect()
    tree = office.play(office.log_on(link))
    office.play(office.put(link, tree, b"kept"))
    office.server.kill(death)
    asked = link.client.echo(tree.session)
    begin = office.simulation.now
    office.simulation.run_until(lambda: asked.done)
    assert asked.status == status
    waited = office.simulation.now - begin
    assert waited > 50 * SECOND if death is Death.SILENT else waited < SECOND
    refused = office.connect()
    office.simulation.run_until(lambda: refused.established.done)
    assert refused.established.status == (STATUS_IO_TIMEOUT if death is Death.SILENT else STATUS_CONNECTION_RESET)
    office.server.start()
    again = office.connect()
    office.play(office.log_on(again))
    assert len(office.server.server.global_session_table) == 1
    assert office.store.find(("a.bin",)).attributes().end_of_file == 4
