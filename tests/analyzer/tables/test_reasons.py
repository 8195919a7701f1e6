"""Each session has one verdict, and a sentence where it is not a good one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.tables.census import Census
from analyzer.tables.reasons import explain, missing_key, summary
from parsers.ntstatus import STATUS_LOGON_FAILURE, STATUS_MORE_PROCESSING_REQUIRED
from parsers.smb2.crypto import Cipher, SessionKeys, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.session import Candidate, SecurityContext, Session, SmbConnection
from parsers.verdicts import Decryption

Counts = dict[Decryption, int]


def session(**members: Any) -> Session:
    made = Session(0, 0x1234, SmbConnection(0, (0, 445)), creation_time=1)
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
UNSEEN = {"creation_time": None}
KNOWN_DIALECT = {"dialect": Dialect.SMB_3_1_1}
PROVED = {"provenance": "keys.toml line 3"}
HALF_KEY = PROVED | {
    "cipher": Cipher.AES_256_GCM,
    "adopted": Candidate(SessionKeys(b"", b""), "keys.toml line 3", (), (), bytes(16)),
}
KEY_OF_SESSION = Candidate(SessionKeys(b"", b""), "k line 5", (), (SigningAlgorithm.AES_CMAC,), bytes(16))
SIGNING = [KEY_OF_SESSION]
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
            UNSEEN,
            {Decryption.NO_KEY: 5},
            "its logon is not in the capture: give its direction keys, or before SMB 3.1.1 its session key",
        ),
        (
            UNSEEN | {"candidates": SIGNING},
            {Decryption.NO_HANDSHAKE: 5},
            "its logon is not in the capture: give its direction keys, or before SMB 3.1.1 its session key; "
            "as that of an older dialect the one of k line 5 does not fit",
        ),
        (
            UNSEEN | {"dialect": Dialect.SMB_3_1_1},
            {Decryption.NO_HANDSHAKE: 5},
            "its logon is not in the capture, and keys of SMB 3.1.1 depend on it: give its direction keys",
        ),
        (
            UNSEEN | {"dialect": Dialect.SMB_3_0, "setup_status": STATUS_MORE_PROCESSING_REQUIRED},
            {Decryption.NO_KEY: 5},
            "the end of its logon is not in the capture: give its direction keys, or its session key",
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
            NO_CREDENTIAL | {"candidates": CANDIDATES[:1]},
            {Decryption.WRONG_KEY: 5},
            r"no key given for it fits: k line 1; no credential for CORPUS\bob",
        ),
        (
            HALF_KEY,
            {Decryption.WRONG_KEY: 5},
            "the session key has 16 bytes (keys.toml line 3): it fits the signatures, but opens no message. "
            "AES-256-GCM takes all of a key, of which Kerberos gives 32 bytes: give these, or the direction keys",
        ),
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


@pytest.mark.parametrize(
    ("members", "signed", "reason"),
    [
        (PROVED, 5, ""),
        (NO_CREDENTIAL, 5, r"no credential for CORPUS\bob"),
        (NO_CREDENTIAL, 0, r"no credential for CORPUS\bob"),
        (KNOWN_DIALECT | {"candidates": SIGNING}, 5, "no key given for it fits: k line 5"),
        (
            UNSEEN | {"candidates": SIGNING + CANDIDATES[2:]},
            5,
            "nothing in it is encrypted, which would prove the key: k line 9; "
            "its logon is not in the capture: give its direction keys, or before SMB 3.1.1 its session key; "
            "as that of an older dialect the one of k line 5 does not fit",
        ),
        (
            KNOWN_DIALECT | NO_CREDENTIAL | {"candidates": SIGNING + CANDIDATES},
            0,
            "nothing in it is signed or encrypted, which would prove the key: k line 5; k line 1; k line 9; "
            r"no credential for CORPUS\bob",
        ),
        (
            KNOWN_DIALECT | {"candidates": SIGNING + CANDIDATES},
            5,
            "no key given for it fits: k line 5; "
            "nothing in it is encrypted, which would prove the key: k line 1; k line 9",
        ),
        (
            UNSEEN | {"setup_status": STATUS_LOGON_FAILURE, "ended_by": "logon refused (STATUS_LOGON_FAILURE)"},
            0,
            "it has no keys: logon refused (STATUS_LOGON_FAILURE)",
        ),
        ({}, 0, "no key was given for it: give the password or NT hash of its user, or its session key"),
    ],
)
def test_a_session_that_needs_no_key_has_a_reason_too(members: dict[str, Any], signed: int, reason: str) -> None:
    census = Census()
    census.signed[0] = signed
    for counts in ({}, {Decryption.PLAINTEXT: 5}):
        assert missing_key(session(**members), counts, census) == reason


def test_the_reason_of_what_was_not_decrypted_is_the_same_for_both_tables() -> None:
    closed = session(**NO_CREDENTIAL)
    counts = {Decryption.NO_KEY: 5}
    assert missing_key(closed, counts, Census()) == explain(closed, counts, Census()) != ""


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
