"""What a rule may look at: one analysis, as tables, events and evidence, and the policy."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.events import Timeline
from analyzer.events.event import Event
from analyzer.evidence import Evidence
from analyzer.evidence.last_messages import LastMessage
from analyzer.policy import Peer, Policy, Side
from analyzer.rules.peers import peers_of
from analyzer.rules.stillness import Stillness, stillnesses
from parsers.smb2.session import Session
from parsers.times import NANOSECONDS

__all__ = ["EDGE", "Case", "Tables"]

Times = npt.NDArray[np.int64]

_NEVER = 10 * 365 * 86_400  # seconds: longer than any capture
EDGE = 1_000_000_000
"""Nanoseconds at both ends of a capture in which what seems to be missing may lie outside of it."""


class Tables(Protocol):
    """Where the tables come from: an `Analysis`."""

    @property
    def sessions(self) -> pd.DataFrame:
        """The table `sessions`."""
        ...

    @property
    def exchanges(self) -> pd.DataFrame:
        """The table `exchanges`."""
        ...

    @property
    def connections(self) -> pd.DataFrame:
        """The table `connections`."""
        ...

    @property
    def channels(self) -> pd.DataFrame:
        """The table `channels`."""
        ...

    @property
    def trees(self) -> pd.DataFrame:
        """The table `trees`."""
        ...

    @property
    def opens(self) -> pd.DataFrame:
        """The table `opens`."""
        ...

    @property
    def timeline(self) -> Timeline:
        """What happened."""
        ...

    @property
    def kdc(self) -> pd.DataFrame:
        """The table `kdc`."""
        ...


@dataclass(eq=False)
class Case:
    """One analysis as rules see it. Tables are those of docs/tables.md, built when first asked for.

    Attributes:
        tables: where the tables come from.
        evidence: what was collected block by block, besides the tables.
        policy: the timers.
    """

    tables: Tables
    evidence: Evidence
    policy: Policy

    @property
    def sessions(self) -> pd.DataFrame:
        """The table `sessions`."""
        return self.tables.sessions

    @property
    def exchanges(self) -> pd.DataFrame:
        """The table `exchanges`."""
        return self.tables.exchanges

    @property
    def connections(self) -> pd.DataFrame:
        """The table `connections`."""
        return self.tables.connections

    @property
    def opens(self) -> pd.DataFrame:
        """The table `opens`."""
        return self.tables.opens

    @property
    def trees(self) -> pd.DataFrame:
        """The table `trees`."""
        return self.tables.trees

    @property
    def channels(self) -> pd.DataFrame:
        """The table `channels`."""
        return self.tables.channels

    @property
    def timeline(self) -> Timeline:
        """The events, as objects."""
        return self.tables.timeline

    def session(self, event: Event) -> Session | None:
        """The session of an event."""
        return None if event.session is None else self.evidence.decoded.smb2.tracker.sessions[event.session]

    @property
    def kdc(self) -> pd.DataFrame:
        """The table `kdc`."""
        return self.tables.kdc

    @cached_property
    def begin(self) -> int:
        """Time of the first packet, nanoseconds since 1970; 0 if there is none."""
        times = self.connections["start"].dropna()
        return int(times.min().value) if len(times) else 0

    @cached_property
    def end(self) -> int:
        """Time of the last packet, nanoseconds since 1970; 0 if there is none."""
        times = self.connections["end"].dropna()
        return int(times.max().value) if len(times) else 0

    @cached_property
    def _with_gaps(self) -> frozenset[int]:
        frame = self.connections
        return frozenset(frame.loc[frame["gap_bytes"] > 0, "connection"].tolist())

    @cached_property
    def _begun_inside(self) -> frozenset[int]:
        frame = self.connections
        return frozenset(frame.loc[frame["handshake"], "connection"].tolist())

    @cached_property
    def smb_connections(self) -> list[int]:
        """Numbers of the connections that carry SMB."""
        frame = self.connections
        return frame.loc[frame["protocol"].isin(["smb2", "smb1"]), "connection"].tolist()

    @cached_property
    def _long_open(self) -> tuple[pd.DataFrame, Times, Times]:
        """Exchanges that were answered after the closing of their connection or never, their times and connections."""
        frame = self.exchanges
        closed = self.connections["closed_time"].to_numpy("M8[ns]").view("i8")
        answered = frame["response_time"].to_numpy("M8[ns]").view("i8")
        never = frame["response_frame"].isna().to_numpy()
        limit = closed[frame["connection"].to_numpy()]
        rows = frame[(never | ((limit > 0) & (answered > limit))) & frame["request_frame"].notna().to_numpy()]
        asked = rows["request_time"].to_numpy("M8[ns]").view("i8")
        return rows, asked, rows["connection"].to_numpy().astype(np.int64)

    def unanswered_at(self, connection: int, time: int) -> pd.DataFrame:
        """Exchanges of a connection that had been asked and not answered at the time of its closing."""
        rows, asked, numbers = self._long_open
        chosen: pd.DataFrame = rows[(numbers == connection) & (asked <= time)]
        return chosen

    def repeated(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which of some exchanges have the MessageId of another one on their connection, which was answered."""
        frame = self.exchanges
        found = [
            bool(
                (
                    (frame["connection"] == connection)
                    & (frame["message_id"] == message_id)
                    & frame["response_frame"].notna()
                    & (frame["request_frame"] != own)
                ).any()
            )
            for connection, message_id, own in zip(
                rows["connection"], rows["message_id"], rows["request_frame"], strict=True
            )
        ]
        return np.array(found, np.bool_)

    @cached_property
    def pending(self) -> pd.DataFrame:
        """Exchanges that were answered STATUS_PENDING first."""
        frame = self.exchanges
        return frame[frame["pending_time"].notna()]

    @cached_property
    def stillnesses(self) -> list[Stillness]:
        """When servers let their clients wait."""
        return list(stillnesses(self))

    def session_ids(self, connection: int) -> list[int]:
        """SessionIds of the sessions that the connection carried, in order of their begin."""
        frame = self.channels
        return [int(number) for number in frame.loc[frame["connection"] == connection, "session_id"].dropna()]

    def last_session_id(self, connection: int) -> int | None:
        """SessionId of the session that began last on the connection; None if it carried none."""
        return next(reversed(self.session_ids(connection)), None)

    def unfinished(self, connection: int, sender: int) -> LastMessage | None:
        """The last message of a direction, if it was never sent to its end; None if it was, or if there is none."""
        last = self.evidence.last_messages.of(connection, sender)
        return last if last is not None and last.end > self.evidence.tcp.sent_by(connection, sender, self.end) else None

    @cached_property
    def _peers(self) -> dict[tuple[Side, str], Peer]:
        return peers_of(self)

    def peer(self, connection: int, side: Side) -> Peer:
        """What kind of software the client or server of a connection is, as far as the capture shows it."""
        row = self.connections.iloc[connection]
        return self._peers.get((side, str(row["client_ip" if side is Side.CLIENT else "server_ip"])), Peer.UNKNOWN)

    def limit(self, timer: str, connection: int) -> int:
        """Nanoseconds of a timer for the peer of a connection that has it; a very long time for never."""
        seconds = self.policy.seconds(timer, self.peer(connection, self.policy.side(timer)))
        return round(min(seconds, _NEVER) * NANOSECONDS)

    def told(self, timer: str, connection: int) -> str:
        """The timer for the peer of a connection that has it, in words."""
        return self.policy.describe(timer, self.peer(connection, self.policy.side(timer)))

    def has_gap(self, connection: int) -> bool:
        """Whether bytes of the connection were sent but not captured: what seems to be missing may be in there."""
        return connection in self._with_gaps

    def saw_begin(self, connection: int) -> bool:
        """Whether the connection began inside of the capture."""
        return connection in self._begun_inside

    def near_end(self, time: int) -> bool:
        """Whether what should have followed `time` may have come after the capture ended."""
        return time > self.end - EDGE
