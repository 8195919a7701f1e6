"""Credits over time. Witness: the sums of what tshark shows in every message."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from analyzer.evidence.credits import CreditEvidence
from tests.analyzer.captures import analyzed, frames_of

FIELDS = (
    "tcp.stream", "smb2.cmd", "smb2.flags.response", "smb2.credit.charge", "smb2.credits.requested",
    "smb2.credits.granted", "smb2.msg_id", "smb2.nt_status",
)  # fmt: skip
UNSOLICITED = (1 << 64) - 1


@pytest.mark.witness
@pytest.mark.parametrize("name", ["torture_credits", "torture_lock", "torture_session"])
def test_what_is_left_is_the_sum_of_all_messages(name: str, shared: Path, tshark: str) -> None:
    left, waiting = defaultdict(lambda: 1), defaultdict(int)
    shown = frames_of(tshark, shared / "captures" / "samba" / f"{name}.pcapng", "smb2", *FIELDS)
    for _, stream, *columns in shown:
        commands, responses, charges, _, granted, ids, statuses = (column.split(",") for column in columns)
        grants, codes = iter(granted), iter(statuses)
        for command, response, charge, number in zip(commands, responses, charges, ids, strict=True):
            if response in {"1", "True"}:
                credits_, status = int(next(grants)), int(next(codes), 0)
                if int(number) == UNSOLICITED:
                    continue
                left[stream] += credits_
                waiting[stream] -= status != 0x103
            elif command != "12":
                left[stream] -= max(int(charge), 1)
                waiting[stream] += 1
    series = analyzed(shared, f"samba/{name}.pcapng").evidence.credits.series
    for stream, credits_ in left.items():
        last = series[series["connection"] == int(stream)][-1]
        assert (last["available"], last["outstanding"]) == (credits_, max(waiting[stream], 0)), stream
    assert len(left) > 3


def test_connections_that_begin_in_the_capture_are_counted_from_one(shared: Path) -> None:
    credits_ = analyzed(shared, "samba/torture_credits.pcapng").evidence.credits
    assert credits_.known == set(range(6))
    assert credits_.series["least"].min() >= 0
    assert len(credits_.exhaustions) == 0


def follow(steps: list[tuple[int, int, int]]) -> CreditEvidence:
    """Change, asked and milliseconds of messages on one connection that begins with them."""
    evidence = CreditEvidence()
    balance = evidence._begin(0, 0, 0)
    for half in (steps[: len(steps) // 2], steps[len(steps) // 2 :]):
        change, asked, time = (np.array(column, np.int64) for column in zip(*half, strict=True))
        frame = np.arange(len(half)) + balance.seen + 1
        evidence._follow(0, balance, change, asked, frame, time * 1_000_000)
    return evidence


LOGON = [(-1, 1, 0), (1, -1, 1), (-1, 1, 2), (1, -1, 3), (-1, 1, 4), (1, -1, 5), (-1, 1, 6), (2, -1, 7)]


def test_a_want_that_lasts_is_an_exhaustion() -> None:
    steps = [*LOGON, (-1, 1, 10), (-1, 1, 11), (1, 0, 90), (5, -1, 91)]
    (row,) = follow(steps).exhaustions
    assert (row["start"], row["end"], row["outstanding"]) == (11_000_000, 90_000_000, 2)
    assert (row["start_frame"], row["end_frame"]) == (10, 11)


def test_a_client_that_asks_one_thing_at_a_time_wants_nothing() -> None:
    assert len(follow([*LOGON, (-2, 2, 10), (2, -2, 11)]).exhaustions) == 0


def test_a_want_without_end_has_none() -> None:
    (row,) = follow([*LOGON, (-1, 1, 10), (-1, 1, 11)]).exhaustions
    assert (row["start"], row["end"]) == (11_000_000, 0)


def test_of_a_connection_that_was_not_seen_from_the_start_nothing_is_said() -> None:
    evidence = follow([*LOGON, (-1, 1, 10), (-1, 1, 11)])
    evidence.known.clear()
    assert len(evidence.exhaustions) == 0
