"""Why a key that was given opens nothing: what it is for is not in the capture, or does not fit what is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from analyzer.tables.entries import described, proofs
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import AnySecret, Credential, DirectionKeys, RsaKey, SessionKey, TlsSecret
from parsers.smb2.session import Session

__all__ = ["UnusedKeys"]

_NAMED = 3  # sessions that a sentence names; one user may have thousands


class UnusedKeys:
    """Explains keys by the sessions which they should have opened.

    Args:
        sessions: all of the capture, each with the reason why no key is proved to be its own, empty where one is.
    """

    def __init__(self, sessions: Iterable[tuple[Session, str]]) -> None:
        self._why_closed: dict[int, str] = {}
        self._by_id: dict[int, list[Session]] = defaultdict(list)
        self._by_user: dict[str, list[Session]] = defaultdict(list)
        self._by_service: dict[str, list[Session]] = defaultdict(list)
        for session, why in sessions:
            self._why_closed[session.number] = why
            self._by_id[session.session_id].append(session)
            for user in _users(session):
                self._by_user[user].append(session)
            if session.service is not None:
                self._by_service[session.service.casefold()].append(session)

    def why(self, secret: AnySecret) -> str:
        """Why this key is not used, in words."""
        if isinstance(secret, SessionKey | DirectionKeys):
            return self._of_session(secret)
        if isinstance(secret, TlsSecret | RsaKey):
            return "it is for TLS, which this version does not decrypt"
        if isinstance(secret, Credential):
            sessions = self._by_user.get(secret.user.casefold(), ())
            absent = f"no NTLM logon of {secret.account} is in the capture"
        else:
            service = _service(secret)
            sessions = self._by_service.get(service.casefold(), ())
            absent = f"no logon with a ticket for {service} is in the capture"
        return self._reasons(secret, sessions) if sessions else absent

    def _of_session(self, secret: SessionKey | DirectionKeys) -> str:
        sessions = self._by_id.get(secret.session_id, ())
        if sessions:
            return "; ".join(dict.fromkeys(self._reason(secret, session) for session in sessions))
        turned = int.from_bytes(secret.session_id.to_bytes(8, "little"), "big")
        hint = f", but 0x{turned:016x} is, the same bytes in reverse: give the id as the table of sessions shows it"
        return f"no session 0x{secret.session_id:016x} is in the capture" + (hint if turned in self._by_id else "")

    def _reasons(self, secret: AnySecret, sessions: Sequence[Session]) -> str:
        """The reasons of several sessions, each once, with the sessions that have it."""
        found: dict[str, list[str]] = defaultdict(list)
        for session in sessions:
            found[self._reason(secret, session)].append(f"0x{session.session_id:016x}")
        return "; ".join(f"{why} ({_listed(identifiers)})" for why, identifiers in found.items())

    def _reason(self, secret: AnySecret, session: Session) -> str:
        if isinstance(secret, Credential) and session.service is not None:
            return "a password does not open a Kerberos logon: give the service's keytab"
        openers = ", ".join(described(opener) for opener, _ in proofs(session))
        if not openers:
            return self._why_closed[session.number]
        same = _is_same(secret, session)
        ending = {None: "", True: ", which gives the same key", False: ", which gives another key"}[same]
        return f"the session is opened by {openers}{ending}"


def _is_same(secret: AnySecret, session: Session) -> bool | None:
    """Whether it is the key that the session is known to have; None if it cannot be told."""
    if isinstance(secret, SessionKey):
        return None if session.full_session_key is None else secret.key == session.full_session_key
    if isinstance(secret, DirectionKeys):
        pairs = (
            (secret.client_to_server, session.decryption_key),
            (secret.server_to_client, session.encryption_key),
        )
        known = [given == own for given, own in pairs if given is not None and own is not None]
        return all(known) if known else None
    return None


def _users(session: Session) -> set[str]:
    """The names by which a credential may call the user of a session."""
    context = session.security_context
    if context is None or not context.user:
        return set()
    return {context.user.casefold(), context.user.rpartition("@")[0].casefold() or context.user.casefold()}


def _service(secret: KeytabEntry | CcacheCredential) -> str:
    if isinstance(secret, KeytabEntry):
        return f"{secret.principal}@{secret.realm}"
    return f"{secret.server}@{secret.server_realm}"


def _listed(identifiers: Sequence[str]) -> str:
    more = f" and {len(identifiers) - _NAMED:,} more" if len(identifiers) > _NAMED else ""
    return f"session {', '.join(identifiers[:_NAMED])}{more}"
