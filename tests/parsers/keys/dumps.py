"""Key dumps in the words of Samba and Linux, made from the keys that are known of a real capture."""

import json
from pathlib import Path
from typing import NamedTuple

from parsers.keys.store import KeyStore


class Known(NamedTuple):
    """The keys of one session."""

    session_id: int
    key: bytes
    signing_key: bytes
    application_key: bytes
    server_in: bytes
    server_out: bytes
    cipher: int


CIPHERS = ("AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM")  # 1 to 4 (MS-SMB2 2.2.3.1.2)


def known_sessions(description: Path) -> list[Known]:
    """What Samba printed when the capture was made; sessions that have no ciphers' keys are left out."""
    entries = json.loads(description.read_text())["debug_encryption_session_keys"]
    names = ("session_key", "signing_key", "application_key", "server_in_key", "server_out_key")
    return [
        Known(
            int(entry["session_id"], 16),
            *(bytes.fromhex(entry[name]) for name in names),
            CIPHERS.index(entry["cipher"]) + 1,
        )
        for entry in entries
        if entry["cipher"] in CIPHERS
    ]


def check(store: KeyStore, sessions: list[Known]) -> None:
    """Every session has its keys in the store, and there is nothing else."""
    assert sessions
    for session in sessions:
        assert session.key in [found.key for found in store.session_keys_for(session.session_id)]
        pairs = [
            (found.client_to_server, found.server_to_client) for found in store.direction_keys_for(session.session_id)
        ]
        assert (session.server_in, session.server_out) in pairs
    assert len(list(store)) == 2 * len(sessions)


def samba_rows(label: str, value: bytes) -> list[str]:
    """One field as Samba's dump_data writes it: sixteen bytes a row, in two groups, and as characters."""
    rows = []
    for start in range(0, len(value), 16):
        row = value[start : start + 16]
        groups = [row[:8], row[8:]]
        digits = "  ".join("".join(f"{byte:02X} " for byte in group) for group in groups if group)
        shown = " ".join("".join(chr(byte) if 32 <= byte < 127 else "." for byte in group) for group in groups if group)
        rows.append(f"{label if start == 0 else ''}[{start:04X}] {digits:<52}{shown}")
    return rows


def samba_dump(sessions: list[Known]) -> str:
    """The text that smbd 4.17 writes."""
    lines = []
    for session in sessions:
        lines.append("debug encryption: dumping generated session keys")
        lines += samba_rows("Session Id    ", session.session_id.to_bytes(8, "little"))
        lines += samba_rows("Session Key   ", session.key)
        lines.append("Signing Algo: 2")
        lines += samba_rows("Signing Key   ", session.signing_key)
        lines += samba_rows("App Key       ", session.application_key)
        lines.append(f"Cipher Algo: {session.cipher}")
        lines += samba_rows("ServerIn Key  ", session.server_in)
        lines += samba_rows("ServerOut Key ", session.server_out)
    return "\n".join(lines) + "\n"


def kernel_log(sessions: list[Known]) -> str:
    """The text of the Linux client's key dump, as dmesg shows it."""
    lines = []
    for session in sessions:
        lines += [
            "CIFS: VFS: generate_smb3signingkey: dumping generated AES session keys",
            f"CIFS: VFS: Session Id    {session.session_id.to_bytes(8, 'little').hex(' ')}",
            f"CIFS: VFS: Cipher type   {session.cipher}",
            f"CIFS: VFS: Session Key   {session.key.hex(' ')}",
            f"CIFS: VFS: Signing Key   {session.signing_key.hex(' ')}",
            f"CIFS: VFS: ServerIn Key  {session.server_in.hex(' ')}",
            f"CIFS: VFS: ServerOut Key {session.server_out.hex(' ')}",
        ]
    return "".join(f"[{place:5}.{place:06}] {line}\n" for place, line in enumerate(lines, 100))
