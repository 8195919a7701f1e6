"""The columns of every table of a comparison. Times are those of A's clock; A and B are the captures as given."""

import pandas as pd

from analyzer.tables.schema import DURATION, TIME, Column, Table

__all__ = [
    "APART",
    "CHANGES",
    "COUNTS",
    "DIFFERENCES",
    "ERRORS",
    "LATENCY",
    "LOST",
    "MATCHED",
    "PATHS",
    "TABLES",
    "VOLUME",
    "typed",
]

_CONNECTION = Column("connection", "int64", "number", "the connection, as numbered in A")
_SENDER = Column("sender", "category", "", "client or server")

PATHS = Table(
    "paths",
    "one direction of one connection that both captures have",
    (
        _CONNECTION,
        Column("connection_b", "int64", "number", "the same connection, as numbered in B"),
        Column("client", "string", "", "the client's address and port in A"),
        Column("server", "string", "", "the server's address and port in A"),
        _SENDER,
        Column("towards", "category", "", "B: its segments pass A first; A: they pass B first"),
        Column("matched", "int64", "segments", "that both captures have"),
        Column("lost", "int64", "segments", "that passed one capture and did not arrive at the other"),
        Column("lost_bytes", "int64", "bytes", "payload of these"),
        Column("not_captured", "int64", "segments", "that arrived and that the capture nearer to the sender lacks"),
        Column("forged_reset", "int64", "segments", "RSTs among these: something between sent them"),
        Column("resegmented", "int64", "segments", "whose bytes the other capture has in other pieces (offloading)"),
        Column("capture_edge", "int64", "segments", "that passed when the other capture did not run"),
        Column("shortest", DURATION, "", "the shortest delay from one capture to the other"),
        Column("median", DURATION, "", "the median delay"),
        Column("p99", DURATION, "", "the delay that one segment in a hundred exceeds"),
        Column("longest", DURATION, "", "the longest delay"),
    ),
    ("connection", "client", "server", "sender", "towards", "matched", "lost", "shortest", "median", "p99"),
)

LOST = Table(
    "lost",
    "a segment that one capture alone has, on a connection that both have",
    (
        Column("kind", "category", "", "lost, not_captured, forged_reset, resegmented or capture_edge, as in `paths`"),
        Column("seen_by", "category", "", "the capture that has it"),
        _CONNECTION,
        _SENDER,
        Column("time", TIME, "UTC", "when it was captured"),
        Column("frame", "int64", "frame", "its packet in the capture that has it"),
        Column("sequence", "int64", "", "its TCP sequence number"),
        Column("length", "int64", "bytes", "its payload"),
        Column("missing", "int64", "bytes", "payload that the other capture has in no other piece either"),
        Column("flags", "category", "", "its TCP flags"),
    ),
    ("kind", "seen_by", "connection", "sender", "time", "frame", "length", "flags"),
)

MATCHED = Table(
    "matched",
    "a segment that both captures have",
    (
        _CONNECTION,
        _SENDER,
        Column("time", TIME, "UTC", "when A captured it"),
        Column("delay", DURATION, "", "from one capture to the other"),
        Column("frame_a", "int64", "frame", "its packet in A"),
        Column("frame_b", "int64", "frame", "its packet in B"),
        Column("length", "int64", "bytes", "its payload"),
    ),
    ("connection", "sender", "time", "delay", "frame_a", "frame_b", "length"),
)

APART = Table(
    "apart",
    "a connection of which the other capture has no segment",
    (
        Column("seen_by", "category", "", "the capture that has it"),
        Column("connection", "int64", "number", "as numbered there"),
        Column("client", "string", "", "the client's address and port"),
        Column("server", "string", "", "the server's address and port"),
        Column("time", TIME, "UTC", "of its first packet, by the clock of the capture that has it"),
        Column("packets", "int64", "packets", "in both directions"),
    ),
    ("seen_by", "connection", "client", "server", "time", "packets"),
)

