"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.rules.case import Case

__all__ = ["Check", "Confidence", "Finding", "Found", "Party", "Rule", "Severity", "order", "run"]


class Severity(StrEnum):
    """How bad it is, the worst last. `SECURITY` is for what lets others read, change or impersonate."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    SECURITY = "security"


class Confidence(StrEnum):
    """How sure the capture makes it: `POSSIBLE` where packets are missing near by, or other causes look the same."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Party(StrEnum):
    """Who has to change something."""

    CLIENT = "client"
    SERVER = "server"
    OTHER_CLIENT = "other client"
    NETWORK = "network"
    EITHER = "client or server"
    ADMINISTRATOR = "administrator"
    CAPTURE = "whoever captures"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a rule's check has found.

    Attributes:
        time: when it began, nanoseconds since 1970.
        cause: one sentence that says what is wrong and who did it, with names and numbers.
        evidence: what in the capture shows it: frames, times, values.
        frames: the packets to look at, the most telling first.
        session_id: of the session that suffers; None where there is none.
        connection: number of the connection.
        end: when it was over; None where it is a moment.
        confidence: see there.
        severity: instead of the rule's own.
        remedy: instead of the rule's own.
    """

    time: int
    cause: str
    evidence: str
    frames: tuple[int, ...] = ()
    session_id: int | None = None
    connection: int | None = None
    end: int | None = None
    confidence: Confidence = Confidence.CERTAIN
    severity: Severity | None = None
    remedy: str | None = None


Check = Callable[["Case"], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue (docs/findings.md).

    Attributes:
        id: as MS-SMB2 conformance checks are numbered here (`EXP-05`), or a name (`server_stalled`).
        title: what it finds, a few words.
        severity: of what it finds, unless a finding says otherwise.
        party: who is at fault.
        spec: section of the specification, or where else the rule comes from.
        explanation: why that is a trouble and how it is recognised.
        remedy: what to change, with the setting's name.
        check: looks for it.
        covers: numbers of the conformance checks that it says as well, in context.
    """

    id: str
    title: str
    severity: Severity
    party: Party
    spec: str
    explanation: str
    remedy: str
    check: Check
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found in a case."""

    rule: Rule
    found: Found

    @property
    def severity(self) -> Severity:
        """Of this finding."""
        return self.found.severity or self.rule.severity

    @property
    def remedy(self) -> str:
        """Of this finding."""
        return self.found.remedy or self.rule.remedy


def order(finding: Finding) -> tuple[int, int]:
    """Sorts the worst first, then by time."""
    return -list(Severity).index(finding.severity), finding.found.time


def run(rules: Iterable[Rule], case: "Case") -> list[Finding]:
    """Everything that `rules` find in `case`, the worst first."""
    return sorted((Finding(rule, found) for rule in rules for found in rule.check(case)), key=order)
