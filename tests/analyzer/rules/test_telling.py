"""Findings about many messages are one; where the capture misses something, they are milder."""

from pathlib import Path

import numpy as np

from analyzer.rules.telling import answered, grouped
from parsers.smb2.header import Command
from refserver.client.script import settled
from refserver.client.state import Deviation
from tests.analyzer.rules.plays import found, generated, played

ROW = np.dtype([("connection", "i4"), ("session", "i4"), ("frame", "i8"), ("time", "i8"), ("message_id", "u8")])


def test_rows_are_grouped_by_connection_and_session_and_ordered_by_frame() -> None:
    rows = np.array([(1, 0, 9, 9, 0), (0, 2, 8, 8, 0), (1, 0, 4, 4, 0), (0, 1, 6, 6, 0)], ROW)
    groups = [
        [(int(row["connection"]), int(row["session"]), int(row["frame"])) for row in one] for one in grouped(rows)
    ]
    assert groups == [[(0, 1, 6)], [(0, 2, 8)], [(1, 0, 4), (1, 0, 9)]]


def test_many_messages_are_one_finding_with_their_number(tmp_path: Path) -> None:
    def signing(config) -> None:
        config.require_message_signing = True

    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        for _ in range(7):
            with client.deviating(Deviation(signed=False)):
                call = client.read(file, 0, 10)
            yield settled(call)

    analysis = played(tmp_path, work, change=signing, drop_on_bad_signature=False)
    rows = analysis.findings[analysis.findings["rule"] == "SIGN-02"]
    assert len(rows) == 1
    assert "7 messages" in rows["evidence"].iloc[0]
    assert len(rows["frames"].iloc[0].split(", ")) == 5
    assert rows["end"].iloc[0] > rows["time"].iloc[0]


def test_where_bytes_are_missing_a_finding_is_info_and_only_possible(tmp_path: Path) -> None:
    """The same trace with some packets that the capture missed."""
    whole = generated(tmp_path, "wrong_signature")
    assert found(whole, "SIGN-05") == ["security"]
    partial = generated(tmp_path, "wrong_signature", capture_loss=0.08)
    assert (partial.connections["gap_bytes"] > 0).any()
    rows = partial.findings[partial.findings["rule"] == "SIGN-05"]
    assert rows["severity"].tolist() == ["info"]
    assert rows["confidence"].tolist() == ["possible"]
    assert "missing from the capture" in rows["evidence"].iloc[0]


def test_answers_are_found_by_connection_and_message_id(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "normal")
    frame = analysis.exchanges
    creates = frame[frame["command"] == Command.CREATE.name].iloc[:1]
    rows = np.zeros(2, ROW)
    rows["message_id"] = creates["message_id"].iloc[0], 1 << 40
    rows["frame"] = 1, 2

    class Tables:
        exchanges = frame

    ((mine, status),) = answered(Tables(), rows)  # type: ignore[arg-type]  # it looks at nothing else
    assert mine.tolist() == rows.tolist()
    assert status.tolist() == ["STATUS_SUCCESS", ""]
