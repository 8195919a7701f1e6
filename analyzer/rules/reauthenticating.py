"""Re-authentications and bindings: what their requests say, and how they are protected."""

from collections.abc import Iterator

from analyzer.events.kinds import Kind
from analyzer.events.logon import LogonRun
from analyzer.evidence.conduct import Breach
from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.rules.telling import grouped, tell, tell_of_rows, tell_of_setup
from analyzer.rules.words import clock, ends
from parsers import ntstatus
from parsers.smb2.dialects import Dialect
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.session import Session
from parsers.smb2.session_setup import SessionSetupRequest
from parsers.times import NANOSECONDS
from parsers.verdicts import Signature

__all__ = ["RULES"]

_DELETED, _INVALID = (ntstatus.STATUS_USER_SESSION_DELETED,), (ntstatus.STATUS_INVALID_PARAMETER,)
_NOT_SUPPORTED, _NOT_ACCEPTED = (ntstatus.STATUS_NOT_SUPPORTED,), (ntstatus.STATUS_REQUEST_NOT_ACCEPTED,)
_NO_CHANNELS = (*_NOT_ACCEPTED, *_DELETED)  # note 290
_BOTH_MODES = "SecurityMode 3"
_OTHER_DIALECT = (*_INVALID, ntstatus.STATUS_ACCESS_DENIED)  # whose signature cannot be checked, perhaps
_MODES = (SecurityMode.SIGNING_ENABLED, SecurityMode.SIGNING_REQUIRED)


def _wrong_fields(case: Case) -> Iterator[Found]:
    """REAU-01."""
    for run in _runs(case, "reauthentication"):
        for leg in run.legs:
            body = None if leg.request is None else leg.request.body
            if not isinstance(body, SessionSetupRequest):
                continue
            wrong = []
            if body.flags:
                wrong.append(f"Flags 0x{int(body.flags):x}")
            if body.previous_session_id:
                wrong.append(f"PreviousSessionId 0x{body.previous_session_id:x}")
            if body.security_mode not in _MODES:
                wrong.append(f"SecurityMode {int(body.security_mode)}")
            if wrong:
                yield tell_of_setup(
                    case, leg,
                    f"{ends(case, run.connection)[0]} authenticates its session again with {' and '.join(wrong)}.",
                    "Flags and PreviousSessionId are 0 there, SecurityMode 1 or 2",
                    severity=Severity.INFO if wrong == [_BOTH_MODES] else None,
                )  # fmt: skip
                break


def _other_keys(case: Case) -> Iterator[Found]:
    """REAU-02."""
    for number, since in _keys_changed(case).items():
        rows = case.evidence.conduct.of(Breach.BAD_SIGNATURE, Breach.DAMAGED)
        rows = rows[(rows["session"] == number) & (rows["time"] > since)]
        for mine in grouped(rows):
            side = "client and server" if len(set(mine["sender"].tolist())) == 2 else (
                ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
            )  # fmt: skip
            yield tell_of_rows(
                case, mine,
                f"Since the session was authenticated again, {side} use other keys than before.",
                f"re-authenticated at {clock(since)}; before, everything fitted",
            )  # fmt: skip


def _keys_changed(case: Case) -> dict[int, int]:
    """Sessions of which nothing fits any more since a re-authentication, by number, and when that was."""
    rows = case.evidence.conduct.of(Breach.BAD_SIGNATURE, Breach.DAMAGED)
    found: dict[int, int] = {}
    for event in case.timeline.of(Kind.REAUTH_SUCCEEDED):
        mine = rows[rows["session"] == event.session]
        if event.session is not None and len(mine) and int(mine["time"].min()) > event.time:
            found.setdefault(event.session, event.time)
    return found


def _not_accepted(case: Case) -> Iterator[Found]:
    """REAU-03."""
    for run in _runs(case, "reauthentication"):
        if run.outcome == ntstatus.STATUS_REQUEST_NOT_ACCEPTED:
            yield tell_of_setup(
                case, run.legs[-1],
                f"{ends(case, run.connection)[1]} does not let a valid session be authenticated again: its clients "
                f"have to wait until it expires.",
                "SESSION_SETUP of a valid session answered STATUS_REQUEST_NOT_ACCEPTED",
            )  # fmt: skip


def _plain_legs(case: Case) -> Iterator[Found]:
    """REAU-04."""
    for run in _runs(case, "reauthentication"):
        session = _session(case, run)
        plain = [leg for leg in run.legs if leg.request is not None and not leg.request.encrypted]
        if session is not None and session.encrypt_data and plain:
            yield tell_of_setup(
                case, plain[0],
                f"{ends(case, run.connection)[0]} authenticates its encrypted session again in plain text.",
                f"SMB2_SESSION_FLAG_ENCRYPT_DATA is set, and SESSION_SETUP is not encrypted; answered "
                f"{_status(plain[0])}",
            )  # fmt: skip


