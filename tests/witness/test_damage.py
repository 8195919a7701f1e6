"""Captures that were damaged by other programs: what is still there is read as before, what is not is named.

No verdict accuses: nothing is `invalid`, `damaged` or `wrong_key` that was only not captured.
"""

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from parsers.capture.packets import PacketBlock
from parsers.keys.store import DirectionKeys, KeyStore
from parsers.pipeline import Account
from parsers.smb2.decoder import Batch
from parsers.smb2.framing import PREFIX
from parsers.smb2.header import HEADER_SIZE, Command
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.transport.connections import CLIENT, SERVER
from parsers.transport.ip import SYN, Segments
from parsers.verdicts import Decryption, Signature
from tests.witness.decoding import SHARED, Decoding, captures, conserved, run, title
from tests.witness.known_keys import document_of, store_of

SIGNED = "ntlm_311_sign_aes-128-gmac.pcapng"
ENCRYPTED = "ntlm_311_enc_aes-128-gcm.pcapng"
MIXED = "ntlm_311_mixed_sessions.pcapng"
BOUND = "torture_session_bind.pcapng"
CLEAR = "ntlm_210_unsigned.pcapng"
CHOSEN = (SIGNED, ENCRYPTED, MIXED, BOUND, CLEAR)
REASONS = {  # why bytes may be undecoded, where packets are missing
    "bytes are missing inside of this message",
    "rest of a message that lost bytes",
    "not at a message boundary",
    "the capture or the connection ends inside of this message",
    "encrypted, and the session's handshake is not in the capture",
    "encrypted, and no key was given for the session",
}
LINK_TO_TCP = 14 + 20 + 32  # Ethernet, IPv4, TCP with time stamps
ACCUSING = {Decryption.WRONG_KEY, Signature.INVALID}

pytestmark = pytest.mark.witness


class Row(NamedTuple):
    """What a message is, wherever in a capture it stands."""

    client_port: int
    from_client: bool
    message_id: int
    command: int
    status: int
    session_id: int


def rows(decoding: Decoding, messages: Any = None) -> list[Row]:
    """The whole messages of a decoding, or others of it."""
    messages = decoding.whole if messages is None else messages
    ports = np.array([connection.client.port for connection in decoding.decoded.connections])
    columns = (messages[name].tolist() for name in ("from_client", *Row._fields[2:]))
    return [Row(*values) for values in zip(ports[messages["connection"]].tolist(), *columns, strict=True)]


def told(decoding: Decoding) -> list[tuple[Row, str, str, str | None]]:
    """Everything that is told of every message but where it stands, in an order of its own."""
    messages = decoding.messages
    verdicts = zip(messages["decryption"].tolist(), messages["signature"].tolist(), strict=True)
    names = [decoding.name(number) for number in messages["name"].tolist()]
    return sorted(
        (row, DECRYPTIONS[decryption], SIGNATURES[signature], name or "")
        for row, (decryption, signature), name in zip(rows(decoding, messages), verdicts, names, strict=True)
    )


def assert_sound(decoding: Decoding, *reasons: str) -> None:
    """Nothing is lost from sight and nothing is accused."""
    assert all(map(conserved, decoding.decoded.accounts))
    verdicts = {DECRYPTIONS[code] for code in np.unique(decoding.messages["decryption"]).tolist()}
    verdicts |= {SIGNATURES[code] for code in np.unique(decoding.messages["signature"]).tolist()}
    assert not verdicts & ACCUSING
    damaged = decoding.messages["decryption"] == DECRYPTIONS.index(Decryption.DAMAGED)
    assert decoding.messages["incomplete"][damaged].all()
    assert {row.reason for row in decoding.decoded.undecoded} <= REASONS | {*reasons}


def path_of(name: str) -> Path:
    """A capture of `samba/`."""
    return SHARED / "captures" / "samba" / name


def change(program: str, *arguments: str | Path) -> None:
    """Run a program that writes a capture."""
    subprocess.run([program, *map(str, arguments)], capture_output=True, check=True)


# ------------------------------------------------------------------------------------------- nothing is really missing


@pytest.mark.parametrize("name", CHOSEN)
def test_packets_that_are_captured_twice_change_nothing(
    shared: Path, editcap: str, mergecap: str, tmp_path: Path, name: str
) -> None:
    change(editcap, "-t", "0.00001", path_of(name), tmp_path / "again")
    change(mergecap, "-w", tmp_path / "both", path_of(name), tmp_path / "again")
    keys = store_of(shared, path_of(name))
    once, twice = run(path_of(name), keys), run(tmp_path / "both", keys)
    assert told(twice) == told(once)
    for one, two in zip(once.decoded.accounts, twice.decoded.accounts, strict=True):
        assert two.captured == 2 * one.captured
        assert two.retransmitted == one.captured + one.retransmitted
        assert (two.decoded, two.undecoded, two.gap) == (one.decoded, one.undecoded, one.gap)


