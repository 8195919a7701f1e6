"""Events and findings are collected unless they are not wanted, and imported only when they are."""

import subprocess
import sys
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.diagnosis import build_timeline, events_of, findings_of
from analyzer.tables.schema import TABLES
from parsers.errors import UsageError


def test_events_and_findings_are_those_of_the_analysis(sample: Path) -> None:
    analysis = analyze(sample)
    timeline = build_timeline(analysis.evidence)
    events = events_of(timeline, analysis.evidence.decoded)
    assert events.equals(analysis.events)
    assert tuple(events.columns) == TABLES["events"].names
    findings = findings_of(analysis, analysis.evidence, analysis.policy)
    assert findings.equals(analysis.findings)
    assert len(findings) > 0


def test_tables_alone_collect_nothing_for_them(sample: Path) -> None:
    analysis = analyze(sample, diagnose=False)
    assert len(analysis.exchanges) > 0
    for name in ("evidence", "timeline", "events", "findings"):
        with pytest.raises(UsageError, match="analyze with diagnose=True"):
            getattr(analysis, name)


def test_tables_alone_do_not_import_rules(sample: Path) -> None:
    program = (
        "import sys; from analyzer import analyze; analyze(sys.argv[1], diagnose=False).exchanges;"
        "print(*sorted({'analyzer.rules', 'analyzer.events', 'analyzer.evidence'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", program, str(sample)], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == ""
