"""What is new each time that the window is analyzed: sessions, and findings that have lasted for two looks."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analyzer.analysis import Analysis, load_keys, read
from analyzer.policy import Policy
from analyzer.tables.rows import NoRows
from parsers.errors import UsageError
from parsers.keys.store import KeyStore
from parsers.smb2.rows import MESSAGE

__all__ = ["News", "Watch"]

_REMEMBERED = 10_000  # sessions and troubles: older ones are forgotten, and would be told once more
_TOLD = ("warning", "error", "security")
_WHERE = ("rule", "session_id", "client", "server")

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class News:
    """What one look has found.

    Attributes:
        analysis: of the window.
        sessions: rows of the table `sessions` that were not told before, or whose user has become known.
        findings: rows of the table `findings` that were not told before.
    """

    analysis: Analysis
    sessions: pd.DataFrame
    findings: pd.DataFrame


@dataclass(slots=True)
class Watch:
    """Looks at the window again and again. Keys of sessions stay known when their logon has left it.

    Attributes:
        keys: of the user.
        policy: the timers.
        folder: a private one, for keys between two looks.
        told: how many findings were told, by severity.
        sessions: how many sessions were told.
    """

    keys: KeyStore
    policy: Policy
    folder: Path
    told: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    _users: dict[int, str] = field(default_factory=dict)
    _ends: dict[Key, int] = field(default_factory=dict)  # of troubles that were told
    _pending: set[Key] = field(default_factory=set)  # seen at the last look for the first time
    _proved: KeyStore | None = None

    def look(self, files: Sequence[Path], *, last: bool = False) -> News:
        """Analyze the window.

        Args:
            files: of the window, the oldest first; the newest may end in the middle of a packet.
            last: the capture has ended: nothing is held back.
        """
        store = KeyStore()
        for known in (self.keys, self._proved):
            if known is not None:
                store.merge(known)
        analysis = read(list(files), store, policy=self.policy, messages=NoRows(MESSAGE))
        self._keep_keys(analysis)
        return News(analysis, self._new_sessions(analysis), self._new_findings(analysis, last=last))

    def _keep_keys(self, analysis: Analysis) -> None:
        """The keys of the sessions in the window, for the next look."""
        path = self.folder / "proved.toml"
        with suppress(UsageError):  # none was opened
            analysis.export_keys(path)
            self._proved, _ = load_keys(path)
            path.unlink()

    def _new_sessions(self, analysis: Analysis) -> pd.DataFrame:
        """A session is told when it appears, and once more when its user is known."""
        sessions, chosen = analysis.sessions, []
        for row, (number, user) in enumerate(zip(sessions["session_id"], sessions["user"], strict=True)):
            name = "" if pd.isna(user) else str(user)
            if number not in self._users or (name and not self._users[number]):
                self.sessions += number not in self._users
                chosen.append(row)
            _remember(self._users, number, name or self._users.get(number, ""))
        return sessions.iloc[chosen]

    def _new_findings(self, analysis: Analysis, *, last: bool) -> pd.DataFrame:
        """A trouble is told when two looks have shown it: the end of a window looks like the end of a connection."""
        findings = analysis.findings[analysis.findings["severity"].isin(_TOLD)]
        places = analysis.connections[["connection", "client", "server"]]
        frame = findings.merge(places, on="connection", how="left")
        begins = frame["time"].to_numpy("M8[ns]").view("i8").tolist()
        ends = frame["end"].fillna(frame["time"]).to_numpy("M8[ns]").view("i8").tolist()
        chosen, pending = [], set()
        for row, key in enumerate(frame[list(_WHERE)].astype("string").fillna("").itertuples(index=False, name=None)):
            if begins[row] <= self._ends.get(key, 0):
                _remember(self._ends, key, max(self._ends[key], ends[row]))
                continue
            trouble = (*key, begins[row])
            if last or trouble in self._pending:
                chosen.append(row)
                _remember(self._ends, key, ends[row])
            else:
                pending.add(trouble)
        self._pending = pending
        told = findings.iloc[chosen]
        for severity in told["severity"].astype(str):
            self.told[severity] = self.told.get(severity, 0) + 1
        return told


def _remember(known: dict[Any, Any], key: Any, value: Any) -> None:
    """Put a value at the end of a dictionary that forgets its oldest ones."""
    known.pop(key, None)
    known[key] = value
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
