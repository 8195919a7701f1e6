"""Events of TCP, on networks that were broken on purpose (shared/captures/faults says how)."""

from pathlib import Path

import pytest

from analyzer.events import Event, Kind
from tests.analyzer.captures import analyzed, count_of


def events(shared: Path, name: str, *kinds: Kind) -> list[Event]:
    return list(analyzed(shared, name).timeline.of(*kinds))


@pytest.mark.witness
@pytest.mark.parametrize("name", ["samba/torture_oplock.pcapng", "samba/krb5_torture_bind.pcapng"])
def test_connections_begin_and_end_as_tshark_shows(name: str, shared: Path, tshark: str) -> None:
    path = shared / "captures" / name
    for kind, shown in (
        (Kind.TCP_CONNECT, "tcp.flags.syn == 1 and tcp.flags.ack == 1"),
        (Kind.TCP_CLOSE, "tcp.flags.fin == 1"),
        (Kind.TCP_RESET, "tcp.flags.reset == 1"),
    ):
        assert len(events(shared, name, kind)) == count_of(tshark, path, shown), kind


def test_a_server_that_is_not_there_never_answers(shared: Path) -> None:
    (failed,) = events(shared, "faults/net_syn_unanswered.pcapng", Kind.TCP_CONNECT_FAILED)
    assert "never answered the connection request of 10.77.0.2:" in failed.text
    assert failed.details["refused"] is False
    assert failed.details["tries"] == len(failed.frames) == 5
    assert not events(shared, "faults/net_syn_unanswered.pcapng", Kind.TCP_CONNECT)


def test_a_server_that_does_not_listen_refuses(shared: Path) -> None:
    failed = events(shared, "faults/srv_connection_refused.pcapng", Kind.TCP_CONNECT_FAILED)
    assert failed
    assert all(event.details["refused"] for event in failed)


def test_a_blackout_is_one_run_of_repeats_of_one_segment(shared: Path) -> None:
    (run,) = events(shared, "faults/net_blackout_giveup_enc.pcapng.gz", Kind.TCP_RETRANSMISSION)
    assert run.details["most_repeats"] == run.details["segments"] == 8
    assert run.details["sender"] == "client"
    assert run.text.startswith("the client sent 8 segments again within 55.")


def test_a_stopped_server_closes_its_window(shared: Path) -> None:
    (closed,) = events(shared, "faults/srv_stop_giveup_put_enc.pcapng.gz", Kind.TCP_ZERO_WINDOW)
    assert closed.details["receiver"] == "server"
    assert 13e9 < closed.details["length_ns"] < 15e9
    assert len(closed.frames) == 2


def test_a_reset_after_both_have_closed_says_so(shared: Path) -> None:
    (reset,) = events(shared, "faults/srv_deadtime_idle_disconnect_enc.pcapng", Kind.TCP_RESET)
    assert reset.details == {"by": "server", "segments": 2, "after_close": True}


def test_what_the_capture_lost_is_a_gap(shared: Path) -> None:
    (path,) = (shared / "captures" / "public" / "suricata").rglob("smb2-peter-minus-p191.pcap")
    (gap,) = events(shared, path.relative_to(shared / "captures").as_posix(), Kind.TCP_GAP)
    assert gap.details == {"sender": "server", "gaps": 1, "bytes": 2896}
    assert gap.frames == (191,)


def test_a_healthy_network_has_no_trouble(shared: Path) -> None:
    trouble = (Kind.TCP_RETRANSMISSION, Kind.TCP_ZERO_WINDOW, Kind.TCP_GAP, Kind.TCP_RESET, Kind.TCP_CONNECT_FAILED)
    assert not events(shared, "faults/ok_notify_pending_enc.pcapng", *trouble)
