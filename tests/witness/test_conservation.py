"""Every shared capture: each payload byte is accounted for exactly once, and nothing but `UsageError` is raised."""

import subprocess
from pathlib import Path

import pytest

from parsers.errors import UsageError
from parsers.smb2.rows import message_rows
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
    captured += decoding.decoded.kdc.datagrams.total()
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
    accounts = run(capture).decoded.accounts
    assert sum(account.captured for account in accounts if account.connection is not None) == theirs


@pytest.mark.witness
@pytest.mark.parametrize("name", ["samba/krb5_torture_expire1e.pcapng", "faults/ad_krb5_torture_expire1s.pcapng"])
def test_tshark_counts_as_many_bytes_of_kerberos_over_udp(shared: Path, tshark: str, name: str) -> None:
    capture = shared / "captures" / name
    command = [tshark, "-r", str(capture), "-Y", "kerberos && udp.port == 88", "-T", "fields", "-e", "udp.length"]
    lengths = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    accounts = [account for account in run(capture).decoded.accounts if account.connection is None]
    assert sum(account.decoded for account in accounts) == sum(int(length) - 8 for length in lengths) > 0


@pytest.mark.parametrize("capture", captures("faults"), ids=title)
def test_messages_come_in_the_order_of_their_frames(shared: Path, capture: Path) -> None:
    """In each block; those that a snap length cut, or that were compressed or encrypted, are taken apart later."""
    blocks: list[list[int]] = []
    run(capture, store_of(shared, capture), lambda _b, _s, batch: blocks.append(message_rows(batch)["frame"].tolist()))
    assert all(frames == sorted(frames) for frames in blocks)


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
