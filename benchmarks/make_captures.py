"""Make the large captures that the benchmarks measure: `python benchmarks/make_captures.py [NAME ...]`.

Three files in benchmarks/captures/, made once with Samba (Linux and root needed, about five minutes), each with a JSON
file beside it that holds the session keys and what tshark counted:

* bulk_gcm    one file of 1 GiB read, SMB 3.1.1, AES-128-GCM, MTU 1500
* meta_plain  small creates, queries and closes, about a million messages, not encrypted
* meta_gcm    the same work, AES-128-GCM
"""

import json
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from samba_lab import PASSWORD, USER, Lab, require_lab

__all__ = ["main"]

CAPTURES = Path(__file__).resolve().parent / "captures"
ENCRYPTED = ("client smb encrypt = required", "client smb3 encryption algorithms = AES-128-GCM")
BULK_BYTES = 1 << 30
CLIENTS = 4
ROUNDS = 40  # of each client; a round is about 6,300 messages
FILES = 200


def bulk(lab: Lab, options: tuple[str, ...]) -> list[dict[str, str]]:
    """One client reads one large file."""
    block = random.Random(1).randbytes(1 << 20)
    with (lab.share / "big.bin").open("wb") as file:
        for _ in range(BULK_BYTES // len(block)):
            file.write(block)
    return lab.clients(["get big.bin /dev/null\n"], *options)


def metadata(lab: Lab, options: tuple[str, ...]) -> list[dict[str, str]]:
    """Several clients put small files, ask for everything about each, list the folders and delete them."""
    source = lab.root / "source"
    source.mkdir()
    sizes = random.Random(2)
    names = [f"report_{number:03}.txt" for number in range(FILES)]
    for name in names:
        (source / name).write_bytes(sizes.randbytes(sizes.randrange(50, 950)))
    ask = "".join(f"allinfo {name}\n" for name in names)
    scripts = []
    for client in range(CLIENTS):
        lines = f"prompt off\nrecurse on\nlcd {source}\nmkdir client{client}\ncd client{client}\n"
        for number in range(ROUNDS):
            lines += f"mkdir round{number}\ncd round{number}\nmput report_*\n{ask}ls\ncd ..\n"
        scripts.append(lines + f"cd ..\ndeltree client{client}\n")
    return lab.clients(scripts, *options)


LOADS: dict[str, tuple[Callable[[Lab, tuple[str, ...]], list[dict[str, str]]], tuple[str, ...]]] = {
    "bulk_gcm": (bulk, ENCRYPTED),
    "meta_plain": (metadata, ()),
    "meta_gcm": (metadata, ENCRYPTED),
}


def make(name: str) -> None:
    """Make one capture and its JSON file; the capture appears under its name only when it is complete."""
    load, options = LOADS[name]
    path, unfinished = CAPTURES / f"{name}.pcapng", CAPTURES / f"{name}.part"
    started = time.monotonic()
    with Lab() as lab:
        with lab.capture(unfinished) as statistics:
            keys = load(lab, options)
        client = shlex.join(lab.client_command(*options)).replace(str(lab.root), "LAB")
    size, counts = unfinished.stat().st_size, count(unfinished, keys)
    sidecar = {
        "name": name,
        "description": load.__doc__,
        "client_command": client,
        "samba_version": subprocess.run(["smbd", "-V"], capture_output=True, text=True, check=True).stdout.split()[-1],
        "users": {USER: {"password": PASSWORD}},
        "encrypted": bool(options),
        "debug_encryption_session_keys": keys,
        "capture_stats": [line for line in statistics if line.strip()],
        "file_bytes": size,
        "tshark_counts": counts,
    }
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
    unfinished.chmod(0o644)  # dumpcap writes for its owner alone
    unfinished.rename(path)
    summary = ", ".join(f"{value:,} {what}" for what, value in counts.items())
    print(f"{path}: {size / 1e6:.0f} MB, {summary} ({time.monotonic() - started:.0f} s)")


def count(path: Path, keys: list[dict[str, str]]) -> dict[str, int]:
    """Packets and SMB2 messages as tshark sees them, decrypted, out-of-order segments put in order."""
    pairs = [option for session in keys for option in ("-o", uat(session))]
    totals = "io,stat,0,FRAMES,COUNT(smb2.cmd)smb2.cmd"
    command = ["tshark", "-r", str(path), "-o", "tcp.reassemble_out_of_order:TRUE", *pairs, "-q", "-z", totals]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    row = next(line for line in text.splitlines() if "<>" in line)
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    return {"packets": int(cells[1]), "messages": int(cells[2])}


def uat(session: dict[str, str]) -> str:
    """tshark's `smb2_seskey_list` record: the SessionId as its eight wire bytes, the session key, no direction keys."""
    wire = int(session["session_id"], 16).to_bytes(8, "little").hex()
    return f'uat:smb2_seskey_list:{wire},{session["session_key"]},"",""'


def main() -> None:
    """Make what is named on the command line, by default whatever does not exist yet."""
    unknown = set(sys.argv[1:]) - set(LOADS)
    if unknown:
        sys.exit(f"Unknown capture {', '.join(sorted(unknown))}; known are {', '.join(LOADS)}.")
    names = sys.argv[1:] or [name for name in LOADS if not (CAPTURES / f"{name}.pcapng").exists()]
    if not names:
        print(f"All captures exist in {CAPTURES}.")
        return
    require_lab()
    CAPTURES.mkdir(exist_ok=True)
    for name in names:
        make(name)
    os.sync()


if __name__ == "__main__":
    main()
