"""Messages that were changed on the way, and what the receivers make of them."""

import io
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.analysis import Analysis
from refserver.scenarios.scenario import Scenario
from refserver.scenarios.tampering import REPLAYED, TAMPERED, UNSIGNED, WRONG_SIGNATURE
from tests.refserver.scenarios.played import Truth, expected, kinds, played


def analysed(scenario: Scenario, folder: Path, **values: str | bool) -> tuple[Analysis, Truth]:
    """What the analyzer sees with the keys, and the truth."""
    capture = io.BytesIO()
    trace = scenario.generate(capture, values=values)
    (folder / "keys.toml").write_text(trace.keys)
    capture.seek(0)
    return analyze(capture, keys=folder / "keys.toml"), trace.truth


def frames(truth: Truth) -> list[int]:
    """Those in which something has to be found."""
    return sorted({frame for event in truth["events"] if event["findings"] for frame in event["frames"]})


def test_a_response_without_signature_is_not_believed(tmp_path: Path) -> None:
    analysis, truth = analysed(UNSIGNED, tmp_path)
    assert expected(truth) == [("request", "SIGN-03")]
    (place,) = frames(truth)
    messages = analysis.messages
    (at,) = messages[messages.frame == place].itertuples()
    assert (at.is_response, at.command, at.signature) == (True, "READ", "unsigned")
    assert messages.frame.max() == place  # the client has left


@pytest.mark.parametrize("which", ["response", "request"])
def test_one_byte_makes_one_signature_wrong(which: str, tmp_path: Path) -> None:
    analysis, truth = analysed(WRONG_SIGNATURE, tmp_path, which=which)
    assert expected(truth) == [("request", "SIGN-05")]
    messages = analysis.messages
    assert messages[messages.signature == "invalid"].frame.tolist() == frames(truth)


@pytest.mark.parametrize("which", ["response", "request"])
def test_one_byte_closes_an_encrypted_message_for_ever(which: str, tmp_path: Path) -> None:
    analysis, truth = analysed(TAMPERED, tmp_path, which=which)
    assert expected(truth) == [("request", "damaged_message")]
    (session,) = analysis.sessions.itertuples()
    assert session.encrypted - session.decrypted == 1
    assert analysis.undecoded.frame.tolist() == frames(truth)


@pytest.mark.parametrize("scenario", [WRONG_SIGNATURE, TAMPERED], ids=lambda scenario: scenario.name)
def test_where_nothing_is_changed_nothing_is_found(scenario: Scenario) -> None:
    truth = played(scenario, which="none")
    assert expected(truth) == []
    assert kinds(truth)[-1] == "session_logoff"


def test_a_message_that_comes_twice_ends_the_connection(tmp_path: Path) -> None:
    analysis, truth = analysed(REPLAYED, tmp_path)
    assert expected(truth) == [("request", "CRED-01"), ("request", "ENC-02")]
    messages = analysis.messages
    assert messages[messages.command == "WRITE"].message_id.nunique() == 1
    assert (messages.command == "WRITE").sum() == 3
    assert expected(played(REPLAYED, encrypted=False)) == [("request", "CRED-01")]
    assert expected(played(REPLAYED, replayed=False)) == []
