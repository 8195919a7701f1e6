"""The form of messages, compounds and their sizes; trees that are not connected; stale channel sequences."""

from collections.abc import Iterator

import numpy as np

from analyzer.evidence.conduct import Breach
from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.rules.telling import answered, command_name, grouped, tell, tell_of_rows
from analyzer.rules.words import count, ends
from parsers.smb2.header import Command
from parsers.transport.connections import CLIENT

__all__ = ["RULES"]

_GONE = ("STATUS_NETWORK_NAME_DELETED", "STATUS_USER_SESSION_DELETED", "STATUS_NETWORK_SESSION_EXPIRED",
         "STATUS_ACCESS_DENIED")  # fmt: skip
_SEQUENCED = (Command.WRITE, Command.SET_INFO, Command.IOCTL)
_FAULTS = ("shorter than an SMB2 header", "not an SMB2 header", "NextCommand")
_SLACK = 10_000_000  # ns between a TREE_DISCONNECT and what was on its way


def _unknown_tree(case: Case) -> Iterator[Found]:
    """TREE-01."""
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for (number, tree_id), use in case.evidence.trees.items():
        session = sessions[number]
        if session.setup_status is None or case.has_gap(use.connection) or not case.saw_begin(use.connection):
            continue
        trees = [tree for tree in session.tree_connect_table if tree.tree_id == tree_id]
        gone = [tree.disconnected for tree in trees if tree.disconnected is not None]
        if len(gone) < len(trees) or (trees and use.last <= max(gone) + _SLACK):
            continue
        frame, since = case.exchanges, max(gone) if gone else 0
        mine = frame[frame["session_id"].eq(session.session_id).fillna(value=False)]
        mine = mine[mine["tree_id"].eq(tree_id).fillna(value=False) & mine["response_frame"].notna()]
        mine = mine[mine["request_time"].to_numpy("M8[ns]").view("i8") > since]
        names, statuses = mine["command"].astype("object"), mine["status"].astype("object")
        mine = mine[~names.isin(["TREE_CONNECT", "SESSION_SETUP", "LOGOFF", "ECHO", "CANCEL", "OPLOCK_BREAK"])]
        mine = mine[~statuses.loc[mine.index].isin(_GONE)]
        if len(mine):
            client, server = ends(case, use.connection)
            yield tell(
                case, int(mine["request_time"].iloc[0].value), use.connection, number,
                mine["request_frame"].dropna().astype(int).tolist()[:5],
                f"{server} answered {mine['command'].iloc[0]} of {client} with {mine['status'].iloc[0]} on tree "
                f"0x{tree_id:x}, which " + ("it had disconnected." if gone else "was never connected."),
                f"{count(len(mine), 'request')}; STATUS_NETWORK_NAME_DELETED is the answer to an unknown TreeId",
                severity=None if (mine["status"].astype("object") == "STATUS_SUCCESS").any() else Severity.INFO,
            )  # fmt: skip


def _stale_sequence(case: Case) -> Iterator[Found]:
    """CHSQ-01."""
    rows = case.evidence.conduct.of(Breach.CHANNEL_STALE)
    rows = rows[np.isin(rows["command"], _SEQUENCED)]
    for mine, status in answered(case, rows):
        served = mine[status == "STATUS_SUCCESS"]
        if len(served):
            client, server = ends(case, int(mine["connection"][0]))
            yield tell_of_rows(
                case, served,
                f"{server} served a {command_name(int(served['command'][0]))} of {client} with ChannelSequence "
                f"{int(served['value'][0])}, which is of before a channel was lost: it may undo what came later.",
                "STATUS_FILE_NOT_AVAILABLE is the answer to a stale ChannelSequence",
            )  # fmt: skip


def _compounds(case: Case) -> Iterator[Found]:
    """CMPD-01."""
    words = {
        Breach.MISALIGNED: "put a message of a compound where it does not begin at a multiple of eight",
        Breach.MIXED: "mixed related and unrelated requests in one compound",
        Breach.RELATED_FIRST: "marked a request as related that nothing goes before",
    }
    for kind, what in words.items():
        for mine in grouped(case.evidence.conduct.of(kind)):
            connection, sender = int(mine["connection"][0]), int(mine["sender"][0])
            field = f"NextCommand {int(mine['value'][0])}" if kind == Breach.MISALIGNED else "RELATED_OPERATIONS"
            yield tell_of_rows(
                case, mine,
                f"{ends(case, connection)[sender]} {what} (first a {command_name(int(mine['command'][0]))}).",
                field,
                total=case.evidence.conduct.counts[int(kind), connection],
            )  # fmt: skip


def _malformed(case: Case) -> Iterator[Found]:
    """FMT-01."""
    for mine in grouped(case.evidence.conduct.of(Breach.UNKNOWN_COMMAND)):
        side = ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
        yield tell_of_rows(
            case, mine, f"{side} sent a message with the unknown command 0x{int(mine['value'][0]):x}.",
            "a receiver drops the connection without an answer",
        )  # fmt: skip
    for place in case.evidence.decoded.undecoded:
        if place.connection is None or place.layer != "SMB2" or not place.reason.startswith(_FAULTS):
            continue
        if case.has_gap(place.connection) or not case.saw_begin(place.connection):
            continue
        side = ends(case, place.connection)[place.sender]
        yield tell(
            case, _time_of(case, place.connection), place.connection, None, (place.frame,),
            f"{side} sent something that is no SMB2 message: {place.reason}.",
            f"frame {place.frame}, {place.length:,} bytes at offset {place.position:,} of what it sent",
            severity=None if place.sender == CLIENT else Severity.WARNING,
        )  # fmt: skip


def _too_large(case: Case) -> Iterator[Found]:
    """SZ-01."""
    for mine in grouped(case.evidence.conduct.of(Breach.TOO_LARGE)):
        yield tell_of_rows(
            case, mine,
            f"{ends(case, int(mine['connection'][0]))[0]} sent a {command_name(int(mine['command'][0]))} of "
            f"{int(mine['value'][0]):,} bytes, more than a server has to take.",
            "MaxTransactSize and 256 bytes, or 68 KiB for a command that costs one credit",
        )  # fmt: skip


def _time_of(case: Case, connection: int) -> int:
    return int(case.connections["start"].iloc[connection].value)


_UPDATE = "Update the side that is at fault, or ask its maker."

RULES = (
    Rule("TREE-01", "a request on a tree that is not connected", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.2.11",
         "A TreeId that the session does not have is answered STATUS_NETWORK_NAME_DELETED. Another error is info.",
         _UPDATE, _unknown_tree),
    Rule("CHSQ-01", "a stale request that was served", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.2.10",
         "After a channel was lost, the client counts ChannelSequence up and repeats what it had asked. What still "
         "comes with the old number must not be done any more.",
         _UPDATE, _stale_sequence),
    Rule("CMPD-01", "a compound that is put together wrongly", Severity.WARNING, Party.CLIENT, "MS-SMB2 3.3.5.2.7",
         "Messages of a compound begin at multiples of eight; related and unrelated ones are not mixed, and the first "
         "is related to nothing.",
         _UPDATE, _compounds),
    Rule("FMT-01", "bytes that are no SMB2 message", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.2.6",
         "A message shorter than its header, with another structure, or with an unknown command: the receiver drops "
         "the connection.",
         _UPDATE, _malformed),
    Rule("SZ-01", "a message that is too large", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.2",
         "The server said in NEGOTIATE how much it takes; more makes it drop the connection.",
         _UPDATE, _too_large),
)  # fmt: skip
