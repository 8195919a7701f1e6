"""The tables of keys: which of them opened each session, and what became of each one that was given."""

from collections import defaultdict
from typing import Any

import pandas as pd

from analyzer.tables.census import Census
from analyzer.tables.connections import table_of_records
from analyzer.tables.entries import joined, kind, owner, proofs
from analyzer.tables.reasons import explain, missing_key, summary
from analyzer.tables.unused import UnusedKeys
from parsers.keys.store import AnySecret, KeyStore
from parsers.pipeline import Decoded
from parsers.smb2.session import SecurityContext, Session

__all__ = ["key_entries_table", "keys_table"]


def keys_table(decoded: Decoded, census: Census) -> pd.DataFrame:
    """The table `keys`."""
    return table_of_records("keys", (_session(session, census) for session in decoded.smb2.tracker.sessions))


def key_entries_table(store: KeyStore, decoded: Decoded, census: Census) -> pd.DataFrame:
    """The table `key_entries`."""
    sessions = decoded.smb2.tracker.sessions
    uses: dict[int, list[Session]] = defaultdict(list)
    for session in sessions:
        for place in _used(session):
            uses[place].append(session)
    unused = UnusedKeys((session, missing_key(session, census.verdicts(session), census)) for session in sessions)
    return table_of_records("key_entries", (_entry(secret, uses.get(id(secret), []), unused) for secret in store))


def _session(session: Session, census: Census) -> dict[str, Any]:
    context = session.security_context or SecurityContext()
    counts = census.verdicts(session)
    shown = proofs(session)
    return {
        "session_id": session.session_id,
        "connections": ", ".join(map(str, dict.fromkeys(c.connection.number for c in session.channel_list))),
        "user": context.user,
        "domain": context.domain,
        "mechanism": session.mechanism,
        "service": session.service,
        "entry": joined(secret.provenance for secret, _ in shown),
        "kind": joined(kind(secret) for secret, _ in shown),
        "owner": joined(owner(secret) for secret, _ in shown),
        "proof": joined(how for _, how in shown),
        "decryption": summary(counts).value,
        "reason": missing_key(session, counts, census) or explain(session, counts, census),
    }


def _entry(secret: AnySecret, sessions: list[Session], unused: UnusedKeys) -> dict[str, Any]:
    return {
        "entry": secret.provenance,
        "kind": kind(secret),
        "owner": owner(secret),
        "used": bool(sessions),
        "sessions": ", ".join(f"0x{session.session_id:016x}" for session in sessions) or None,
        "reason": "" if sessions else unused.why(secret),
    }


def _used(session: Session) -> set[int]:
    """The identities of the keys that opened the session, or at least its ticket."""
    used = {id(secret) for secret, _ in proofs(session)}
    return used if session.ticket is None else used | {id(session.ticket.source)}