def _wrong_binding(case: Case) -> Iterator[Found]:
    """BIND-01."""
    for run in _runs(case, "binding"):
        master, own = _session(case, run), case.evidence.decoded.smb2.tracker.connections[run.connection]
        if master is None or master.connection is own or master.connection.dialect is None or own.dialect is None:
            continue
        wrong = []
        if own.dialect < Dialect.SMB_3_0:
            wrong.append(f"SMB {Dialect(own.dialect).display} has no channels")
        elif own.dialect != master.connection.dialect:
            dialects = Dialect(own.dialect).display, Dialect(master.connection.dialect).display
            wrong.append(f"the dialect is {dialects[0]} here and {dialects[1]} there")
        first, second = master.connection.negotiate_request, own.negotiate_request
        if first is not None and second is not None and first.client_guid != second.client_guid:
            wrong.append("the ClientGuid is another one")
        if wrong:
            yield tell_of_setup(
                case, run.legs[0],
                f"{ends(case, run.connection)[0]} binds a connection to a session that does not fit: "
                f"{' and '.join(wrong)}.",
                f"SMB2_SESSION_FLAG_BINDING, answered {_status(run.legs[-1])}",
                severity=None if run.succeeded else Severity.WARNING,
            )  # fmt: skip


def _badly_protected(case: Case) -> Iterator[Found]:
    """BIND-02."""
    for run in _runs(case, "binding"):
        for leg in run.legs:
            request = leg.request
            if request is None or (
                request.signed and not request.encrypted and request.signature is not Signature.INVALID
            ):
                continue
            how = (
                "encrypted" if request.encrypted else "not signed" if not request.signed else "signed with another key"
            )
            yield tell_of_setup(
                case, leg,
                f"{ends(case, run.connection)[0]} binds a connection with a request that is {how}.",
                f"every SESSION_SETUP of a binding is signed with the session's own key, and none is encrypted; "
                f"answered {_status(leg)}",
                severity=Severity.WARNING if leg.status and leg.status >= 0xC0000000
                and leg.status != ntstatus.STATUS_MORE_PROCESSING_REQUIRED else None,
            )  # fmt: skip
            break


def _badly_answered(case: Case) -> Iterator[Found]:
    """BIND-03."""
    for run in _runs(case, "binding"):
        for leg in run.legs:
            response = leg.response
            if response is None or leg.status not in (0, ntstatus.STATUS_MORE_PROCESSING_REQUIRED):
                continue
            if response.signed and response.signature is not Signature.INVALID:
                continue
            how = "signed with another key" if response.signed else "not signed"
            yield tell_of_setup(
                case, leg,
                f"The answer of {ends(case, run.connection)[1]} to a binding is {how}.",
                f"SESSION_SETUP response {_status(leg)} in frame {response.frame}",
            )  # fmt: skip
            break


def _wrong_code(case: Case) -> Iterator[Found]:
    """BIND-04."""
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for run in _runs(case, "binding"):
        leg, expected = run.legs[0], _expected(case, run)
        if expected is None or leg.status is None or leg.status in expected[0] or run.session is None:
            continue
        served = leg.status in (0, ntstatus.STATUS_MORE_PROCESSING_REQUIRED)
        what = "let it go on" if served else f"answered {_status(leg)}"
        yield tell_of_setup(
            case, leg,
            f"{ends(case, run.connection)[1]} {what} when a connection was to be bound and {expected[1]}: "
            f"{ntstatus.name(expected[0][0])} would be right.",
            f"first SESSION_SETUP of a binding to session 0x{sessions[run.session].session_id:x}",
            severity=None if served else Severity.INFO,
        )  # fmt: skip


def _other_cipher(case: Case) -> Iterator[Found]:
    """BIND-05."""
    for session in case.evidence.decoded.smb2.tracker.sessions:
        for channel in session.channel_list[1:]:
            own = channel.connection.cipher
            if session.dialect != Dialect.SMB_3_1_1 or channel.bound is None or own == session.connection.cipher:
                continue
            yield tell(
                case, channel.bound, channel.connection.number, session.number, (),
                f"{ends(case, channel.connection.number)[1]} took another cipher for a further connection of a session "
                f"than for its first one.",
                f"ciphers {own} and {session.connection.cipher} (MS-SMB2 2.2.3.1.2)",
            )  # fmt: skip


def _sequence_not_raised(case: Case) -> Iterator[Found]:
    """BIND-06."""
    raised = case.evidence.conduct.of(Breach.CHANNEL_RAISED)
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for event in case.timeline.of(Kind.CHANNEL_LOST):
        session = None if event.session is None else sessions[event.session]
        if session is None or event.connection is None or not event.details["channels_left"]:
            continue
        ended, used = session.ended_time, session.idle_time or 0
        over = ended is not None and ended <= event.time + NANOSECONDS
        if over or used <= event.time + NANOSECONDS or _has_unread(case, session):
            continue
        if ((raised["session"] == session.number) & (raised["time"] >= event.time - NANOSECONDS)).any():
            continue
        yield tell(
            case, event.time, event.connection, session.number, event.frames,
            f"{ends(case, event.connection)[0]} lost one of the connections of a session and went on over the others "
            f"without raising its ChannelSequence: the server cannot tell what is old.",
            "ChannelSequence in the requests that follow is what it was before",
            severity=Severity.INFO if str(event.details["closed_by"]).startswith("client") else None,
        )  # fmt: skip


