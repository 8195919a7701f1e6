"""Messages that break a rule: that they are kept with what they do, and that there are not too many of them."""

from pathlib import Path

import numpy as np
import pytest

from analyzer.evidence.conduct import Breach
from parsers.smb2.header import Command
from refserver.client.script import settled
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed, frames_of
from tests.analyzer.rules.plays import generated, played


def signing(config) -> None:
    config.require_message_signing = True


def test_a_wrong_signature_is_kept_with_its_place(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "wrong_signature", which="response")
    (row,) = analysis.evidence.conduct.of(Breach.BAD_SIGNATURE)
    frame = analysis.messages
    wrong = frame[frame["signature"] == "invalid"].iloc[0]
    assert (int(row["frame"]), int(row["message_id"])) == (wrong["frame"], wrong["message_id"])
    assert (int(row["sender"]), int(row["command"])) == (1, Command.READ)


def test_only_some_of_a_kind_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        for _ in range(120):
            with client.deviating(Deviation(signed=False)):
                call = client.read(file, 0, 10)
            yield settled(call)

    evidence = played(tmp_path, work, change=signing, drop_on_bad_signature=False).evidence.conduct
    assert len(evidence.of(Breach.UNSIGNED_REQUEST)) == 50
    assert evidence.counts[int(Breach.UNSIGNED_REQUEST), 0] == 120


def test_a_charge_that_is_too_low_says_what_it_should_have_paid_for(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        folder = yield client.create(tree, "")
        with client.deviating(Deviation(credit_charge=1)):
            call = client.query_directory(folder, max_output=150_000)
        yield settled(call)

    (row,) = played(tmp_path, work).evidence.conduct.of(Breach.CHARGE_TOO_LOW)
    assert (int(row["value"]), int(row["command"])) == (150_000, Command.QUERY_DIRECTORY)


def test_ordinary_traffic_has_none(shared: Path) -> None:
    evidence = analyzed(shared, "samba/ntlm_311_mixed_sessions.pcapng").evidence.conduct
    assert len(evidence.rows) == 0 == len(evidence.counts)


@pytest.mark.witness
def test_raised_channel_sequences_are_those_that_tshark_shows(shared: Path, tshark: str) -> None:
    """Of each session: the first frames in which the number is higher than before."""
    name = "samba/torture_replay.pcapng"
    shown = frames_of(
        tshark, shared / "captures" / name, "smb2.channel_sequence > 0 && smb2.flags.response == 0",
        "smb2.sesid", "smb2.channel_sequence",
    )  # fmt: skip
    rows = analyzed(shared, name).evidence.conduct.of(Breach.CHANNEL_RAISED)
    frames = {int(frame) for frame, *_ in shown}
    assert len(rows) > 5
    counted = rows[rows["value"] > 0]  # behind 0xFFFF follows 0
    assert set(counted["frame"].tolist()) <= frames
    assert int(rows["frame"][0]) == min(frames)


def test_rows_are_in_order_of_frames(shared: Path) -> None:
    rows = analyzed(shared, "samba/torture_compound_enc_8k.pcapng").evidence.conduct.rows
    assert len(rows) > 5
    assert bool((np.diff(rows["frame"]) >= 0).all())
