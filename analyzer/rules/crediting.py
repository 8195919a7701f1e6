"""MessageIds and credits: what clients may ask, and what servers must grant (MS-SMB2 3.3.1.1, 3.3.1.2)."""

from collections.abc import Iterator

from analyzer.evidence.conduct import Breach
from analyzer.evidence.sequence import Misnumbering
from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.rules.telling import answered, command_name, grouped, tell, tell_of_rows, tell_of_setup
from analyzer.rules.words import clock, count, ends
from parsers import ntstatus
from parsers.smb2.header import Command

__all__ = ["RULES"]

_SERVED = ("STATUS_SUCCESS", "STATUS_BUFFER_OVERFLOW", "STATUS_PENDING")


def _misnumbered(case: Case) -> Iterator[Found]:
    """CRED-01."""
    rows = case.evidence.sequence.rows
    rows = rows[[int(number) in case.evidence.credits.known for number in rows["connection"].tolist()]]
    for kind, words in (
        (Misnumbering.OUTSIDE, "outside of the window that the server had granted"),
        (Misnumbering.REUSED, "that it had used before"),
    ):
        for mine in grouped(rows[rows["kind"] == kind]):
            client, server = ends(case, int(mine["connection"][0]))
            first = mine[0]
            yield tell_of_rows(
                case, mine,
                f"{client} sent a {command_name(int(first['command']))} with MessageId {int(first['message_id']):,}, "
                f"{words}.",
                f"{server} had granted MessageIds below {int(first['granted']):,}, CreditCharge was "
                f"{int(first['charge'])}",
            )  # fmt: skip


def _undercharged(case: Case) -> Iterator[Found]:
    """CRED-02."""
    for mine, status in answered(case, case.evidence.conduct.of(Breach.CHARGE_TOO_LOW)):
        connection = int(mine["connection"][0])
        client, server = ends(case, connection)
        taken = any(one in _SERVED for one in status.tolist())
        yield tell_of_rows(
            case, mine,
            f"{client} asked for {int(mine['value'][0]):,} bytes in one {command_name(int(mine['command'][0]))} and "
            f"paid for less"
            + (f"; {server} served it all the same." if taken else "."),
            "CreditCharge has to be one for each 65,536 bytes",
            severity=None if not taken else Severity.WARNING,
            total=case.evidence.conduct.counts[int(Breach.CHARGE_TOO_LOW), connection],
        )  # fmt: skip


def _left_without(case: Case) -> Iterator[Found]:
    """CRED-03."""
    for exchange in case.evidence.logons:
        response = exchange.response
        if exchange.command != Command.NEGOTIATE or response is None:
            continue
        if response.header.credits == 0 and exchange.status == ntstatus.STATUS_SUCCESS:
            yield tell_of_setup(
                case, exchange,
                f"{ends(case, exchange.connection)[1]} granted no credit in its NEGOTIATE response: the client may ask "
                f"nothing more.",
                "CreditResponse 0",
            )  # fmt: skip
    series = case.evidence.credits.series
    empty = series[(series["available"] <= 0) & (series["outstanding"] == 0)]
    for connection in sorted(set(empty["connection"].tolist()) & case.evidence.credits.known):
        mine = empty[empty["connection"] == connection]
        client, server = ends(case, connection)
        closed = case.evidence.decoded.connections[connection].closed_time
        first = mine[0]
        if case.near_end(int(first["time"])) and closed is None:
            continue
        yield tell(
            case, int(first["time"]), connection, None, (int(first["frame"]),),
            f"{server} left {client} without a single credit while nothing was under way: the client can never ask "
            f"again.",
            f"credits 0, requests without an answer 0, at {clock(int(first['time']))}; "
            f"{count(len(mine), 'such moment')}",
        )  # fmt: skip


def _granted_twice(case: Case) -> Iterator[Found]:
    """CRED-04."""
    for mine in grouped(case.evidence.conduct.of(Breach.CREDITS_TWICE)):
        connection = int(mine["connection"][0])
        yield tell_of_rows(
            case, mine,
            f"{ends(case, connection)[1]} granted {int(mine['value'][0])} credits in a final answer whose interim "
            f"response had granted them.",
            "CreditResponse of an asynchronous final response is 0",
            total=case.evidence.conduct.counts[int(Breach.CREDITS_TWICE), connection],
        )  # fmt: skip


_UPDATE = "Update the side that is at fault, or ask its maker."

RULES = (
    Rule("CRED-01", "a MessageId that may not be used", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.2.3",
         "Every MessageId is used once, and none before the server has granted the credits for it. A server drops the "
         "connection over it. A message that somebody replays shows in the same way.",
         _UPDATE, _misnumbered),
    Rule("CRED-02", "a request that pays too few credits", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.2.5",
         "From 2.1 on, with large MTU, a request costs one credit for each 64 KiB that it moves either way; less is "
         "refused with STATUS_INVALID_PARAMETER. Where the server serves it, this is a warning.",
         _UPDATE, _undercharged),
    Rule("CRED-03", "a client that has no credits left for ever", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.1.2",
         "A server must never take the last credit of a client that has nothing under way: nothing could ever bring "
         "one back. Shorter wants are `credit_starvation`.",
         _UPDATE, _left_without),
    Rule("CRED-04", "credits granted twice for one request", Severity.INFO, Party.SERVER, "MS-SMB2 3.3.4.2, 3.3.4.4",
         "The interim response carries all the credits of an asynchronous request, and its final response none. "
         "Nothing breaks if both do, the client's window only grows, so this is info.",
         "", _granted_twice),
)  # fmt: skip