def _expected(case: Case, run: LogonRun) -> tuple[tuple[int, ...], str] | None:
    """Which answers to the first request of a binding are right, and for what reason; None: it may go on (3.3.5.5)."""
    tracker = case.evidence.decoded.smb2.tracker
    own, master, request = tracker.connections[run.connection], _session(case, run), run.legs[0].request
    if request is None or own.dialect is None or master is None or master.connection.dialect is None:
        return None
    no_channels = own.dialect < Dialect.SMB_3_0 or not _multichannel(own.negotiate_response)
    bound = [
        channel.bound for channel in master.channel_list if channel.connection is own and channel.bound is not None
    ]
    reasons = (
        (no_channels, "there are no channels", _NO_CHANNELS),
        (master.ended_time is not None and master.ended_time < run.start, "the session had ended", _DELETED),
        (own.dialect != master.connection.dialect, "the dialects differ", _OTHER_DIALECT),
        (not request.signed and not request.encrypted, "the request was not signed", _INVALID),
        (master.is_guest or master.is_anonymous, "the session is a guest's or nobody's", _NOT_SUPPORTED),
        (any(time < run.start for time in bound), "the connection carried the session already", _NOT_ACCEPTED),
    )
    return next(((codes, words) for applies, words, codes in reasons if applies), None)


def _multichannel(response: object) -> bool:
    capabilities = getattr(response, "capabilities", 0)
    return bool(capabilities & GlobalCapabilities.MULTI_CHANNEL)


def _runs(case: Case, purpose: str) -> Iterator[LogonRun]:
    return (run for run in case.timeline.runs if run.purpose == purpose)


def _session(case: Case, run: LogonRun) -> Session | None:
    return None if run.session is None else case.evidence.decoded.smb2.tracker.sessions[run.session]


def _has_unread(case: Case, session: Session) -> bool:
    known = case.evidence.credits.known
    return any(channel.connection.number not in known for channel in session.channel_list)


def _status(leg: LogonExchange) -> str:
    return "nothing" if leg.status is None else ntstatus.name(leg.status)


_UPDATE = "Update the side that is at fault, or ask its maker."

RULES = (
    Rule("REAU-01", "a re-authentication with wrong fields", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.2.4.2.3.1",
         "A re-authentication names the session it is for in the header, sets no flags, names no previous session, and "
         "says by 1 or 2 whether signing is required. Samba's client says both, which hurts nobody: info.",
         _UPDATE, _wrong_fields),
    Rule("REAU-02", "other keys after a re-authentication", Severity.ERROR, Party.EITHER,
         "MS-SMB2 3.3.5.5.3, 3.2.5.3.2",
         "A session keeps the keys of its first authentication for all its life. A side that derives new ones from the "
         "second cannot talk to one that does it right.",
         _UPDATE, _other_keys),
    Rule("REAU-03", "a valid session may not be authenticated again", Severity.WARNING, Party.SERVER,
         "MS-SMB2 3.3.5.5, note 291",
         "Windows Vista SP1 and Server 2008 answer STATUS_REQUEST_NOT_ACCEPTED.",
         "Update the server.", _not_accepted),
    Rule("REAU-04", "an encrypted session authenticated again in plain text", Severity.WARNING, Party.CLIENT,
         "MS-SMB2 3.3.5.2.9",
         "In a session that is encrypted, its re-authentication is encrypted as well; only the first one cannot be.",
         _UPDATE, _plain_legs),
    Rule("BIND-01", "a binding that does not fit its session", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.5",
         "All channels of a session have one dialect, of 3.0 at least, and one ClientGuid. One that the server refused "
         "is a warning.",
         _UPDATE, _wrong_binding),
    Rule("BIND-02", "a binding that is not signed as it must be", Severity.SECURITY, Party.CLIENT,
         "MS-SMB2 3.3.5.5, 3.2.4.1.8",
         "The signature with the session's key is what proves that the binding comes from its client. Where the server "
         "refused it, this is a warning.",
         _UPDATE, _badly_protected),
    Rule("BIND-03", "an answer to a binding that is not signed as it must be", Severity.SECURITY, Party.SERVER,
         "MS-SMB2 3.3.5.5.3",
         "Answers that ask for more are signed with the session's key, the last one with the channel's.",
         _UPDATE, _badly_answered),
    Rule("BIND-04", "a binding refused with another status", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.5",
         "The specification names a status for every reason to refuse a binding. One that must be refused and is not "
         "is an error; another status, as Samba has it for some, is info.",
         "", _wrong_code),
    Rule("BIND-05", "channels with different ciphers", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.4, 3.3.5.5",
         "The key pair of a session is one, for one cipher, whatever connection is used.",
         _UPDATE, _other_cipher),
    Rule("BIND-06", "a lost channel that nobody counted", Severity.WARNING, Party.CLIENT, "MS-SMB2 3.2.7.1",
         "When a channel is lost, the client raises ChannelSequence by one on the others, so that the server drops "
         "what still comes over the lost one.",
         _UPDATE, _sequence_not_raised),
)  # fmt: skip
