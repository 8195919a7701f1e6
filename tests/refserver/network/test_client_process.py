"""Where a client's messages lie in its streams, and how its connection ends."""

from parsers.capture.write import PcapngWriter
from refserver.network.client_process import Place
from refserver.network.endpoint import Lost
from refserver.network.observer import Observer
from refserver.network.simulation import SECOND
from tests.refserver.network.smb import Office


def test_every_message_has_its_place_and_the_places_fill_the_stream(tmp_path) -> None:
    office = Office()
    with (tmp_path / "a.pcapng").open("wb") as file:
        observer = Observer(office.simulation, PcapngWriter(file))
        office.machine.witnesses.append(observer)
        link = office.connect()
        asked, answered = [], []
        link.client.on_sent = lambda group: asked.append(link.own_place(link.next_place, 4 + len(group[0].unit)))
        link.client.on_message = lambda message: answered.append(link.place)
        tree = office.play(office.log_on(link))
        office.play(office.put(link, tree, bytes(100_000)))
    for places, source in ((asked, link.endpoint.local), (answered, link.endpoint.remote)):
        assert [place.begin for place in places] == [0, *(place.end for place in places[:-1])]
        assert all(place == Place(0, source, place.begin, place.end) for place in places)
        assert all(observer.frames_of(*place) for place in places)
    assert max(len(observer.frames_of(*place)) for place in asked) > 60


def test_a_client_that_gives_up_closes_or_resets() -> None:
    for with_reset, lost_by in ((False, None), (True, None)):
        office = Office()
        link = office.connect()
        office.play(office.log_on(link))
        link.drop_with_reset = with_reset
        link.client.close()
        assert link.closed.done
        assert link.lost_by is lost_by
        office.simulation.run(SECOND)
        assert not office.server.server.connections


def test_a_client_learns_how_it_lost_the_server() -> None:
    office = Office()
    office.server.host.deaf(445)
    link = office.connect()
    office.simulation.run(SECOND)
    assert link.lost_by is Lost.RESET
    assert link.closed.done
    assert not link.established.succeeded
