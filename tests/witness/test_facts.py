"""Captures whose makers wrote down what is in them: everything opens, every signature holds, every count is met.

The makers' own figures are of tshark 4.0.17 and of a decoder that shares no code with this one.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parsers import ntstatus
from parsers.capture.packets import PacketBlock
from parsers.keys.store import KeyStore
from parsers.smb2.crypto import SigningAlgorithm
from parsers.smb2.decoder import Batch
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags
from parsers.smb2.session import SmbConnection
from parsers.smb2.tracker import NO_SESSION_IDS
from parsers.transport.connections import SERVER
from parsers.transport.ip import Segments
from tests.witness.decoding import (
    DECRYPTED,
    NOT_COVERED,
    UNSIGNED,
    VALID,
    Decoding,
    captures,
    count,
    is_response,
    run,
    title,
)
from tests.witness.file_names import FileNames
from tests.witness.known_keys import add_credentials, add_session_keys, document_of, store_of

DOCUMENTED = [path for folder in ("samba", "faults") for path in captures(folder) if document_of(path)]
SNAPPED = [path for path in DOCUMENTED if path.suffix == ".gz" or "snap96" in path.name]
HALVED = [path for path in DOCUMENTED if "dmg_mch_bind" in path.name]  # without the other half of their sessions
COMPLETE = [path for path in DOCUMENTED if path not in SNAPPED and path not in HALVED]
SMB2 = [path for path in COMPLETE if "nt1" not in path.name and "smb1" not in path.name]
DETAILED = [path for path in SMB2 if title(path).startswith("samba/") and "facts" in document_of(path)]
FAULTS = [path for path in DOCUMENTED if title(path).startswith("faults/") and path not in SNAPPED]

ENDS_MISSING = {  # messages of which bytes are missing, and why
    "faults/ad_krb5_pac_enc_aes128gcm.pcapng": "the capture lost 2,541,240 bytes of one WRITE",
    "faults/ad_ntlm_fallback_spn_unknown.pcapng": "the capture lost 2,736,720 bytes of one WRITE",
    "faults/mch_bind_enc.pcapng": "a segment of an older connection came back once more, without the rest of its WRITE",
    "faults/net_mtu_blackhole_enc.pcapng": "the client gave up in the middle of a WRITE that never got through",
}

AES_256 = "tshark 4.0 takes no session keys of 32 bytes: its detailed facts are of the four messages in clear"
LOST_AFTER_GAP = "tshark, put to reassemble in order, shows nothing of a direction after bytes that were not captured"
NO_SESSION_ID = "impacket sends LOGOFF a second time without SessionId, and tshark looks for keys by SessionId alone"
HOLE_INSIDE = "the facts count the message that lost bytes as complete"
STRAY = "the facts leave the bytes of this connection out: it has one segment and a RST"


KNOWN_DIFFERENCES = {
    "samba/krb5_311_enc_aes-256-ccm.pcapng": (
        {"smb2_pdus", "smb2_frames", "smb2_pdus_by_command", "smb2_statuses", "tree_paths", "async_pdus",
         "filenames_count", "filenames"},
        AES_256,
    ),
}  # fmt: skip
KNOWN_FAULT_DIFFERENCES = {
    "faults/ad_krb5_pac_enc_aes128gcm.pcapng": ({"pdus", "by_command"}, LOST_AFTER_GAP),
    "faults/ad_ntlm_fallback_spn_unknown.pcapng": ({"pdus", "by_command"}, LOST_AFTER_GAP),
    **dict.fromkeys(
        ("faults/cli_impacket_300_enc.pcapng", "faults/cli_impacket_311.pcapng"),
        ({"pdus", "by_command", "undecrypted_transform_frames", "unanswered_requests"}, NO_SESSION_ID),
    ),
}
KNOWN_STREAM_DIFFERENCES = {  # client ports
    "faults/ad_krb5_pac_enc_aes128gcm.pcapng": ({59238}, HOLE_INSIDE),
    "faults/ad_ntlm_fallback_spn_unknown.pcapng": ({41390}, HOLE_INSIDE),
    "faults/mch_bind_enc.pcapng": ({39152}, STRAY),
    "faults/dmg_mch_bind_enc_first.pcapng": ({39152}, STRAY),
}
MORE_PROCESSING_REQUIRED = ntstatus.STATUS_MORE_PROCESSING_REQUIRED
NOTHING = [(0, 0, 0)]
ALGORITHMS = {
    SigningAlgorithm.HMAC_SHA256: "HMAC-SHA256",
    SigningAlgorithm.AES_CMAC: "AES-128-CMAC",
    SigningAlgorithm.AES_GMAC: "AES-128-GMAC",
}


class Seen:
    """A sink: units by connection and sender, and the signatures of plain messages."""

    def __init__(self) -> None:
        self.transforms = 0
        self.whole_units: Counter[tuple[int, int]] = Counter()
        self.requests: set[tuple[int, int, bytes]] = set()
        self.answers: list[tuple[int, int, bytes]] = []  # those that are not covered

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        units, messages = batch.units, batch.messages
        self.transforms += int(np.count_nonzero(units.protocol == 0xFD))
        whole = ~units.incomplete
        self.whole_units.update(zip(units.connection[whole].tolist(), units.sender[whole].tolist(), strict=True))
        signed = messages.known & ~messages.encrypted & ((messages.header["flags"] & Flags.SIGNED.value) != 0)
        for row in np.flatnonzero(signed).tolist():
            header = messages.header[row]
            place = int(units.connection[messages.unit[row]]), int(header["message_id"]), header["signature"].tobytes()
            if not int(header["flags"]) & Flags.SERVER_TO_REDIR:
                self.requests.add(place)
            elif messages.signature[row] == NOT_COVERED:
                self.answers.append(place)


def verdicts(decoding: Decoding) -> list[tuple[int, int, int]]:
    """Frame, decryption and signature of every message."""
    columns = (decoding.messages[name].tolist() for name in ("frame", "decryption", "signature"))
    return list(zip(*columns, strict=True))


# ------------------------------------------------------------------------------------------------------- what opens


@pytest.mark.parametrize("capture", SMB2, ids=title)
def test_everything_encrypted_opens_and_every_signature_is_valid(shared: Path, capture: Path) -> None:
    seen = Seen()
    decoding = run(capture, store_of(shared, capture), seen)
    messages = decoding.messages
    incomplete = messages[messages["incomplete"]]
    assert len(incomplete) == (title(capture) in ENDS_MISSING)
    messages = messages[~messages["incomplete"]]
    assert (messages["decryption"][messages["encrypted"]] == DECRYPTED).all()
    assert messages["known"].all()
    plain = messages[~messages["encrypted"]]
    signed = (plain["flags"] & Flags.SIGNED.value) != 0
    assert (plain["signature"][~signed] == UNSIGNED).all()
    covered = plain["signature"][signed] != NOT_COVERED
    assert (plain["signature"][signed][covered] == VALID).all()
    # What nothing covers are answers of a server that had no such session: they carry the request's signature.
    assert np.count_nonzero(~covered) == len(seen.answers)
    assert set(seen.answers) <= seen.requests


@pytest.mark.parametrize("capture", [path for path in COMPLETE if "krb5" not in path.name], ids=title)
def test_passwords_alone_open_all_that_any_key_opens(shared: Path, capture: Path) -> None:
    document = document_of(capture)
    assert document is not None
    alone = run(capture, add_credentials(KeyStore(), document))
    assert verdicts(alone) == verdicts(run(capture, store_of(shared, capture)))


@pytest.mark.parametrize("capture", COMPLETE, ids=title)
def test_session_keys_alone_open_all_that_any_key_opens(shared: Path, capture: Path) -> None:
    document = document_of(capture)
    assert document is not None
    alone = run(capture, add_session_keys(KeyStore(), document))
    assert verdicts(alone) == verdicts(run(capture, store_of(shared, capture)))


# --------------------------------------------------------------------------------------------------- what is in them


def facts_of(decoding: Decoding, seen: Seen, names: FileNames) -> dict[str, Any]:
    """The same, of our decoding."""
    messages = decoding.whole
    answers = is_response(messages)
    found = names.found - {""}
    return {
        "packets": sum(connection.packets for connection in decoding.decoded.connections)
        + decoding.decoded.passed_over.total(),
        "tcp_streams": len(decoding.decoded.connections),
        "smb2_pdus": len(messages),
        "smb2_frames": len(np.unique(messages["frame"])),
        "smb2_pdus_by_command": count(messages["command"].tolist(), answers.tolist()),
        "smb2_statuses": dict(Counter(ntstatus.name(status) for status in messages["status"][answers].tolist())),
        "smb2_sessions": sorted(set(messages["session_id"].tolist()) - set(NO_SESSION_IDS)),
        "tree_paths": sorted(names.shares),
        "transform_headers": seen.transforms,
        "signed_pdus": np.count_nonzero(messages["flags"] & Flags.SIGNED.value),
        "async_pdus": np.count_nonzero(messages["flags"] & Flags.ASYNC_COMMAND.value),
        "filenames_count": len(found),
        "filenames": sorted(found)[:40],
        "malformed_frames": sum(row.layer.startswith("SMB2") for row in decoding.decoded.undecoded),
        "smb1_commands": {},
    }


def most_detailed(capture: Path) -> dict[str, Any]:
    """The facts that were counted with the keys that opened most, with our names of statuses: tshark knows fewer."""
    document = document_of(capture)
    assert document is not None
    sets = [facts for facts in document["facts"].values() if isinstance(facts, dict) and "filenames" in facts]
    best = max(sets, key=lambda facts: facts["smb2_pdus"])
    statuses: Counter[str] = Counter()
    for name, number in best["smb2_statuses"].items():
        statuses[ntstatus.name(int(name, 16)) if name.startswith("0x") else name] += number
    sessions = sorted({int(session, 16) for session in best["smb2_sessions"]} - set(NO_SESSION_IDS))
    # tshark 4.0 has no AES-GMAC: it calls such signatures bad, and frames with one malformed.
    malformed = best["malformed_frames"] - best["signatures_verified_bad"]
    return {**best, "smb2_statuses": dict(statuses), "smb2_sessions": sessions, "malformed_frames": malformed}


@pytest.mark.parametrize("capture", DETAILED, ids=title)
def test_what_tshark_counted_is_counted(shared: Path, capture: Path) -> None:
    seen, names = Seen(), FileNames()
    ours = facts_of(run(capture, store_of(shared, capture), seen, names), seen, names)
    theirs = most_detailed(capture)
    different = {name for name in ours if ours[name] != theirs[name]}
    assert different == KNOWN_DIFFERENCES.get(title(capture), (set(), ""))[0]


@pytest.mark.parametrize("capture", DETAILED, ids=title)
def test_what_the_independent_decoder_counted_is_counted(shared: Path, capture: Path) -> None:
    document = document_of(capture)
    assert document is not None
    check = document["facts"].get("independent_check")
    if check is None:
        pytest.skip("was not decoded independently")
    seen = Seen()
    decoding = run(capture, store_of(shared, capture), seen)
    messages = decoding.whole
    commands = Counter(str(command) for command in messages["command"].tolist())
    assert commands == check["smb2_commands"]
    counts = check["counts"]
    assert len(messages) == counts["smb2_pdus"]
    assert np.count_nonzero(messages["encrypted"]) == counts.get("smb2_pdus_encrypted", 0)
    assert seen.transforms == counts.get("transform_decrypted_ok", 0)
    assert sum(seen.whole_units.values()) - seen.transforms == counts["clear_nbss"]
    assert signatures(decoding) == expected_signatures(counts)


def signatures(decoding: Decoding) -> dict[str, int]:
    """Signed plain messages by the algorithm of their connection."""
    messages = decoding.whole
    signed = messages[~messages["encrypted"] & (messages["signature"] != UNSIGNED)]
    connections = decoding.decoded.smb2.tracker.connections
    return dict(Counter(algorithm(connections[number]) for number in signed["connection"].tolist()))


def algorithm(connection: SmbConnection) -> str:
    """What the independent decoder calls it."""
    assert connection.dialect is not None
    if connection.dialect < Dialect.SMB_3_0:
        return "HMAC-SHA256(smb2 key)"
    if connection.dialect < Dialect.SMB_3_1_1 or connection.signing_algorithm is None:
        return "AES-128-CMAC"
    return ALGORITHMS[connection.signing_algorithm]


def expected_signatures(counts: dict[str, int]) -> dict[str, int]:
    """It tried the main session's key alone: what it calls BAD went over bound channels, whose keys are others."""
    expected: Counter[str] = Counter()
    for name, number in counts.items():
        if name.startswith("sig_"):
            expected[name.removeprefix("sig_").removesuffix("_ok").removesuffix("_BAD")] += number
    return dict(expected)