@pytest.mark.parametrize("name", CHOSEN)
def test_files_of_a_rotated_capture_are_one_capture(shared: Path, editcap: str, tmp_path: Path, name: str) -> None:
    keys = store_of(shared, path_of(name))
    whole = run(path_of(name), keys)
    packets = sum(connection.packets for connection in whole.decoded.connections)
    folder = tmp_path / "ring"
    folder.mkdir()
    change(editcap, "-c", str(-(-packets // 10)), path_of(name), folder / "ring.pcapng")
    files = sorted(folder.iterdir())
    assert len(files) == 10
    random.Random(name).shuffle(files)
    for parts in (run(files, keys), run(folder, keys)):
        assert told(parts) == told(whole)
        assert parts.messages["frame"].tolist() == whole.messages["frame"].tolist()
        assert parts.messages["time"].tolist() == whole.messages["time"].tolist()
        assert parts.decoded.accounts == whole.decoded.accounts


class Record(NamedTuple):
    """A packet of a pcap file: its time as it stands there, its length on the wire, its bytes."""

    time: bytes
    length: int
    data: bytes


def read_pcap(path: Path) -> tuple[bytes, list[Record]]:
    """Header and records of a pcap file of this machine's byte order."""
    data = path.read_bytes()
    records = []
    at = 24
    while at < len(data):
        captured, length = struct.unpack_from("=II", data, at + 8)
        records.append(Record(data[at : at + 8], length, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return data[:24], records


def write_pcap(path: Path, header: bytes, records: Iterable[Record]) -> None:
    """The reverse."""
    parts = (one.time + struct.pack("=II", len(one.data), one.length) + one.data for one in records)
    path.write_bytes(header + b"".join(parts))


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("first", [0, 1])
def test_neighbours_that_change_places_change_nothing(
    shared: Path, editcap: str, tmp_path: Path, name: str, first: int
) -> None:
    """Every second pair of packets is captured in the wrong order: the times stay, the packets move."""
    change(editcap, "-F", "pcap", path_of(name), tmp_path / "plain")
    header, records = read_pcap(tmp_path / "plain")
    for index in range(first, len(records) - 1, 4):
        one, two = records[index : index + 2]
        records[index], records[index + 1] = two._replace(time=one.time), one._replace(time=two.time)
    write_pcap(tmp_path / "swapped", header, records)
    keys = store_of(shared, path_of(name))
    before, after = run(path_of(name), keys), run(tmp_path / "swapped", keys)
    assert [each[:3] for each in told(after)] == [each[:3] for each in told(before)]
    # A request that comes before the CREATE response which it builds on cannot know its file.
    changed = Counter(told(after)) - Counter(told(before))
    assert {name for *_, name in changed} <= {""}
    assert sum(account.decoded for account in after.decoded.accounts) == sum(
        account.decoded for account in before.decoded.accounts
    )


# ------------------------------------------------------------------------------------------------ something is missing


def direction_keys(capture: Path) -> KeyStore:
    """The keys of the ciphers themselves, which need no handshake."""
    store = KeyStore()
    document = document_of(capture)
    assert document is not None
    for entry in document["debug_encryption_session_keys"]:
        if "server_in_key" in entry:
            keys = (bytes.fromhex(entry[name]) for name in ("server_in_key", "server_out_key"))
            store.add(DirectionKeys(int(entry["session_id"], 16), *keys))
    return store


def missing(some: Decoding, whole: Decoding) -> Counter[Row]:
    """The messages of `whole` that are not in `some`, which has no others."""
    there = Counter(rows(some))
    assert not there - Counter(rows(whole))
    return Counter(rows(whole)) - there


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("sender", [CLIENT, SERVER])
def test_one_direction_alone_is_read(shared: Path, tshark: str, tmp_path: Path, name: str, sender: int) -> None:
    side = "dstport" if sender == CLIENT else "srcport"
    change(tshark, "-r", path_of(name), "-Y", f"tcp.{side} == 445", "-w", tmp_path / "half")
    keys = store_of(shared, path_of(name))
    whole, half = run(path_of(name), keys), run(tmp_path / "half", keys)
    assert_sound(half)
    mine = whole.messages[whole.messages["from_client"] == (sender == CLIENT)]
    assert len(half.messages) == len(mine)
    assert not Counter(rows(whole, mine[~mine["encrypted"]])) - Counter(rows(half))
    missing(half, whole)
    opened = run(tmp_path / "half", direction_keys(path_of(name)))
    assert Counter(rows(opened)) == Counter(rows(whole, mine))


@pytest.mark.parametrize("name", CHOSEN)
def test_a_capture_that_begins_in_the_middle_is_read_from_there(
    shared: Path, editcap: str, tmp_path: Path, name: str
) -> None:
    keys = store_of(shared, path_of(name))
    whole = run(path_of(name), keys)
    packets = sum(connection.packets for connection in whole.decoded.connections)
    for first in (packets // 20, packets // 3, 2 * packets // 3):
        cut = tmp_path / f"from{first}"
        change(editcap, "-r", path_of(name), cut, f"{first + 1}-{packets}")
        with_passwords, opened = run(cut, keys), run(cut, direction_keys(path_of(name)))
        assert_sound(with_passwords)
        assert_sound(opened)
        missing(with_passwords, whole)
        behind = whole.messages[whole.messages["first_frame"] > first]
        assert Counter(rows(opened)) == Counter(rows(whole, behind))


class Payload:
    """A sink: the frames with payload or SYN of each direction with their payload lengths."""

    def __init__(self) -> None:
        self.lengths: dict[tuple[int, bool], dict[int, int]] = {}

    def __call__(self, _block: PacketBlock | None, segments: Segments | None, _batch: Batch) -> None:
        if segments is None:
            return
        tells = (segments.length > 0) | (segments.flags & SYN != 0)
        columns = (segments.frame, segments.length, segments.source_port, segments.destination_port)
        for frame, length, source, destination in zip(*(column[tells].tolist() for column in columns), strict=True):
            direction = (source, True) if destination == 445 else (destination, False)
            self.lengths.setdefault(direction, {})[frame] = length


def directions(decoding: Decoding) -> dict[tuple[int, bool], Account]:
    """The account of each direction, by the client's port and whether the client sends."""
    connections = decoding.decoded.connections
    accounts = decoding.decoded.accounts
    return {(connections[one.connection].client.port, one.sender == CLIENT): one for one in accounts}


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("seed", range(4))
def test_lost_packets_cost_only_the_messages_in_them(
    shared: Path, editcap: str, tmp_path: Path, name: str, seed: int
) -> None:
    keys, payload = store_of(shared, path_of(name)), Payload()
    whole = run(path_of(name), keys, payload)
    packets = sum(connection.packets for connection in whole.decoded.connections)
    lost = sorted(random.Random(seed).sample(range(1, packets + 1), packets // 100))
    change(editcap, path_of(name), tmp_path / "lossy", *map(str, lost))
    lossy = run(tmp_path / "lossy", keys)
    assert_sound(lossy)
    # What is missing was in a lost packet, or is encrypted and its session's handshake was in one.
    absent = missing(lossy, whole)
    closed = set(lossy.messages["session_id"][~lossy.messages["known"]].tolist())
    begun = set()
    for row, message in zip(rows(whole), whole.whole, strict=True):
        hit = any(message["first_frame"] <= frame <= message["frame"] for frame in lost)
        if hit and row in absent and message["first_frame"] not in lost:
            begun.add(int(message["first_frame"]))
        absent[row] -= hit or (message["encrypted"] and row.session_id in closed)
    assert all(number <= 0 for number in absent.values())
    # Of what began in a packet that is there, a row says that its end is missing.
    kept = sorted(set(range(1, packets + 1)) - set(lost))
    cut_short = lossy.messages["first_frame"][lossy.messages["incomplete"]]
    assert {kept[frame - 1] for frame in cut_short.tolist()} == begun
    # Holes are reported to the byte, where both ends of the stream are there and nothing was sent twice.
    before, after = directions(whole), directions(lossy)
    for direction, lengths in payload.lengths.items():
        gone = lengths.keys() & set(lost)
        ends = {min(lengths), max(lengths)}
        if direction in after and not ends & gone and not before[direction].retransmitted:
            assert after[direction].gap == sum(lengths[frame] for frame in gone)


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("length", [96, 120, 200, 1000])
def test_a_snap_length_leaves_what_it_does_not_cut(
    shared: Path, editcap: str, tmp_path: Path, name: str, length: int
) -> None:
    change(editcap, "-s", str(length), path_of(name), tmp_path / "snapped")
    keys = store_of(shared, path_of(name))
    whole, snapped = run(path_of(name), keys), run(tmp_path / "snapped", keys)
    assert_sound(snapped)
    missing(snapped, whole)
    for before, after in zip(whole.decoded.accounts, snapped.decoded.accounts, strict=True):
        assert after.decoded + after.undecoded + after.snapped == before.decoded + before.undecoded
        assert after.gap == before.gap
    # A header is read if all of it but the signature is there; what lies behind is said to be missing.
    readable = snapped.messages[snapped.messages["known"]]
    assert not Counter(rows(snapped, readable)) - Counter(rows(whole))
    if length >= LINK_TO_TCP + PREFIX + HEADER_SIZE:
        begun = whole.messages[~whole.messages["encrypted"]]
        first = np.unique(begun["first_frame"], return_index=True)[1]  # the first message in each of their frames
        alone = begun[first][begun["first_frame"][first] == begun["frame"][first]]
        assert not Counter(rows(whole, alone)) - Counter(rows(snapped, readable))


@pytest.mark.parametrize(("name", "verdict"), [(SIGNED, Signature.INVALID), (ENCRYPTED, Decryption.DAMAGED)])
def test_a_changed_byte_is_noticed_in_its_message_alone(
    shared: Path, editcap: str, tmp_path: Path, name: str, verdict: Signature | Decryption
) -> None:
    change(editcap, "-F", "pcap", path_of(name), tmp_path / "plain")
    header, records = read_pcap(tmp_path / "plain")
    keys, payload = store_of(shared, path_of(name)), Payload()
    whole = run(tmp_path / "plain", keys, payload)
    handshake = int(whole.messages["frame"][whole.messages["command"] == Command.TREE_CONNECT].min())
    once = {frame for lengths in payload.lengths.values() for frame, size in lengths.items() if size > HEADER_SIZE}
    chances, noticed = random.Random(name), 0
    for frame in chances.sample(sorted(frame for frame in once if frame > handshake), 20):
        changed = list(records)
        data = bytearray(records[frame - 1].data)
        data[-chances.randint(1, 8)] ^= 1 << chances.randrange(8)
        changed[frame - 1] = records[frame - 1]._replace(data=bytes(data))
        write_pcap(tmp_path / "changed", header, changed)
        after = run(tmp_path / "changed", keys)
        assert all(map(conserved, after.decoded.accounts))
        different = [new for old, new in zip(verdicts(whole), verdicts(after), strict=True) if old != new]
        assert different in ([verdict], [])
        noticed += len(different)
    # Of bytes that were sent twice the others may count.
    assert noticed > 10 if sent_twice(whole) else noticed == 20


def verdicts(decoding: Decoding) -> list[Signature | Decryption]:
    """Of each message the verdict that is about its content: of the tag if it was encrypted, else of its signature."""
    columns = (decoding.messages[name].tolist() for name in ("encrypted", "decryption", "signature"))
    return [
        DECRYPTIONS[decryption] if encrypted else SIGNATURES[signature]
        for encrypted, decryption, signature in zip(*columns, strict=True)
    ]


def sent_twice(decoding: Decoding) -> bool:
    """Whether some bytes of the capture came more than once."""
    return any(account.retransmitted for account in decoding.decoded.accounts)


def test_the_halves_of_a_capture_are_the_whole(shared: Path) -> None:
    """A session that is bound to more connections: some of them in one file, the rest in the other."""
    whole = shared / "captures/faults/mch_bind_enc.pcapng"
    halves = [whole.with_name(f"dmg_mch_bind_enc_{half}.pcapng") for half in ("first", "second")]
    keys = store_of(shared, whole)
    assert told(run(halves, keys)) == told(run(whole, keys))
    for half in halves:
        alone = run(half, keys)
        assert_sound(alone)
        missing(alone, run(whole, keys))


SNAPPED = [path for path in captures("faults") if path.suffix == ".gz" or "snap96" in path.name]


@pytest.mark.parametrize("capture", SNAPPED, ids=title)
def test_a_shared_capture_that_was_cut_is_sound(shared: Path, capture: Path) -> None:
    document = document_of(capture)
    assert document is not None
    decoding = run(capture, store_of(shared, capture))
    # In one of them the end of an older connection comes by, too short to tell what it carried.
    assert_sound(decoding, "no protocol was recognised")
    assert decoding.messages["incomplete"].all()
    facts = document["facts"]
    assert len(decoding.decoded.connections) == len(facts["tcp_streams"])
    begun = sum(row["complete_pdus"] + bool(row["incomplete_pdu_at_end"]) for row in facts["pdu_framing"])
    assert 0 < len(decoding.messages) <= begun
