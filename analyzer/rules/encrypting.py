"""Encryption and compression: transform headers, plain text where none may be, nonces, damage."""

from collections.abc import Iterator

import numpy as np

from analyzer.evidence.conduct import Breach
from analyzer.evidence.seals import Missealing
from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.rules.telling import answered, command_name, grouped, tell, tell_of_rows, tell_of_setup
from analyzer.rules.words import count, ends
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.session_setup import SessionSetupFlags, SessionSetupRequest
from parsers.smb2.transform import CompressionAlgorithm

__all__ = ["RULES"]

_HEADERS = {
    Missealing.FLAGS: "with Flags 0x{value:x} instead of 1",
    Missealing.SIZE: "whose OriginalMessageSize of {value:,} is not what follows",
    Missealing.NO_SESSION: "whose SessionId 0x{value:x} names no session",
}
_CANNOT = "compressed, and cannot be decompressed: "


def _wrong_header(case: Case) -> Iterator[Found]:
    """ENC-01."""
    rows = case.evidence.seals.rows
    for kind, words in _HEADERS.items():
        for mine in grouped(rows[rows["kind"] == kind]):
            side = ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
            yield tell_of_rows(
                case, mine, f"{side} sent an encrypted message {words.format(value=int(mine['value'][0]))}.",
                "SMB2 TRANSFORM_HEADER",
                severity=Severity.INFO if kind == Missealing.NO_SESSION else None,
            )  # fmt: skip


def _nonce_again(case: Case) -> Iterator[Found]:
    """ENC-02."""
    again, before = case.evidence.seals.repeats
    firsts = dict(zip(again["frame"].tolist(), before, strict=True))
    for mine in grouped(again):
        first, row = firsts[int(mine["frame"][0])], mine[0]
        sides, sender = ends(case, int(row["connection"])), int(row["sender"])
        same = first["tag"] == row["tag"]
        yield tell_of_rows(
            case, mine,
            f"An encrypted message of {sides[sender]} came a second time: somebody has recorded and replayed it."
            if same
            else f"{sides[sender]} encrypted two messages with one nonce: whoever sees both learns what is in them.",
            f"the nonce of frame {int(row['frame'])} was used in frame {int(first['frame'])}, under the same key"
            + (", and everything else is the same as well" if same else ""),
        )  # fmt: skip


def _other_session_inside(case: Case) -> Iterator[Found]:
    """ENC-03."""
    rows = case.evidence.seals.rows
    for mine in grouped(rows[rows["kind"] == Missealing.INNER_SESSION]):
        inner, side = int(mine["value"][0]), ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
        yield tell_of_rows(
            case, mine, f"{side} encrypted a message of session 0x{inner:x} with the key of another one.",
            "SessionId of the transform header and of the first message inside differ",
            severity=Severity.WARNING if inner == 0 else None,
        )  # fmt: skip


def _no_smb2_inside(case: Case) -> Iterator[Found]:
    """ENC-04."""
    rows = case.evidence.seals.rows
    for mine in grouped(rows[rows["kind"] == Missealing.NOT_SMB2]):
        side = ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
        yield tell_of_rows(
            case, mine, f"What {side} has encrypted is no SMB2 message.",
            "the tag fits, and what was inside begins with something else",
        )  # fmt: skip


def _plain_answers(case: Case) -> Iterator[Found]:
    """ENC-05."""
    for mine in grouped(case.evidence.conduct.of(Breach.PLAIN_RESPONSE)):
        connection, number = int(mine["connection"][0]), int(mine["session"][0])
        session = None if number < 0 else case.evidence.decoded.smb2.tracker.sessions[number]
        ended = None if session is None else session.ended_time
        good = mine[mine["status"] == 0]
        gone = ended is not None and int(mine["time"].min()) >= ended
        gone |= bool((mine["status"] == ntstatus.STATUS_USER_SESSION_DELETED).all())
        yield tell_of_rows(
            case, mine,
            f"{ends(case, connection)[1]} answered encrypted requests in plain text (first a "
            f"{command_name(int(mine['command'][0]))}).",
            f"{count(len(good), 'of them')} with success" if len(good) else "errors only",
            severity=None if len(good) else Severity.INFO if gone else Severity.WARNING,
        )  # fmt: skip


def _plain_requests(case: Case) -> Iterator[Found]:
    """ENC-06."""
    for mine, status in answered(case, case.evidence.conduct.of(Breach.PLAIN_REQUEST)):
        client, server = ends(case, int(mine["connection"][0]))
        taken = np.count_nonzero(status == "STATUS_SUCCESS")
        yield tell_of_rows(
            case, mine,
            f"{client} sent plain text (first a {command_name(int(mine['command'][0]))}) where everything has to be "
            f"encrypted; {server} "
            + (f"served {taken} of them." if taken else f"answered {status[0] or 'nothing'}."),
            "the session, or the share, was announced as encrypted",
            severity=None if taken else Severity.WARNING,
        )  # fmt: skip