# -------------------------------------------------------------------------------------------------- faults on the way


def faults_of(decoding: Decoding) -> dict[str, Any]:
    """What the facts of `faults/` count, of our decoding."""
    messages = decoding.whole
    answers = is_response(messages)
    closed = decoding.messages[~decoding.messages["known"] & ~decoding.messages["incomplete"]]
    refused = messages[answers & (messages["status"] >> 30 == 3) & (messages["status"] != MORE_PROCESSING_REQUIRED)]
    interim = messages[answers & (messages["status"] == ntstatus.STATUS_PENDING)]
    breaks = messages[messages["command"] == Command.OPLOCK_BREAK]
    exchanges = decoding.decoded.smb2.exchanges.answered
    waiting = exchanges[exchanges["response_frame"] == 0]
    return {
        "pdus": len(messages),
        "by_command": count(messages["command"].tolist(), answers.tolist()),
        "undecrypted_transform_frames": len(np.unique(closed["frame"])),
        "errors": [
            (row["frame"], Command(row["command"]).name, ntstatus.name(int(row["status"])), row["session_id"])
            for row in refused
        ],
        "pending_interim": [(row["frame"], Command(row["command"]).name, row["message_id"]) for row in interim],
        "unanswered_requests": sorted(
            (row["request_frame"], Command(row["command"]).name, row["message_id"]) for row in waiting
        ),
        "oplock_lease_breaks": [(row["frame"], "server" if row["is_response"] else "client") for row in breaks],
    }


