"""Sessions that expire and are authenticated again, as smbtorture made them. Witness: tshark's counts."""

from pathlib import Path

import pytest

from analyzer.events import Event, Kind
from tests.analyzer.captures import analyzed, count_of

SECOND = 1_000_000_000


def events(shared: Path, name: str, *kinds: Kind) -> list[Event]:
    return list(analyzed(shared, name).timeline.of(*kinds))


@pytest.mark.parametrize(
    "name",
    [
        "samba/krb5_torture_expire1n.pcapng",
        "samba/krb5_torture_expire1e.pcapng",
        "faults/ad_krb5_torture_expire1s.pcapng",
    ],
)
def test_expire1_expires_twice_and_is_authenticated_again_twice(name: str, shared: Path) -> None:
    """smbtorture takes tickets of a few seconds, waits ten, is refused once, authenticates again; and once more."""
    expired = events(shared, name, Kind.SESSION_EXPIRED)
    again = events(shared, name, Kind.REAUTH_SUCCEEDED)
    assert len(expired) == len(again) == len(events(shared, name, Kind.REAUTH_STARTED)) == 2
    for refusal, success in zip(expired, again, strict=True):
        assert refusal.details["commands"] == "1 QUERY_INFO"
        assert 0 < refusal.details["after_expiration_ns"] < 10 * SECOND
        assert success.details["expired"] is True
        assert success.details["stall_ns"] == success.time - refusal.time
        assert success.details["refused"] == 1
    assert expired[1].details["expiration_time"] > expired[0].details["expiration_time"]
    assert not events(shared, name, Kind.REAUTH_FAILED)


@pytest.mark.witness
@pytest.mark.parametrize("name", ["samba/krb5_torture_expire1n.pcapng", "samba/krb5_torture_expire2s.pcapng"])
def test_every_refusal_that_tshark_shows_is_counted(name: str, shared: Path, tshark: str) -> None:
    refused = sum(event.details["refused"] for event in events(shared, name, Kind.SESSION_EXPIRED))
    assert refused == count_of(tshark, shared / "captures" / name, "smb2.nt_status == 0xc000035c")


def test_expire2_is_refused_everything_that_it_tries(shared: Path) -> None:
    (expired,) = events(shared, "samba/krb5_torture_expire2s.pcapng", Kind.SESSION_EXPIRED)
    assert expired.details["refused"] == 14
    assert "TREE_CONNECT" in str(expired.details["commands"])
    assert expired.frames == (32, 33)
    assert not events(shared, "samba/krb5_torture_expire2s.pcapng", Kind.REAUTH_STARTED)


def test_a_client_that_does_not_authenticate_again_is_seen_not_to(shared: Path) -> None:
    name = "faults/ad_krb5_expire_smbclient_enc.pcapng"
    (expired,) = events(shared, name, Kind.SESSION_EXPIRED)
    assert expired.details["commands"] == "3 CREATE, 1 TREE_DISCONNECT"
    assert not events(shared, name, Kind.REAUTH_STARTED)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("faults/ok_reauth_ntlm_signed.pcapng", 4, 1),
        ("samba/krb5_torture_reauth.pcapng", 8, 0),
        ("samba/torture_session.pcapng", 8, 1),
        ("faults/ad_krb5_torture_reauth1.pcapng", 2, 0),
    ],
)
def test_sessions_may_be_authenticated_again_while_they_are_valid(name: str, good: int, bad: int, shared: Path) -> None:
    again = events(shared, name, Kind.REAUTH_SUCCEEDED)
    failed = events(shared, name, Kind.REAUTH_FAILED)
    assert (len(again), len(failed)) == (good, bad)
    assert len(events(shared, name, Kind.REAUTH_STARTED)) == good + bad
    assert all(event.details["expired"] is False and event.details["stall_ns"] is None for event in again)
    ended = {event.session: event for event in events(shared, name, Kind.SESSION_ENDED)}
    for event in failed:
        assert "re-authentication refused" in ended[event.session].text