def _wrongly_encrypted(case: Case) -> Iterator[Found]:
    """ENC-07; bindings are told of by BIND-02."""
    for exchange in case.evidence.logons:
        request = exchange.request
        if request is None or not request.encrypted:
            continue
        body = request.body
        first = isinstance(body, SessionSetupRequest) and request.header.session_id == 0
        binding = isinstance(body, SessionSetupRequest) and bool(body.flags & SessionSetupFlags.BINDING)
        if exchange.command == Command.NEGOTIATE or (first and not binding):
            yield tell_of_setup(
                case, exchange,
                f"{ends(case, exchange.connection)[0]} encrypted a {command_name(exchange.command)}, for which no "
                f"session has a key.",
                "NEGOTIATE and the logon itself are never encrypted",
            )  # fmt: skip
    for session in case.evidence.decoded.smb2.tracker.sessions:
        encrypted = session.opened + session.closed
        if not session.is_guest or not encrypted:
            continue
        yield tell(
            case, session.creation_time or case.begin, session.connection.number, session.number,
            (session.first_frame,) if session.first_frame else (),
            f"{count(encrypted, 'encrypted message')} in the session of a guest, who has no key.",
            "SMB2_SESSION_FLAG_IS_GUEST",
        )  # fmt: skip


def _signed_inside(case: Case) -> Iterator[Found]:
    """ENC-08."""
    rows = case.evidence.seals.rows
    for mine in grouped(rows[rows["kind"] == Missealing.SIGNED_INSIDE]):
        side = ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
        yield tell_of_rows(
            case, mine, f"{side} signs what it also encrypts.",
            f"SMB2_FLAGS_SIGNED or a Signature inside (first a {command_name(int(mine['value'][0]))})",
        )  # fmt: skip


def _damaged(case: Case) -> Iterator[Found]:
    for mine in grouped(case.evidence.conduct.of(Breach.DAMAGED)):
        connection, sender = int(mine["connection"][0]), int(mine["sender"][0])
        sides = ends(case, connection)
        yield tell_of_rows(
            case, mine,
            f"An encrypted message of {sides[sender]} was changed on its way to {sides[1 - sender]}: the key is right "
            f"and the tag does not fit.",
            "other messages of the session are opened by this key",
            total=case.evidence.conduct.counts[int(Breach.DAMAGED), connection],
        )  # fmt: skip


def _cannot_decompress(case: Case) -> Iterator[Found]:
    """COMP-01 and COMP-02 share what the decoder says."""
    yield from _undecompressed(case, oversized=False)
    yield from _not_negotiated(case)


def _too_large_plain(case: Case) -> Iterator[Found]:
    """COMP-02."""
    yield from _undecompressed(case, oversized=True)


def _undecompressed(case: Case, *, oversized: bool) -> Iterator[Found]:
    for place in case.evidence.decoded.undecoded:
        if place.connection is None or not place.reason.startswith(_CANNOT):
            continue
        why = place.reason.removeprefix(_CANNOT)
        if ("bytes allowed" in why) is not oversized:
            continue
        side = ends(case, place.connection)[place.sender]
        yield tell(
            case, case.begin, place.connection, None, (place.frame,),
            f"{side} sent a compressed message that "
            + ("would become larger than any may be." if oversized else f"cannot be decompressed: {why}."),
            f"frame {place.frame}, {place.length:,} bytes: {why}",
        )  # fmt: skip


def _not_negotiated(case: Case) -> Iterator[Found]:
    connections = case.evidence.decoded.smb2.tracker.connections
    for (number, algorithm), first in case.evidence.openings.compressed.items():
        smb = connections[number]
        if smb.negotiate_response is None:
            continue
        known = smb.compression
        if known and (algorithm is None or algorithm in known):
            continue
        what = "Compressed messages" if algorithm is None else CompressionAlgorithm(algorithm).name
        yield tell(
            case, first.time, number, None, (first.frame,),
            f"{ends(case, number)[first.sender]} compresses although that was not negotiated ({what}).",
            f"negotiated: {', '.join(CompressionAlgorithm(one).name for one in known) or 'nothing'}",
        )  # fmt: skip


