"""Keys that a user gave, in words: what kind of key, whose it is, and which sessions it is proved to open."""

from collections.abc import Iterable
from typing import cast

from parsers.gss.kerberos.names import etype_name
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import AnySecret, Credential, DirectionKeys, RsaKey, SessionKey, TlsSecret
from parsers.smb2.session import Session

__all__ = ["described", "joined", "kind", "owner", "proofs"]

_KINDS = {
    SessionKey: "session key",
    DirectionKeys: "direction keys",
    KeytabEntry: "keytab key",
    CcacheCredential: "cached ticket",
    TlsSecret: "TLS secret",
    RsaKey: "RSA key",
}


def kind(secret: AnySecret) -> str:
    """What it is."""
    if isinstance(secret, Credential):
        return "NT hash" if secret.password is None else "password"
    return _KINDS[type(secret)]


def owner(secret: AnySecret) -> str:
    """Whose it is: a user, a session, a service, a client and a service, or a TLS session or server."""
    if isinstance(secret, Credential):
        return secret.account
    if isinstance(secret, SessionKey | DirectionKeys):
        return f"0x{secret.session_id:016x}"
    if isinstance(secret, KeytabEntry):
        return f"{secret.principal}@{secret.realm} kvno {secret.kvno} {etype_name(secret.etype)}"
    if isinstance(secret, TlsSecret):
        return f"{secret.label} {secret.identifier.hex()}"
    if isinstance(secret, RsaKey):
        return f"{secret.bits} bits, SHA-256 of the public key {secret.fingerprint}"
    return f"{secret.client}@{secret.client_realm} for {secret.server}@{secret.server_realm}"


def described(secret: AnySecret) -> str:
    r"""All of it, as `password CORPUS\alice (keys.toml line 2)`."""
    return f"{kind(secret)} {owner(secret)} ({secret.provenance})"


def proofs(session: Session) -> list[tuple[AnySecret, str]]:
    """The keys that are right for the session, each with all that shows it, in the order in which that was found."""
    found: dict[int, tuple[AnySecret, list[str]]] = {}
    for proof in session.proofs:
        # Sources are typed as objects, because the stages before know nothing of key stores.
        found.setdefault(id(proof.source), (cast("AnySecret", proof.source), []))[1].append(proof.how)
    return [(secret, ", ".join(hows)) for secret, hows in found.values()]


def joined(texts: Iterable[str]) -> str | None:
    """The texts of several keys in one cell; None if there are none."""
    return "; ".join(texts) or None
