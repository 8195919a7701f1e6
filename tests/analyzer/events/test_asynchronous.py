"""Requests that wait, CANCEL and ECHO. Witness: tshark's counts."""

from pathlib import Path

import pytest

from analyzer.events import Event, Kind
from tests.analyzer.captures import analyzed, count_of


def events(shared: Path, name: str, *kinds: Kind) -> list[Event]:
    return list(analyzed(shared, name).timeline.of(*kinds))


@pytest.mark.witness
@pytest.mark.parametrize("name", ["torture_replay", "torture_lease", "krb5_torture_expire2s", "torture_multichannel"])
def test_they_are_those_that_tshark_shows(name: str, shared: Path, tshark: str) -> None:
    file, path = f"samba/{name}.pcapng", shared / "captures" / "samba" / f"{name}.pcapng"
    for kind, shown in (
        (Kind.ASYNC_PENDING, "smb2.nt_status == 0x103"),
        (Kind.CANCEL, "smb2.cmd == 12"),
        (Kind.ECHO, "smb2.cmd == 13 and smb2.flags.response == 0"),
        (
            Kind.ASYNC_DONE,
            "smb2.flags.async == 1 and smb2.flags.response == 1 and smb2.nt_status != 0x103 and !(smb2.cmd == 12)",
        ),
    ):
        assert len(events(shared, file, kind)) == count_of(tshark, path, shown), kind


def test_an_echo_tells_how_long_its_answer_took(shared: Path) -> None:
    """The server is stopped behind the fourth, and answers the others when the client has left."""
    echoes = events(shared, "faults/srv_stop_echo_keepalive_enc.pcapng", Kind.ECHO)
    assert [event.details["after_close"] for event in echoes] == [False] * 4 + [True] * 4
    assert all(event.details["length_ns"] < 1_000_000 for event in echoes[:4])
    assert echoes[4].text == "ECHO was answered in 66.862 s, when the client had left"


def test_an_echo_may_stay_without_answer(shared: Path) -> None:
    echoes = events(shared, "samba/torture_multichannel.pcapng", Kind.ECHO)
    assert "ECHO was not answered" in {event.text for event in echoes if not event.details["answered"]}


def test_a_cancel_names_the_request(shared: Path) -> None:
    (cancel,) = events(shared, "samba/krb5_torture_expire2s.pcapng", Kind.CANCEL)
    assert cancel.text == "the client cancelled its CHANGE_NOTIFY"
    assert cancel.frames == (51, 29)


def test_waiting_for_changes_takes_its_time(shared: Path) -> None:
    done = events(shared, "faults/ok_notify_pending_enc.pcapng", Kind.ASYNC_DONE)
    assert [event.details["command"] for event in done] == ["CHANGE_NOTIFY"]
    assert done[0].details["length_ns"] == pytest.approx(40e9, rel=0.01)