def _oddly_compressed(case: Case) -> Iterator[Found]:
    """COMP-03."""
    for mine in grouped(case.evidence.conduct.of(Breach.SMALL_COMPRESSED)):
        side = ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
        yield tell_of_rows(
            case, mine,
            f"{side} compresses messages that Windows would not (first a {command_name(int(mine['command'][0]))} of "
            f"{int(mine['value'][0]):,} bytes).",
            "requests of 4096 bytes and less, NEGOTIATE, SESSION_SETUP, or acknowledgments of breaks",
        )  # fmt: skip


_UPDATE = "Update the side that is at fault, or ask its maker."

RULES = (
    Rule("ENC-01", "a wrong transform header", Severity.ERROR, Party.EITHER, "MS-SMB2 3.3.5.2.1.1, 2.2.41",
         "Flags is 1, OriginalMessageSize is the length of what is encrypted, and SessionId names the session whose "
         "key it is. A SessionId of 0, as impacket sends it behind LOGOFF, is info: the receiver just drops it.",
         _UPDATE, _wrong_header),
    Rule("ENC-02", "a nonce that was used before", Severity.SECURITY, Party.NETWORK, "MS-SMB2 2.2.41, 3.1.4.3",
         "Under one key no nonce comes twice. A whole message that comes again was recorded and replayed; another "
         "message with the same nonce is a fault of its sender that opens both of them to everybody.",
         "A replay is refused by its MessageId; find out who sends it. A sender that repeats nonces has to be updated.",
         _nonce_again),
    Rule("ENC-03", "a message encrypted for another session", Severity.ERROR, Party.EITHER,
         "MS-SMB2 3.3.5.2.1.1",
         "The SessionId of the first message inside is that of the transform header. An inner 0 is a warning.",
         _UPDATE, _other_session_inside),
    Rule("ENC-04", "no SMB2 message in an encrypted one", Severity.ERROR, Party.EITHER,
         "MS-SMB2 3.3.5.2.1.1, 3.2.5.1.1.1",
         "An encrypted message holds SMB2 messages, or a compressed one, and never a further encrypted one.",
         _UPDATE, _no_smb2_inside),
    Rule("ENC-05", "plain answers to encrypted requests", Severity.SECURITY, Party.SERVER, "MS-SMB2 3.3.4.1.4",
         "What was asked encrypted is answered encrypted. Errors alone are a warning: a server that has lost the "
         "session has no key any more, and where the session had ended it is info.",
         _UPDATE, _plain_answers),
    Rule("ENC-06", "plain requests where everything is encrypted", Severity.SECURITY, Party.EITHER,
         "MS-SMB2 3.3.5.2.9, 3.3.5.2.11",
         "Session or share demand encryption. A server refuses plain requests with STATUS_ACCESS_DENIED (then this is "
         "a warning); one that serves them gives away what was to be kept.",
         "Set-SmbServerConfiguration -RejectUnencryptedAccess $true; update the client.", _plain_requests),
    Rule("ENC-07", "encryption where there is no key", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.2.4.1.8",
         "NEGOTIATE, the first logon, and the sessions of guests have no key.",
         _UPDATE, _wrongly_encrypted),
    Rule("ENC-08", "a signature inside of an encrypted message", Severity.INFO, Party.EITHER, "MS-SMB2 3.1.4.1",
         "The tag of the transform header protects the message, so it has no signature of its own. Some clients sign "
         "all the same; receivers do not look at it, so this is info.",
         "", _signed_inside),
    Rule("damaged_message", "an encrypted message was changed on its way", Severity.SECURITY, Party.NETWORK,
         "MS-SMB2 3.3.5.2.1.1",
         "The key opens other messages of the session and this one does not fit its tag: bytes were changed. A "
         "receiver drops the connection.",
         "Find out what stands between the two: a broken device, or somebody who tampers.", _damaged),
    Rule("COMP-01", "a compressed message that breaks the rules", Severity.ERROR, Party.EITHER,
         "MS-SMB2 3.3.5.2.1.2",
         "The algorithm was negotiated, the sizes come true, and an SMB2 message comes out.",
         _UPDATE, _cannot_decompress),
    Rule("COMP-02", "a compressed message that would grow too large", Severity.SECURITY, Party.EITHER,
         "MS-SMB2 3.3.5.2.1.2",
         "A few bytes that claim to become a great many are how receivers are made to run out of memory.",
         "Find out who sends it.", _too_large_plain),
    Rule("COMP-03", "compression that gains nothing", Severity.INFO, Party.CLIENT, "MS-SMB2 3.1.4.4, notes 101, 124",
         "Windows compresses no requests up to 4096 bytes, and nothing that the preauthentication hash covers.",
         "", _oddly_compressed),
)  # fmt: skip
