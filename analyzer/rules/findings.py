"""Findings as a table."""

from collections.abc import Iterable

import pandas as pd

from analyzer.rules.rule import Finding
from analyzer.tables.connections import table_of_records

__all__ = ["findings_table"]


def findings_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """The table `findings`, in the order given."""
    return table_of_records(
        "findings",
        (
            {
                "rule": finding.rule.id,
                "severity": finding.severity.value,
                "title": finding.rule.title,
                "session_id": finding.found.session_id,
                "connection": finding.found.connection,
                "time": finding.found.time,
                "end": finding.found.end,
                "frames": ", ".join(map(str, finding.found.frames)),
                "cause": finding.found.cause,
                "evidence": finding.found.evidence,
                "confidence": finding.found.confidence.value,
                "party": finding.rule.party.value,
                "remedy": finding.remedy,
                "spec": finding.rule.spec,
            }
            for finding in findings
        ),
    )
