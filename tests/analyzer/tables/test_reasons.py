"""Each session has one verdict, and a sentence where it is not a good one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.tables.census import Census
from analyzer.tables.reasons import explain, summary
from parsers.smb2.crypto import SessionKeys
from parsers.smb2.session import Candidate, SecurityContext, Session, SmbConnection
from parsers.smb2.state import State
from parsers.verdicts import Decryption

Counts = dict[Decryption, int]


def session(**members: Any) -> Session:
    made = Session(0, 0x1234, SmbConnection(0, (0, 445)), state=State.VALID)
    for name, value in members.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({}, Decryption.PLAINTEXT),
        ({Decryption.PLAINTEXT: 5}, Decryption.PLAINTEXT),
        ({Decryption.PLAINTEXT: 5, Decryption.DECRYPTED: 1}, Decryption.DECRYPTED),
        ({Decryption.DECRYPTED: 99, Decryption.DAMAGED: 1}, Decryption.DAMAGED),
        ({Decryption.NO_KEY: 3}, Decryption.NO_KEY),
        ({Decryption.NO_HANDSHAKE: 3}, Decryption.NO_HANDSHAKE),
        ({Decryption.WRONG_KEY: 3}, Decryption.WRONG_KEY),
        ({Decryption.DECRYPTED: 3, Decryption.NO_KEY: 3}, Decryption.NO_KEY),
        ({Decryption.DECRYPTED: 3, Decryption.UNSUPPORTED: 1}, Decryption.UNSUPPORTED),
    ],
)
def test_the_worst_verdict_is_that_of_the_session(counts: Counts, verdict: Decryption) -> None:
    assert summary(counts) is verdict


NO_CREDENTIAL = {
    "complaints": [r"no credential for CORPUS\bob"],
    "complaint_verdict": Decryption.NO_KEY,
    "security_context": SecurityContext("bob", "CORPUS"),
}
WRONG_PASSWORD = {"complaints": ["wrong password for bob"], "complaint_verdict": Decryption.WRONG_KEY}
PROVED = {"provenance": "keys.toml line 3"}
CANDIDATES = [Candidate(SessionKeys(b"", b""), place, (), ()) for place in ("k line 1", "k line 1", "k line 9")]


@pytest.mark.parametrize(
    ("members", "counts", "reason"),
    [
        ({}, {Decryption.PLAINTEXT: 5}, ""),
        (NO_CREDENTIAL, {Decryption.PLAINTEXT: 5}, ""),
        (WRONG_PASSWORD, {Decryption.PLAINTEXT: 5}, "wrong password for bob"),
        (PROVED, {Decryption.DECRYPTED: 5}, ""),
        (PROVED | WRONG_PASSWORD, {Decryption.DECRYPTED: 5}, ""),
        (
            NO_CREDENTIAL,
            {Decryption.NO_KEY: 5},
            r"no credential for CORPUS\bob; give the password or NT hash, or the session key",
        ),
        (
            {},
            {Decryption.NO_KEY: 5},
            "no key was given for it: give the password or NT hash of its user, or its session key",
        ),
        (
            {"state": State.UNSEEN},
            {Decryption.NO_KEY: 5},
            "its logon is not in the capture: give its direction keys, or before SMB 3.1.1 its session key",
        ),
        (
            {"complaints": ["Kerberos logon: give its session key"]},
            {Decryption.NO_KEY: 5},
            "Kerberos logon: give its session key",
        ),
        ({"complaints": ["no handshake", "no handshake"]}, {Decryption.NO_HANDSHAKE: 5}, "no handshake"),
        (WRONG_PASSWORD, {Decryption.WRONG_KEY: 5}, "wrong password for bob"),
        ({"candidates": CANDIDATES}, {Decryption.WRONG_KEY: 5}, "no key given for it fits: k line 1; k line 9"),
        (
            PROVED,
            {Decryption.DECRYPTED: 5, Decryption.NO_KEY: 4, Decryption.PLAINTEXT: 3},
            "4 of 9 encrypted messages have no key: those given are for the other direction",
        ),
        (
            PROVED,
            {Decryption.DECRYPTED: 5, Decryption.UNSUPPORTED: 1},
            "1 of 6 encrypted messages hold compressed ones, which are not decoded yet",
        ),
    ],
)
def test_the_reason_says_why_and_what_to_do(members: dict[str, Any], counts: Counts, reason: str) -> None:
    assert explain(session(**members), counts, Census()) == reason


def test_damage_names_its_frames_and_the_key_that_is_right() -> None:
    census = Census()
    census.suspects[0, 0], census.suspects[0, 1] = [20, 31], [25]
    reason = explain(session(**PROVED), {Decryption.DECRYPTED: 50, Decryption.DAMAGED: 3}, census)
    assert reason == (
        "3 of 53 encrypted messages damaged: bytes were changed, cut off or lost (frames 20, 25, 31); "
        "the key is right (keys.toml line 3)"
    )


@pytest.mark.parametrize(
    ("frames", "count", "where"),
    [([7], 1, "(frame 7)"), ([7], 3, "(frames 7 and 2 more)"), (list(range(8)), 12, "5, 6, 7 and 4 more)")],
)
def test_many_damaged_frames_are_not_all_named(frames: list[int], count: int, where: str) -> None:
    census = Census()
    census.suspects[0, 1] = frames
    assert where in explain(session(**PROVED), {Decryption.DAMAGED: count}, census)


def test_a_logon_that_is_damaged_says_so_itself() -> None:
    census = Census()
    census.suspects[0, 0] = [4]
    members = {"complaints": ["the MIC does not fit"], "complaint_verdict": Decryption.DAMAGED}
    assert explain(session(**members), {Decryption.DAMAGED: 1}, census) == "the MIC does not fit (frame 4)"


def test_a_changed_byte_is_damage_with_its_frame(tampered: Callable[[bytes, int, bytes], Path]) -> None:
    from analyzer import analyze

    analysis = analyze(tampered(b"\xfdSMB", 60, b"\x00\x00\x00\x00"), passwords=[r"alice:Passw0rd!"])
    damaged = analysis.messages[analysis.messages.decryption == "damaged"]
    row = analysis.sessions[analysis.sessions.decryption == "damaged"].iloc[0]
    assert damaged.frame.tolist() == [12]
    assert "1 of 54 encrypted messages damaged" in row.reason
    assert "(frame 12)" in row.reason
    assert r"CORPUS\alice" in row.reason
    assert (row.encrypted, row.decrypted) == (54, 53)


def test_keys_of_one_direction_leave_the_other_without_a_key(sample: Path) -> None:
    """Half of the direction keys of the sample's key file."""
    from analyzer import analyze
    from parsers.keys.store import DirectionKeys, KeyStore

    store = KeyStore()
    key = bytes.fromhex("93d7ce9003e65b8d640c89dc7e711d653d227ce78a459b097c16fa2ce113155b")
    store.add(DirectionKeys(0x587D3960, client_to_server=key))
    analysis = analyze(sample, keys=store)
    messages = analysis.messages[(analysis.messages.session_id == 0x587D3960) & analysis.messages.encrypted]
    assert set(messages.decryption[messages.from_client]) == {"decrypted"}
    assert set(messages.decryption[~messages.from_client]) == {"no_key"}
    row = analysis.sessions[analysis.sessions.session_id == 0x587D3960].iloc[0]
    assert row.decryption == "no_key"
    assert row.reason == "16 of 32 encrypted messages have no key: those given are for the other direction"
