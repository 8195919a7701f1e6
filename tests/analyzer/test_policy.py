"""Timers: defaults by kind of peer, what a file changes, and what it may not say."""

from math import inf
from pathlib import Path

import pytest

from analyzer.policy import TIMERS, Peer, Policy
from parsers.errors import UsageError


def test_every_timer_has_a_default_for_every_peer() -> None:
    for timer in TIMERS:
        for peer in Peer:
            assert 0 <= Policy().seconds(timer.name, peer) <= inf


def test_names_are_given_once() -> None:
    assert len({timer.name for timer in TIMERS}) == len(TIMERS)


@pytest.mark.parametrize(
    ("name", "peer", "seconds"),
    [
        ("SessTimeout", Peer.WINDOWS, 60),
        ("ExtendedSessTimeout", Peer.WINDOWS, 240),
        ("SessTimeout", Peer.SAMBA, 20),  # smbclient's -t
        ("OplockBreakWait", Peer.LINUX, 35),
        ("PersistentBreakWait", Peer.UNKNOWN, 60),
        ("DurableTimeout", Peer.WINDOWS_7, 16 * 60),
        ("DurableTimeout", Peer.WINDOWS, 120),
        ("DurableHandleV2TimeoutInSeconds", Peer.WINDOWS_7, 180),
        ("autodisconnect", Peer.WINDOWS, 15 * 60),
        ("ResilientTimeoutMaximum", Peer.WINDOWS, 300),
        ("MaxServiceTicketAge", Peer.UNKNOWN, 10 * 3600),
    ],
)
def test_the_published_defaults(name: str, peer: Peer, seconds: float) -> None:
    assert Policy().seconds(name, peer) == seconds


def test_a_file_changes_a_timer_for_every_peer(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[timers]\nSessTimeout = 300\nautodisconnect = "never"\n')
    policy = Policy.load(path)
    assert {policy.seconds("SessTimeout", peer) for peer in Peer} == {300}
    assert policy.seconds("autodisconnect", Peer.WINDOWS) == inf
    assert policy.describe("SessTimeout") == "SessTimeout 300 s, as the policy says"
    assert policy.describe("OplockBreakWait") == "OplockBreakWait 35 s"
    assert "LanmanWorkstation" in policy.setting("SessTimeout")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[timers]\nSesTimeout = 3", "there is no timer 'SesTimeout'; the timers are"),
        ("[timers]\nSessTimeout = -1", "SessTimeout = -1 is no time"),
        ("[timers]\nSessTimeout = true", "SessTimeout = True is no time"),
        ("[timers]\nSessTimeout = nan", "SessTimeout = nan is no time"),
        ("[timers]\nSessTimeout = [1]", "is no time"),
        ("SessTimeout = 3", "one table, [timers]"),
        ("timers = 3", "one table, [timers]"),
        ("[timers", "no TOML"),
        ("\0", "no TOML"),
    ],
)
def test_a_wrong_file_gets_one_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"policy\.toml: ") as caught:
        Policy.load(path)
    assert complaint in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Policy.load(tmp_path / "none.toml")