def documented_faults(facts: dict[str, Any]) -> dict[str, Any]:
    """The same of what is written down."""
    return {
        **{name: facts[name] for name in ("pdus", "by_command", "undecrypted_transform_frames")},
        "errors": [(row["frame"], row["command"], row["status"], int(row["session"], 16)) for row in facts["errors"]],
        "pending_interim": [(row["frame"], row["command"], row["message_id"]) for row in facts["pending_interim"]],
        "unanswered_requests": sorted(
            (row["frame"], row["command"], row["message_id"]) for row in facts["unanswered_requests"]
        ),
        "oplock_lease_breaks": [(row["frame"], row["from_"]) for row in facts["oplock_lease_breaks"]],
    }


@pytest.mark.parametrize("capture", FAULTS, ids=title)
def test_faults_that_tshark_shows_are_shown(shared: Path, capture: Path) -> None:
    document = document_of(capture)
    assert document is not None
    ours = faults_of(run(capture, store_of(shared, capture)))
    theirs = documented_faults(document["facts"]["smb2"])
    different = {name for name in ours if ours[name] != theirs[name]}
    assert different == KNOWN_FAULT_DIFFERENCES.get(title(capture), (set(), ""))[0]


@pytest.mark.parametrize("capture", FAULTS, ids=title)
def test_streams_have_the_bytes_messages_and_holes_that_were_counted(shared: Path, capture: Path) -> None:
    document = document_of(capture)
    assert document is not None
    seen = Seen()
    decoded = run(capture, store_of(shared, capture), seen).decoded
    ours: dict[tuple[int, str], list[tuple[int, int, int]]] = {}
    for account in decoded.accounts:
        if account.connection is None:  # UDP has no streams
            continue
        connection = decoded.connections[account.connection]
        if connection.server.port == 445:
            stream = account.decoded + account.undecoded + account.gap + account.snapped
            direction = connection.client.port, "s2c" if account.sender == SERVER else "c2s"
            whole = seen.whole_units[account.connection, account.sender]
            ours.setdefault(direction, []).append((stream, account.gap, whole))
    theirs: dict[tuple[int, str], list[tuple[int, int, int]]] = {}
    for row in document["facts"]["pdu_framing"]:
        figures = row["stream_bytes"], row["hole_bytes"], row["complete_pdus"]
        theirs.setdefault((row["client_port"], row["direction"]), []).append(figures)
    different = {port for port, direction in ours.keys() | theirs.keys()
                 if ours.get((port, direction), NOTHING) != theirs.get((port, direction), NOTHING)}  # fmt: skip
    assert different == KNOWN_STREAM_DIFFERENCES.get(title(capture), (set(), ""))[0]
