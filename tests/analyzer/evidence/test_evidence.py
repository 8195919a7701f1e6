"""All evidence of a capture in one place."""

from analyzer import Analysis
from analyzer.evidence import Evidence


def test_an_analysis_has_evidence_of_all_kinds(mixed: Analysis) -> None:
    evidence = mixed.evidence
    assert isinstance(evidence, Evidence)
    assert len(evidence.tcp.marks) >= 40
    assert len(evidence.logons) > 20
    assert len(evidence.credits.series) >= 10
    assert evidence.credits.known <= set(range(10))
    assert evidence.tcp is evidence.tcp


def test_names_are_found_by_number(mixed: Analysis) -> None:
    names = mixed.evidence.decoded.smb2.exchanges.names.names
    assert mixed.evidence.name(0) == names[0]
    assert mixed.evidence.name(-1) is None
