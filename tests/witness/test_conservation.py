"""Every shared capture: each payload byte is accounted for exactly once, and nothing but `UsageError` is raised."""

import subprocess
from pathlib import Path

import pytest

from parsers.errors import UsageError
from tests.witness.decoding import SHARED, SUFFIXES, Decoding, captures, conserved, run, title
from tests.witness.known_keys import store_of

NO_CAPTURES = {".conf", ".json", ".key", ".keylog", ".keytab", ".log", ".md", ".stderr", ".stdout", ".tsv", ".txt"}
NO_CAPTURES |= {".yaml"}
SMALL = 1_000_000  # bytes of a capture that is read in the smallest windows
NAMES_COME_LATE = "the answer to a CREATE is held back behind lost bytes: in small windows its use comes first"
GIVEN_UP = "a segment that stands more than a second behind its acknowledgment: a block that ends before gives it up"
KNOWN_DIFFERENCES = {
    "public/suricata/smb2-frames-gap-payload-logging/smb2-peter-minus-p191.pcap": ({"name"}, NAMES_COME_LATE),
    "public/suricata/smb2-frames-gap-payload-logging-02/smb2-peter-minus-p191-p192.pcap": ({"name"}, NAMES_COME_LATE),
    "public/zeek/tcp/reassembly.pcap": ({"accounts"}, GIVEN_UP),
}


def other_files() -> list[Path]:
    """What lies beside the captures: keys, facts, configuration."""
    files = (path for path in (SHARED / "captures").rglob("*") if path.is_file())
    return sorted(path for path in files if not path.name.endswith(SUFFIXES))


def accounted(decoding: Decoding) -> bool:
    """Whether the account of every direction adds up, and the accounts to what the connections have captured."""
    accounts = decoding.decoded.accounts
    captured = sum(direction.captured for link in decoding.decoded.connections for direction in link.directions)
    return all(map(conserved, accounts)) and sum(account.captured for account in accounts) == captured


@pytest.mark.parametrize("capture", captures(), ids=title)
def test_every_captured_byte_is_accounted_for_once(shared: Path, capture: Path) -> None:
    assert accounted(run(capture, store_of(shared, capture)))


@pytest.mark.witness
@pytest.mark.parametrize("capture", [*captures("samba"), *captures("faults"), *captures("public/suricata")], ids=title)
def test_tshark_counts_as_many_payload_bytes(shared: Path, tshark: str, capture: Path) -> None:
    command = [tshark, "-r", str(capture), "-Y", "tcp.len > 0 && tcp.flags.reset == 0", "-T", "fields"]
    command += ["-e", "tcp.len", "-e", "frame.cap_len", "-e", "frame.len"]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    lengths = (map(int, line.split("\t")) for line in lines)
    theirs = sum(max(payload + captured - length, 0) for payload, captured, length in lengths)
    assert sum(account.captured for account in run(capture).decoded.accounts) == theirs


def told(decoding: Decoding) -> dict[str, list[object]]:
    """What is told of each message, by column, with what numbers stand for; and the accounts."""
    messages = decoding.messages
    columns: dict[str, list[object]] = {name: messages[name].tolist() for name in messages.dtype.names}
    sessions = decoding.decoded.smb2.tracker.sessions
    columns["session"] = [sessions[number].session_id if number >= 0 else None for number in columns["session"]]
    columns["name"] = [decoding.name(number) for number in columns["name"]]
    return {**columns, "accounts": list(decoding.decoded.accounts)}


@pytest.mark.parametrize("capture", captures(), ids=title)
def test_smaller_windows_tell_the_same(shared: Path, capture: Path) -> None:
    keys = store_of(shared, capture)
    large = run(capture, keys)
    small = run(capture, keys, window=5000 if capture.stat().st_size <= SMALL else 1 << 16)
    ours, other = told(large), told(small)
    different = {name for name in ours if ours[name] != other[name]}
    assert different == KNOWN_DIFFERENCES.get(title(capture), (set(), ""))[0]
    assert small.decoded.passed_over == large.decoded.passed_over


@pytest.mark.parametrize("path", other_files(), ids=title)
def test_a_file_that_is_no_capture_is_the_users_mistake(shared: Path, path: Path) -> None:
    assert path.suffix in NO_CAPTURES or path.name.endswith(("__out", "__output"))
    with pytest.raises(UsageError, match=r"is not a capture|is empty"):
        run(path)
