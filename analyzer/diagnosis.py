"""What `Analysis` needs for events and findings; imported when they are asked for, since tables do without."""

from collections.abc import Sequence

import pandas as pd

from analyzer.events import Timeline, build_timeline
from analyzer.events.table import events_table
from analyzer.evidence import Collector, Evidence
from analyzer.policy import Policy
from analyzer.rules import RULES
from analyzer.rules.case import Case, Tables
from analyzer.rules.findings import findings_table
from analyzer.rules.rule import run
from parsers.pipeline import Decoded

__all__ = ["Collector", "Evidence", "Timeline", "build_timeline", "events_of", "findings_of"]


def events_of(timeline: Timeline, decoded: Decoded) -> pd.DataFrame:
    """The table `events`."""
    names: Sequence[str] = decoded.smb2.exchanges.names.names
    return events_table(timeline, decoded.smb2.tracker.sessions, names)


def findings_of(tables: Tables, evidence: Evidence, policy: Policy) -> pd.DataFrame:
    """The table `findings`: what all rules find, the worst first."""
    return findings_table(run(RULES, Case(tables, evidence, policy)))
