"""The secrets that are known of the shared captures, for the project and for tshark."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parsers.keys.store import KeyStore, SessionKey

PUBLIC_KEYS = "public/keys/smb_known_keys.tsv"


def document_of(capture: Path) -> dict[str, Any] | None:
    """What was written down when the capture was made; None where nothing was."""
    path = capture.parent / f"{capture.name.split('.pcap')[0]}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def add_credentials(store: KeyStore, document: dict[str, Any]) -> KeyStore:
    """Passwords of all users of the capture."""
    for user, secrets in document["users"].items():
        store.add_password(f"{user}:{secrets['password']}")
    return store


def add_session_keys(store: KeyStore, document: dict[str, Any]) -> KeyStore:
    """Session keys as the server printed them, as they were computed from the NT hash, or as the keytab gave them."""
    for session_id, key in sorted(set(_session_keys(document))):
        store.add(SessionKey(session_id, key))
    return store


def _session_keys(document: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    printed = document.get("debug_encryption_session_keys", [])
    yield from ((int(entry["session_id"], 16), bytes.fromhex(entry["session_key"])) for entry in printed)
    for entry in document.get("ntlm_auth_and_session_keys_computed_from_nt_hash", []):
        if entry.get("password_matches"):
            yield int(entry["session_id"], 16), bytes.fromhex(entry["exported_session_key"])
    for entry in document.get("kerberos_keys_tshark_decrypts_with_keytab", []):
        session_id = int(entry["session_id"] or "0", 16)
        for text in entry["key_values"] if session_id else ():
            key = bytes.fromhex(text.zfill(64 if len(text) > 32 else 32))
            yield session_id, key


def public_keys(shared: Path, capture: Path) -> Iterator[tuple[int, bytes]]:
    """SessionId and session key of the captures of others."""
    name = capture.relative_to(shared / "captures").as_posix()
    for line in (shared / "captures" / PUBLIC_KEYS).read_text().splitlines()[1:]:
        columns = line.split("\t")
        if columns[0] == name:
            yield int(columns[2]), bytes.fromhex(columns[5])


def store_of(shared: Path, capture: Path) -> KeyStore:
    """Everything that is known of a capture."""
    store = KeyStore()
    document = document_of(capture)
    if document is None:
        for session_id, key in public_keys(shared, capture):
            store.add(SessionKey(session_id, key))
        return store
    return add_session_keys(add_credentials(store, document), document)


def tshark_keys(shared: Path, capture: Path) -> tuple[str | None, list[str]]:
    """The same for tshark: a password of NTLM logons, of which it takes one, and lines of smb2_seskey_list."""
    document = document_of(capture)
    if document is None:
        return None, [_line(session_id, key.hex()) for session_id, key in public_keys(shared, capture)]
    passwords = [secrets["password"] for secrets in document["users"].values()]
    return (passwords or [None])[0], [_line_of(entry) for entry in document["debug_encryption_session_keys"]]


def _line_of(entry: dict[str, str]) -> str:
    """tshark 4.0 takes session keys of 16 bytes only; for 32 it needs the keys of the directions."""
    session_id = int(entry["session_id"], 16)
    if len(entry["session_key"]) == 32:
        return _line(session_id, entry["session_key"])
    return _line(session_id, '""', entry["server_out_key"], entry["server_in_key"])


def _line(session_id: int, key: str, server_to_client: str = '""', client_to_server: str = '""') -> str:
    return f"{session_id.to_bytes(8, 'little').hex()},{key},{server_to_client},{client_to_server}"
