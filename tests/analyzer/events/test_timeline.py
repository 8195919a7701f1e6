"""All events on one time line."""

from pathlib import Path

import pytest

from analyzer import Analysis
from analyzer.events import Kind
from tests.analyzer.captures import analyzed

SOME = (
    "samba/torture_durable_open.pcapng", "samba/torture_multichannel.pcapng", "samba/nt1_signed.pcapng",
    "faults/net_delay40_loss2_enc.pcapng.gz", "faults/dmg_mch_bind_enc_second.pcapng", "faults/dmg_enc_snap96.pcapng",
    "public/zeek/smb/smb2readwrite.pcap",
)  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_events_are_in_order_and_within_the_capture(name: str, shared: Path) -> None:
    analysis = analyzed(shared, name)
    events = analysis.timeline.events
    assert [event.time for event in events] == sorted(event.time for event in events)
    (file,) = analysis.files
    connections, sessions = len(analysis.connections), len(analysis.sessions)
    for event in events:
        assert file.first_time <= event.time
        assert all(0 < frame <= file.packets for frame in event.frames)
        assert event.connection is None or 0 <= event.connection < connections
        assert event.session is None or 0 <= event.session < sessions
        assert event.text


def test_a_session_is_over_behind_everything_else_that_happened_at_that_moment(shared: Path) -> None:
    events = analyzed(shared, "faults/ok_reauth_ntlm_signed.pcapng").timeline.events
    failed = next(place for place, event in enumerate(events) if event.kind is Kind.REAUTH_FAILED)
    assert events[failed + 1].kind is Kind.SESSION_ENDED
    assert events[failed + 1].time == events[failed].time


def test_kinds_can_be_picked(mixed: Analysis) -> None:
    chosen = list(mixed.timeline.of(Kind.TCP_CONNECT, Kind.AUTH_FAILED))
    assert {event.kind for event in chosen} == {Kind.TCP_CONNECT, Kind.AUTH_FAILED}
    assert len(chosen) == sum(event.kind in {Kind.TCP_CONNECT, Kind.AUTH_FAILED} for event in mixed.timeline.events)
