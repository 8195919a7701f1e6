"""Events of logons, channels and trees. Witness: tshark's counts, and what was done when the captures were made."""

from collections import Counter
from pathlib import Path

import pytest

from analyzer.events import Event, Kind
from tests.analyzer.captures import analyzed, count_of


def events(shared: Path, name: str, *kinds: Kind) -> list[Event]:
    return list(analyzed(shared, name).timeline.of(*kinds))


@pytest.mark.witness
@pytest.mark.parametrize(
    "name",
    [
        "torture_oplock", "torture_durable_open", "torture_replay", "torture_multichannel", "torture_session",
        "krb5_torture_reauth",
    ],
)  # fmt: skip
def test_every_setup_that_succeeded_is_an_event(name: str, shared: Path, tshark: str) -> None:
    found = Counter(event.kind for event in analyzed(shared, f"samba/{name}.pcapng").timeline.events)
    path = shared / "captures" / "samba" / f"{name}.pcapng"
    good = found[Kind.AUTH_SUCCEEDED] + found[Kind.CHANNEL_BOUND] + found[Kind.REAUTH_SUCCEEDED]
    setup = "smb2.cmd == 1 and smb2.flags.response == 1 and smb2.nt_status"
    assert good == count_of(tshark, path, f"{setup} == 0")
    bad = found[Kind.AUTH_FAILED] + found[Kind.REAUTH_FAILED]
    assert bad == count_of(tshark, path, f"{setup} != 0 and smb2.nt_status != 0xc0000016")
    shown = "smb2.cmd == 3 and smb2.flags.response == 1 and smb2.nt_status == 0"
    assert found[Kind.TREE_CONNECTED] == count_of(tshark, path, shown)
    assert found[Kind.NEGOTIATE] == count_of(tshark, path, "smb2.cmd == 0 and smb2.flags.response == 0")


def test_binding_tells_whose_session_has_a_channel_more(shared: Path) -> None:
    name = "faults/mch_bind_enc.pcapng"
    bound = events(shared, name, Kind.CHANNEL_BOUND)
    assert [event.text for event in bound[:2]] == [
        r"connection 1 was bound to the session of CORPUS\alice",
        r"connection 0 was bound to the session of CORPUS\alice",
    ]
    lost = events(shared, name, Kind.CHANNEL_LOST)
    assert Counter(event.details["channels_left"] for event in lost) == {1: 4, 0: 4}


def test_a_refused_logon_has_its_status_and_user(shared: Path) -> None:
    failed = events(shared, "faults/auth_wrong_password.pcapng", Kind.AUTH_FAILED)
    assert [event.details["status"] for event in failed] == ["STATUS_LOGON_FAILURE"] * 2
    assert all("alice" in event.text for event in failed)
    assert len(events(shared, "faults/auth_wrong_password.pcapng", Kind.AUTH_SUCCEEDED)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("auth_guest_bad_user", "as guest"),
        ("auth_anonymous", "anonymous logged on"),
    ],
)
def test_guests_and_nobody_are_told(name: str, text: str, shared: Path) -> None:
    assert any(text in event.text for event in events(shared, f"faults/{name}.pcapng", Kind.AUTH_SUCCEEDED))


def test_a_dialect_that_nobody_shares_is_refused(shared: Path) -> None:
    told = events(shared, "faults/auth_dialect_mismatch.pcapng", Kind.NEGOTIATE)
    assert any("was refused" in event.text for event in told)


def test_a_share_that_cannot_be_opened_is_refused(shared: Path) -> None:
    refused = events(shared, "faults/srv_share_misconfigured_signed.pcapng", Kind.TREE_REFUSED)
    assert [event.details["path"] for event in refused] == [r"\\10.77.0.1\IPC$", r"\\10.77.0.1\share"]
    assert {event.details["status"] for event in refused} == {"STATUS_BAD_NETWORK_NAME"}


def test_a_session_that_is_replaced_ends_by_that(shared: Path) -> None:
    ended = events(shared, "faults/ok_reconnect_previous_session.pcapng", Kind.SESSION_ENDED)
    assert any("replaced by session" in event.text for event in ended)


def test_asking_for_a_session_where_it_is_not_ends_it_nowhere(shared: Path) -> None:
    """smb2.session.bind_*: another connection asks for the session without binding; its own goes on."""
    name = "samba/torture_session_bind.pcapng"
    assert len(events(shared, name, Kind.REAUTH_STARTED)) == 5  # where it had been bound before
    refused = [event for event in events(shared, name, Kind.AUTH_FAILED) if not event.details["binding"]]
    assert len(refused) > 50
    assert not [event for event in events(shared, name, Kind.SESSION_ENDED) if "USER_SESSION_DELETED" in event.text]


def test_who_authenticates_again_may_be_another(shared: Path) -> None:
    name = "samba/krb5_torture_reauth.pcapng"
    first = events(shared, name, Kind.AUTH_SUCCEEDED)
    assert {event.details["user"] for event in first} == {"alice@EXAMPLE.TEST"}
    assert {event.details["mechanism"] for event in first} == {"MS-Kerberos"}
    again = Counter(event.text.split()[0] for event in events(shared, name, Kind.REAUTH_STARTED))
    assert again == {"alice@EXAMPLE.TEST": 4, "anonymous": 4}


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("faults/srv_deadtime_idle_disconnect_enc.pcapng", (35,)),  # the server's FIN
        ("samba/krb5_torture_expire2s.pcapng", (74, 75)),  # LOGOFF
        ("faults/ok_reauth_ntlm_signed.pcapng", (36,)),  # the client's FIN
    ],
)
def test_the_end_of_a_session_is_shown_by_a_packet(name: str, frames: tuple[int, ...], shared: Path) -> None:
    assert events(shared, name, Kind.SESSION_ENDED)[0].frames == frames


def test_every_end_has_frames(shared: Path) -> None:
    for name in ("samba/torture_session.pcapng", "faults/ok_reconnect_previous_session.pcapng"):
        ends = events(shared, name, Kind.SESSION_ENDED, Kind.CHANNEL_LOST)
        assert [event.text for event in ends if not event.frames] == []
