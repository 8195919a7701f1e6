"""One verdict for a whole session, and the sentence that says why it is so and what to do."""

from collections.abc import Mapping, Sequence

from analyzer.tables.census import MAX_FRAMES, Census
from parsers.ntstatus import STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS
from parsers.smb2.crypto import Cipher
from parsers.smb2.dialects import Dialect
from parsers.smb2.session import Candidate, Session
from parsers.transport.connections import CLIENT, SERVER
from parsers.verdicts import Decryption

__all__ = ["explain", "missing_key", "summary"]

_WORST_FIRST = (
    Decryption.DAMAGED,
    Decryption.WRONG_KEY,
    Decryption.NO_HANDSHAKE,
    Decryption.NO_KEY,
    Decryption.UNSUPPORTED,
    Decryption.DECRYPTED,
)


def summary(counts: Mapping[Decryption, int]) -> Decryption:
    """The worst verdict on any message of the session; plaintext if none was encrypted."""
    return next((verdict for verdict in _WORST_FIRST if counts.get(verdict)), Decryption.PLAINTEXT)


def explain(session: Session, counts: Mapping[Decryption, int], census: Census) -> str:
    """Why not everything was decrypted; empty where everything was, or nothing had to be.

    Args:
        session: the session.
        counts: its messages by verdict.
        census: names the frames.
    """
    verdict = summary(counts)
    if verdict in {Decryption.PLAINTEXT, Decryption.DECRYPTED}:
        # Nothing had to be decrypted; but whoever gave a wrong password wants to know, for the signatures.
        wrong = session.complaint_verdict is Decryption.WRONG_KEY and not session.keys_proved
        return _complaints(session) if wrong else ""
    if verdict is Decryption.DAMAGED:
        return _damage(session, counts, census)
    if verdict is Decryption.WRONG_KEY:
        misfit = _misfit(session.candidates)
        return _half_key(session) if session.has_half_key else _joined(misfit, _complaints(session))
    if session.keys_proved:
        others = f"{counts[verdict]:,} of {_encrypted(counts):,} encrypted messages"
        if verdict is Decryption.UNSUPPORTED:
            return f"{others} hold compressed ones, which are not decoded yet"
        return f"{others} have no key: those given are for the other direction"
    return _joined(_complaints(session), _advice(session, verdict))


def missing_key(session: Session, counts: Mapping[Decryption, int], census: Census) -> str:
    """Why no key is proved to be the session's, whether it needs one or not; empty if one is. Arguments as above."""
    if session.keys_proved:
        return ""
    if summary(counts) not in {Decryption.PLAINTEXT, Decryption.DECRYPTED}:
        return explain(session, counts, census)
    is_signed = bool(census.signed.get(session.number))
    # Where the dialect is unknown, that a session key does not fit says nothing of it.
    judged = [candidate for candidate in session.candidates if session.dialect is not None or _is_direction(candidate)]
    misfits = [candidate for candidate in judged if is_signed and not _is_direction(candidate)]
    others = [candidate for candidate in judged if not is_signed or _is_direction(candidate)]
    missing = "encrypted" if is_signed else "signed or encrypted"
    unproved = f"nothing in it is {missing}, which would prove the key: {_sources(others)}" if others else ""
    logon = "" if session.complaints else _of_the_logon(session)
    return _joined(_misfit(misfits), unproved, _complaints(session) or logon) or _advice(session, Decryption.NO_KEY)


def _is_direction(candidate: Candidate) -> bool:
    return candidate.session_key is None


def _misfit(candidates: Sequence[Candidate]) -> str:
    """Which keys were tried in vain."""
    return f"no key given for it fits: {_sources(candidates)}" if candidates else ""


def _half_key(session: Session) -> str:
    cipher = Cipher(session.cipher or 0).name.replace("_", "-")
    return (
        f"the session key has 16 bytes ({session.provenance}): it fits the signatures, but opens no message. {cipher} "
        "takes all of a key, of which Kerberos gives 32 bytes: give these, or the direction keys"
    )


def _damage(session: Session, counts: Mapping[Decryption, int], census: Census) -> str:
    frames = sorted(
        {frame for sender in (CLIENT, SERVER) for frame in census.suspects.get((session.number, sender), ())}
    )
    shown = ", ".join(map(str, frames[:MAX_FRAMES]))
    more = counts[Decryption.DAMAGED] - len(frames[:MAX_FRAMES])
    where = f"frame {shown}" if len(frames) == 1 and more <= 0 else f"frames {shown}"
    if more > 0:
        where += f" and {more} more"
    number = f"{counts[Decryption.DAMAGED]:,} of {_encrypted(counts):,} encrypted messages damaged"
    if session.keys_proved:
        return f"{number}: bytes were changed, cut off or lost ({where}); the key is right ({session.provenance})"
    return f"{_complaints(session) or number} ({where})"


def _advice(session: Session, verdict: Decryption) -> str:
    """What to supply, where the complaints do not say it."""
    if not session.complaints:
        return _of_the_logon(session) or (
            "no key was given for it: give the password or NT hash of its user, or its session key"
        )
    user = session.security_context.user if session.security_context is not None else None
    if verdict is Decryption.NO_KEY and user and session.complaint_verdict is Decryption.NO_KEY:
        return "give the password or NT hash, or the session key"
    return ""


def _of_the_logon(session: Session) -> str:
    """What the capture lacks of the logon, and what to supply then; empty if it is there."""
    if session.creation_time is not None:
        return ""
    if session.setup_status not in {None, STATUS_SUCCESS, STATUS_MORE_PROCESSING_REQUIRED} and not session.closed:
        return f"it has no keys: {session.ended_by}"
    part = "its logon" if session.setup_status is None else "the end of its logon"
    if session.dialect == Dialect.SMB_3_1_1:
        return f"{part} is not in the capture, and keys of SMB 3.1.1 depend on it: give its direction keys"
    before = "" if session.dialect is not None else "before SMB 3.1.1 "
    given = _sources([candidate for candidate in session.candidates if not _is_direction(candidate)])
    tried = f"; as that of an older dialect the one of {given} does not fit" if given else ""
    return f"{part} is not in the capture: give its direction keys, or {before}its session key{tried}"


def _complaints(session: Session) -> str:
    return "; ".join(dict.fromkeys(session.complaints))


def _sources(candidates: Sequence[Candidate]) -> str:
    return "; ".join(dict.fromkeys(candidate.provenance for candidate in candidates))


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _encrypted(counts: Mapping[Decryption, int]) -> int:
    return sum(counts.values()) - counts.get(Decryption.PLAINTEXT, 0)
