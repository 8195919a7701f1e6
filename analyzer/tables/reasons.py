"""One verdict for a whole session, and the sentence that says why it is so and what to do."""

from collections.abc import Mapping

from analyzer.tables.census import MAX_FRAMES, Census
from parsers.smb2.session import Session
from parsers.smb2.state import State
from parsers.transport.connections import CLIENT, SERVER
from parsers.verdicts import Decryption

__all__ = ["explain", "summary"]

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
        return _complaints(session) or f"no key given for it fits: {_sources(session)}"
    if session.keys_proved:
        others = f"{counts[verdict]:,} of {_encrypted(counts):,} encrypted messages"
        if verdict is Decryption.UNSUPPORTED:
            return f"{others} hold compressed ones, which are not decoded yet"
        return f"{others} have no key: those given are for the other direction"
    return "; ".join(part for part in (_complaints(session), _advice(session, verdict)) if part)


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
        return (
            "its logon is not in the capture: give its direction keys, or before SMB 3.1.1 its session key"
            if session.state is State.UNSEEN or verdict is Decryption.NO_HANDSHAKE
            else "no key was given for it: give the password or NT hash of its user, or its session key"
        )
    user = session.security_context.user if session.security_context is not None else None
    if verdict is Decryption.NO_KEY and user and session.complaint_verdict is Decryption.NO_KEY:
        return "give the password or NT hash, or the session key"
    return ""


def _complaints(session: Session) -> str:
    return "; ".join(dict.fromkeys(session.complaints))


def _sources(session: Session) -> str:
    return "; ".join(dict.fromkeys(candidate.provenance for candidate in session.candidates))


def _encrypted(counts: Mapping[Decryption, int]) -> int:
    return sum(counts.values()) - counts.get(Decryption.PLAINTEXT, 0)
