"""Shared captures, analyzed once each, and what tshark counts in them."""

import subprocess
from functools import lru_cache
from pathlib import Path

from analyzer import Analysis, analyze
from parsers.keys.detect import load_keys

KEYTABS = ("samba/krb/smbsrv.keytab", "faults/krb/ad.keytab", "faults/krb/smbsrv.keytab")
PASSWORDS = (r"CORPUS\alice:Passw0rd!", r"CORPUS\bob:B0bPass#")


@lru_cache(maxsize=32)
def analyzed(shared: Path, name: str) -> Analysis:
    """The analysis of a capture below shared/captures, with the passwords and keytabs that belong to them all."""
    captures = shared / "captures"
    keys = load_keys(str(captures / KEYTABS[0]))
    for keytab in KEYTABS[1:]:
        keys.merge(load_keys(str(captures / keytab)))
    for password in PASSWORDS:
        keys.add_password(password)
    return analyze(captures / name, keys=keys)


def frames_of(tshark: str, path: Path, display_filter: str, *fields: str) -> list[list[str]]:
    """The values of some fields in the frames that a display filter of tshark shows; the frame's number comes first."""
    command = [tshark, "-r", str(path), "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", display_filter, "-T", "fields"]
    for field in ("frame.number", *fields):
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


def count_of(tshark: str, path: Path, display_filter: str) -> int:
    """How many frames a display filter of tshark shows."""
    return len(frames_of(tshark, path, display_filter))
