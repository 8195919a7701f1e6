"""Counting while reading gives what the table of messages would give."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import Analysis, analyze
from analyzer.tables.census import MAX_FRAMES, Census, final_verdicts
from parsers.capture.open import open_captures
from parsers.keys.store import KeyStore
from parsers.pipeline import Decoded, decode
from parsers.smb2.crypto import Cipher, SessionKeys
from parsers.smb2.messages import DECRYPTIONS
from parsers.smb2.session import Candidate, Session, SmbConnection
from parsers.verdicts import Decryption


def counted(path: Path, *passwords: str) -> tuple[Decoded, Census]:
    keys, census = KeyStore(), Census()
    for password in passwords:
        keys.add_password(password)
    return decode(open_captures(path, window=1 << 14), keys, [census]), census


def test_verdicts_are_those_of_the_messages(sample: Path, mixed: Analysis) -> None:
    decoded, census = counted(sample, "alice:Passw0rd!", "bob:B0bPass#")
    total = Counter[str]()
    for session in decoded.smb2.tracker.sessions:
        total.update(census.verdicts(session))
    of_sessions = mixed.messages[mixed.messages.session_id != 0]
    assert total == Counter(of_sessions.decryption.astype(str))
    assert not census.invalid
    assert census.smb2 == set(range(10))


def test_frames_that_no_key_fitted_are_remembered_up_to_a_bound(sample: Path) -> None:
    decoded, census = counted(sample, "alice:wrong")
    session = decoded.smb2.tracker.sessions[0]
    assert census.verdicts(session)[Decryption.WRONG_KEY] == 54
    assert [len(census.suspects[0, sender]) for sender in (0, 1)] == [MAX_FRAMES, MAX_FRAMES]
    assert census.suspects[0, 0] == sorted(census.suspects[0, 0])


def test_a_changed_signature_is_counted(tampered: Callable[[bytes, int, bytes], Path]) -> None:
    name = "mixed_alice.txt".encode("utf-16-le")
    path = tampered(name, 0, "M".encode("utf-16-le"))
    analysis = analyze(path, passwords=["bob:B0bPass#"])
    invalid = analysis.messages[analysis.messages.signature == "invalid"]
    assert len(invalid) == analysis.sessions.signatures_invalid.sum()


def test_half_of_a_key_does_not_make_damage_of_what_it_does_not_open() -> None:
    session = Session(0, 1, SmbConnection(0, (0, 445)), provenance="a", cipher=Cipher.AES_256_GCM)
    session.adopted = Candidate(SessionKeys(b"", b"", b"k", b"k"), "a", (), (), bytes(16))
    final = final_verdicts([session])
    assert (final[0] == np.arange(len(DECRYPTIONS))).all()


def test_signed_messages_are_counted_whether_their_key_is_known_or_not(sample: Path, mixed: Analysis) -> None:
    messages = mixed.messages
    tells = messages[messages.signature.isin(["valid", "invalid", "no_key"]) & (messages.session_id != 0)]
    for passwords in (["alice:Passw0rd!", "bob:B0bPass#"], []):
        decoded, census = counted(sample, *passwords)
        of_sessions = {decoded.smb2.tracker.sessions[n].session_id: count for n, count in census.signed.items()}
        for session_id, count in tells.session_id.value_counts().items():
            assert of_sessions[session_id] == count


def test_a_session_that_was_never_counted_has_no_verdicts() -> None:
    assert Census().verdicts(Session(3, 1, SmbConnection(0, (0, 445)))) == {}


@pytest.mark.parametrize(
    ("provenance", "keys", "expected"),
    [
        (None, (None, None), (Decryption.WRONG_KEY, Decryption.WRONG_KEY)),
        ("a", (b"k", b"k"), (Decryption.DAMAGED, Decryption.DAMAGED)),
        ("a", (b"k", None), (Decryption.DAMAGED, Decryption.NO_KEY)),
        ("a", (None, b"k"), (Decryption.NO_KEY, Decryption.DAMAGED)),
    ],
)
def test_a_wrong_key_is_judged_again_at_the_end(
    provenance: str | None, keys: tuple[bytes | None, bytes | None], expected: tuple[Decryption, Decryption]
) -> None:
    session = Session(0, 1, SmbConnection(0, (0, 445)), provenance=provenance)
    session.decryption_key, session.encryption_key = keys
    final = final_verdicts([session])
    wrong = DECRYPTIONS.index(Decryption.WRONG_KEY)
    assert tuple(DECRYPTIONS[place] for place in final[0, :, wrong]) == expected
    others = [place for place in range(len(DECRYPTIONS)) if place != wrong]
    assert (final[0, :, others] == np.array(others)[:, None]).all()