LATENCY = Table(
    "latency",
    "an SMB2 command",
    (
        Column("command", "string", "", "the command"),
        *(
            Column(f"{name}_{side}", dtype, unit, f"{meaning} in {side.upper()}")
            for name, dtype, unit, meaning in (
                ("count", "int64", "answers", "how many"),
                ("median", DURATION, "", "the median response time"),
                ("p90", DURATION, "", "the response time that one in ten exceeds"),
                ("p99", DURATION, "", "the response time that one in a hundred exceeds"),
                ("longest", DURATION, "", "the longest response time"),
            )
            for side in ("a", "b")
        ),
        Column("ratio", "Float64", "", "the median of B divided by that of A"),
    ),
    ("command", "count_a", "count_b", "median_a", "median_b", "p99_a", "p99_b"),
)

ERRORS = Table(
    "errors",
    "an error status of a command",
    (
        Column("command", "string", "", "the command"),
        Column("status", "string", "", "the status, or (unanswered)"),
        Column("count_a", "int64", "answers", "how many in A"),
        Column("count_b", "int64", "answers", "how many in B"),
        Column("difference", "int64", "answers", "how many more in B"),
    ),
    ("command", "status", "count_a", "count_b", "difference"),
)

VOLUME = Table(
    "volume",
    "a capture",
    (
        Column("capture", "string", "", "A or B"),
        Column("length", DURATION, "", "from the first packet to the last"),
        Column("connections", "int64", "connections", "how many"),
        Column("sessions", "int64", "sessions", "how many"),
        Column("requests", "int64", "requests", "how many"),
        Column("read", "int64", "bytes", "moved by READ"),
        Column("written", "int64", "bytes", "moved by WRITE"),
        Column("rate", "int64", "bytes/s", "what was read and written, by the length"),
    ),
    ("capture", "length", "connections", "sessions", "requests", "read", "written", "rate"),
)

CHANGES = Table(
    "changes",
    "a rule that found something",
    (
        Column("change", "category", "", "appeared, more, same, fewer or gone in B"),
        Column("severity", "category", "", "info, warning, error or security"),
        Column("rule", "string", "", "the rule (docs/findings.md)"),
        Column("title", "string", "", "what it finds"),
        Column("count_a", "int64", "findings", "how many in A"),
        Column("count_b", "int64", "findings", "how many in B"),
    ),
    ("change", "severity", "rule", "title", "count_a", "count_b"),
)

COUNTS = Table(
    "counts",
    "a kind of SMB2 message",
    (
        Column("command", "string", "", "the command"),
        Column("is_response", "bool", "", "whether it is an answer"),
        Column("status", "string", "", "the status of an answer"),
        Column("sessionscope", "int64", "messages", "that this program shows"),
        Column("tshark", "int64", "messages", "that tshark shows"),
        Column("difference", "int64", "messages", "how many more this program shows"),
    ),
    ("command", "is_response", "status", "sessionscope", "tshark", "difference"),
)

DIFFERENCES = Table(
    "differences",
    "a message that one program shows in a frame and the other does not",
    (
        Column("frame", "int64", "frame", "the packet that completes it"),
        Column("shown_by", "category", "", "sessionscope or tshark"),
        Column("command", "string", "", "the command"),
        Column("is_response", "bool", "", "whether it is an answer"),
        Column("status", "string", "", "the status of an answer"),
        Column("count", "int64", "messages", "how many"),
    ),
    ("frame", "shown_by", "command", "is_response", "status", "count"),
)

TABLES = {
    table.name: table for table in (PATHS, LOST, MATCHED, APART, LATENCY, ERRORS, VOLUME, CHANGES, COUNTS, DIFFERENCES)
}


def typed(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The declared columns of a table in their order and types."""
    return frame[list(table.names)].astype({column.name: column.dtype for column in table.columns})
