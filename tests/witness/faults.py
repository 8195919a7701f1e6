"""What was planted in the real captures with faults, and which rules have to say it.

`python -m tests.witness.faults > docs/faults.md` writes the table of what is found.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from analyzer import Analysis, analyze
from parsers.keys.detect import load_keys
from tests.witness.decoding import SHARED, captures
from tests.witness.known_keys import document_of, store_of

NANOSECONDS = 1_000_000_000

SHIFTED = {"twoside_delay30_loss2_srv_shift3217": 3_217_000_000}
"""By capture: how far its clock was set ahead of the truth's, in nanoseconds."""

RULES: dict[str, tuple[str, ...]] = {
    "kerberos_error": ("kerberos_error", "ticket_expired"),
    "spn_unknown": ("spn_missing",),
    "kerberos_ap_error_modified": ("spn_wrong_account",),
    "logon_failure": ("logon_refused", "account_disabled", "account_locked", "password_must_change"),
    "logon_failure_wrong_password_or_unknown_user": ("logon_refused",),
    "account_expired": ("account_expired",),
    "account_locked_out": ("logon_refused", "account_locked"),
    "invalid_logon_hours": ("logon_hours",),
    "ntlmv1_refused": ("ntlmv1_refused",),
    "guest_session": ("guest_session", "access_refused"),
    "anonymous_session": ("anonymous_session", "access_refused", "logon_refused"),
    "dialect_mismatch": ("dialect_mismatch",),
    "session_expired": ("session_expired", "session_not_renewed"),
    "oplock_break_not_acknowledged": ("oplock_break_timeout",),
    "oplock_break_timeout": ("oplock_break_timeout", "lease_break_timeout"),
    "lease_break_not_acknowledged": ("lease_break_timeout",),
    "oplock_holder_transport_dead": ("oplock_holder_dead",),
    "packet_loss": ("path_loss",),
    "reordering": ("path_reorders",),
    "path_blackout": ("path_dead",),
    "mtu_black_hole": ("mtu_black_hole",),
    "client_timeout": ("request_timeout", "request_never_sent"),
    "client_timeout_on_slow_path": ("path_slow",),
    "request_never_fully_sent": ("request_never_sent",),
    "response_never_complete": ("response_never_complete",),
    "connect_timeout": ("connect_timeout",),
    "connection_refused": ("connection_refused",),
    "server_stall": ("server_stalled",),
    "server_process_died": ("server_died",),
    "server_restart": ("server_restarted",),
    "server_refuses_new_connections": ("server_refuses_connections",),
    "access_denied_by_address": ("client_address_refused",),
    "idle_disconnect_by_server": ("idle_session_reaped",),
    "use_of_dead_connection": ("idle_session_reaped",),
    "encrypted_request_for_unknown_session": ("unknown_session_dropped",),
    "session_lost": ("session_lost",),
    "share_unavailable": ("share_unavailable",),
    "snaplen_too_short": ("snaplen_too_short",),
}
"""By kind of the truth: the rules of which one has to say it."""

EVENTS: dict[str, tuple[str, ...]] = {
    "new_session": ("auth_succeeded",),
    "ok_kerberos": ("auth_succeeded",),
    "session_setup": ("auth_succeeded", "reauth_succeeded"),
    "multichannel": ("channel_bound",),
    "multichannel_half": ("auth_succeeded", "channel_bound", "auth_started"),
    "reauthentication": ("reauth_succeeded",),
    "reauthentication_new_session": ("auth_succeeded",),
    "reconnect": ("handle_reconnected", "session_ended"),
}
"""By kind of the truth, where nothing is wrong: the events of which one has to show it."""

NOTHING = ("no_fault", "no_fault_long_pending", "note", "latency", "clock_offset")
"""Nothing is to be found: healthy, or a figure that two captures together give (test_compare.py)."""

_CUT = "packets are kept to 120 bytes, and this message begins inside of one: its length is not in the capture"

OTHERWISE: dict[tuple[str, str], str] = {
    ("net_blackout_giveup_enc", "request_never_fully_sent"): _CUT,
    ("net_blackout_giveup_enc", "client_timeout"): "the client sent neither FIN nor RST: nothing shows that it left",
    ("srv_kill9_get_signed", "response_never_complete"): _CUT,
    ("srv_stop_giveup_put_enc", "request_never_fully_sent"): _CUT,
}
"""By capture and kind: why the packets show it otherwise."""


@dataclass(frozen=True)
class Planted:
    """One statement of the truth beside a capture."""

    capture: str
    kind: str
    time: int
    explanation: str


def planted(path: Path) -> list[Planted]:
    """What was done to a capture."""
    document = document_of(path)
    assert document is not None
    return [
        Planted(name, each["kind"], round(each["time"] * NANOSECONDS) + SHIFTED.get(name, 0), str(each["explanation"]))
        for name in [path.name.split(".")[0]]
        for each in document["ideal_diagnosis"]
    ]


@lru_cache(maxsize=1)  # the tests of one capture follow each other
def _analysis(path: Path) -> Analysis:
    store = store_of(SHARED, path)
    for keytab in sorted((path.parent / "krb").glob("*.keytab")):
        store.merge(load_keys(str(keytab)))
    return analyze(path, keys=store)


@cache
def findings(path: Path) -> list[dict[str, Any]]:
    """What is found in a capture with every key that is known for it; times are nanoseconds."""
    frame = _analysis(path).findings
    times = [frame[name].to_numpy("M8[ns]").view("i8").tolist() for name in ("time", "end")]
    rows = frame.drop(columns=["time", "end"]).to_dict("records")
    return [row | {"time": time, "end": max(end, time)} for row, time, end in zip(rows, *times, strict=True)]


@cache
def events(path: Path) -> list[tuple[str, int]]:
    """Kind and time of all events."""
    frame = _analysis(path).events
    times = frame["time"].to_numpy("M8[ns]").view("i8").tolist()
    return list(zip(frame["kind"].astype(str), times, strict=True))


def sayings(path: Path, truth: Planted, tolerance: int) -> Iterator[dict[str, Any]]:
    """The findings that say one statement of the truth, at its time."""
    for row in findings(path):
        near = row["time"] - tolerance <= truth.time <= row["end"] + tolerance
        if near and row["rule"] in RULES.get(truth.kind, ()):
            yield row


def faults() -> list[Path]:
    """The captures whose truth says what was planted."""
    return [path for path in captures("faults") if "ideal_diagnosis" in (document_of(path) or {})]


def markdown() -> str:
    """The table of captures, planted faults and findings."""
    lines = [
        "# Real faults, and what is found\n\nMade by `python -m tests.witness.faults > docs/faults.md`; "
        "`tests/witness/test_faults.py` checks every line.\nThe captures are real Samba, smbclient, smbtorture, "
        "smbprotocol and impacket on networks and servers with planted\ntroubles. Findings of severity `info` are in "
        "italics.\n\n| capture | planted | found |\n|---|---|---|\n"
    ]
    for path in faults():
        kinds = ", ".join(dict.fromkeys(each.kind for each in planted(path)))
        rules = dict.fromkeys((row["rule"], row["severity"]) for row in findings(path))
        found = ", ".join(f"*{rule}*" if severity == "info" else f"`{rule}`" for rule, severity in rules)
        lines.append(f"| {path.name.split('.')[0]} | {kinds} | {found or 'nothing'} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
