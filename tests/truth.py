"""Generated traces with the truth beside them, and what the analysis says of them.

`python -m tests.truth > docs/accuracy.md` writes how many planted troubles are found, and what is found besides.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from analyzer import analyze
from analyzer.cli.program import main
from analyzer.rules import RULES
from refserver.scenarios.registry import SCENARIOS

NANOSECONDS = 1_000_000_000
TOLERANCE = NANOSECONDS  # between what the one who plants writes down and the packet that shows it

COVERS = {rule.id: {rule.id, *rule.covers} for rule in RULES}

VARIANTS: dict[str, tuple[dict[str, object], ...]] = {
    "reauth_violation": tuple(
        {"violation": choice}
        for option in SCENARIOS["reauth_violation"].options
        if option.name == "violation"
        for choice in option.choices
    ),
    "late_response": ({}, {"delay": 1}, {"capture_at": "server"}),
    "request_timeout": ({}, {"capture_at": "server"}, {"scan": 30}, {"answered": 70}),
    "pending_timeout": ({}, {"answered": 200}),
    "reauth_valid": ({}, {"times": 4}),
    "unsigned_response": ({},),
    "oplock_break": ({}, {"delay": 0.1}),
    "lease_break": ({}, {"delay": 0.1}),
    "durable_reconnect": ({}, {"away": 20}, {"version": "1"}),
    "channel_lost": ({}, {"lost": False}),
    "idle_reaped": ({}, {"minutes": 10}),
    "expiry_renewed": ({}, {"encrypted": True}),
    "wrong_password": ({}, {"corrected": True}),
    "guest_fallback": ({}, {"user": "alice"}),
    "zero_window": ({}, {"busy": 0}),
    "server_stalled": ({}, {"frozen": 0}),
    "path_dead": ({}, {"dead": 0}),
    "mtu_black_hole": ({}, {"mtu": 1500}),
    "wrong_signature": ({}, {"which": "none"}),
    "tampered_message": ({}, {"which": "none"}),
    "replayed_message": ({}, {"replayed": False}),
    "normal": tuple(
        [{"dialect": dialect} for dialect in ("2.0.2", "2.1", "3.0", "3.0.2", "3.1.1")]
        + [{"cipher": cipher} for cipher in ("aes-128-ccm", "aes-128-gcm", "aes-256-ccm", "aes-256-gcm")]
        + [{"auth": "kerberos"}]
    ),
}
"""Options with which a scenario is played besides its own: its healthy twins among them."""


_HEAD = """\
# How well planted troubles are found

Made by `python -m tests.truth > docs/accuracy.md`; `tests/test_truth.py` checks it.
Every scenario of `sessionscope generate`, and its healthy twins: findings that the truth demands, those that are found
at the right session and time, and findings of severity warning or above that were not planted.

| scenario | options | planted | found | besides |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Expected:
    """A finding that the truth demands."""

    rule: str
    time: int
    session_id: int | None
    frames: tuple[int, ...]


@dataclass(frozen=True)
class Played:
    """A trace: what was planted, and what is found at severity warning or above."""

    expected: list[Expected]
    found: list[dict[str, Any]]
    infos: list[dict[str, Any]]


def cases() -> Iterator[tuple[str, tuple[tuple[str, object], ...]]]:
    """Every scenario with every set of options."""
    for name in SCENARIOS:
        for options in VARIANTS.get(name, ({},)):
            yield name, tuple(options.items())


@cache
def play(name: str, options: tuple[tuple[str, object], ...]) -> Played:
    """Generate a trace by the command line, and analyze it with its keys."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.pcapng"
        settings = [word for key, value in options for word in ("--set", f"{key}={value}")]
        assert main(["generate", name, "-o", str(trace), *settings]) == 0
        truth = json.loads(trace.with_name("trace.truth.json").read_text())
        keytab = trace.with_name("trace.keytab")
        frame = analyze(
            trace, keys=trace.with_name("trace.keys.toml"), keytabs=[keytab] if keytab.exists() else []
        ).findings
    times = [frame[column].to_numpy("M8[ns]").view("i8").tolist() for column in ("time", "end")]
    rows = [
        row | {"time": time, "end": max(time, end)}
        for row, time, end in zip(frame.to_dict("records"), *times, strict=True)
    ]
    expected = [
        Expected(rule, event["time"], _number(event["session_id"]), tuple(event["frames"]))
        for event in truth["events"]
        for rule in event["findings"]
    ]
    bad = [row for row in rows if row["severity"] != "info"]
    return Played(expected, bad, [row for row in rows if row["severity"] == "info"])


def says(row: dict[str, Any], expected: Expected) -> bool:
    """Whether a finding says what the truth demands: rule, time or frame, and session."""
    if expected.rule not in COVERS[row["rule"]]:
        return False
    shown = {int(frame) for frame in str(row["frames"]).split(", ") if frame}
    if shown & set(expected.frames):
        return True
    session = None if pd.isna(row["session_id"]) else int(row["session_id"])
    same = expected.session_id is None or session in (None, 0, expected.session_id)
    return same and row["time"] - TOLERANCE <= expected.time <= row["end"] + TOLERANCE


def missed(played: Played) -> list[Expected]:
    """What was planted and is not found."""
    rows = played.found + played.infos
    return [each for each in played.expected if not any(says(row, each) for row in rows)]


def surplus(played: Played) -> list[dict[str, Any]]:
    """What is found at severity warning or above, and was not planted."""
    return [row for row in played.found if not any(says(row, each) for each in played.expected)]


def markdown() -> str:
    """The table of scenarios, with precision and recall."""
    lines = [_HEAD]
    planted = found = besides = said = 0
    for name, options in cases():
        played = play(name, options)
        misses, extra = missed(played), surplus(played)
        planted += len(played.expected)
        found += len(played.expected) - len(misses)
        besides += len(extra)
        said += len(played.found)
        shown = ", ".join(f"{key}={value}" for key, value in options)
        rules = ", ".join(dict.fromkeys(f"`{each.rule}`" for each in played.expected)) or "nothing"
        lines.append(
            f"| {name} | {shown} | {rules} | {len(played.expected) - len(misses)} of {len(played.expected)} | "
            f"{', '.join(row['rule'] for row in extra) or '-'} |\n"
        )
    recall = found / planted
    precision = (said - besides) / said
    lines.append(
        f"\n**Recall {recall:.1%}** ({found} of {planted} planted findings), **precision {precision:.1%}** "
        f"({said - besides} of {said} findings of severity warning or above were planted).\n"
    )
    return "".join(lines)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


if __name__ == "__main__":
    sys.stdout.write(markdown())
