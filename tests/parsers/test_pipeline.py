"""Whole captures through all stages. Witness: what tshark counted in real ones; others are built segment by segment."""

from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parsers import ntstatus
from parsers.capture.open import Source, open_captures
from parsers.capture.write import PcapngWriter
from parsers.keys.store import Credential, KeyStore
from parsers.pipeline import Decoded, decode
from parsers.smb2.crypto import Cipher
from parsers.smb2.decoder import Batch
from parsers.smb2.dialects import Dialect
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.rows import MESSAGE, message_rows
from parsers.smb2.session import Session
from parsers.smb2.state import State
from parsers.transport.ip import ACK, FIN, SYN
from parsers.verdicts import Decryption, Signature
from tests.parsers.smb2.bodies import create_body, created_body, write_body
from tests.parsers.smb2.dialogue import CLIENT, PASSWORDS, SERVER, Peers, message
from tests.parsers.smb2.line import framed
from tests.parsers.transport import packets
from tests.records import records

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MIXED = SAMPLES / "ntlm_311_mixed_sessions.pcapng"
BIND = SAMPLES / "mch_bind_enc.pcapng"
RAW_IP = 101  # LINKTYPE_RAW
FILE = FileId(7, 8)


@dataclass
class Run:
    """A decoded capture with the rows of all messages."""

    decoded: Decoded
    rows: np.ndarray[Any, Any]
    calls: list[tuple[bool, bool]]  # of the sink: whether there were packets and segments

    @property
    def sessions(self) -> list[Session]:
        """All sessions."""
        return self.decoded.smb2.tracker.sessions

    @property
    def reasons(self) -> Counter[str]:
        """Undecoded bytes by their reason."""
        counted: Counter[str] = Counter()
        for row in self.decoded.undecoded:
            counted[row.reason] += row.length
        return counted

    def by_command(self) -> Counter[str]:
        """As tshark's facts count: "CREATE_req", "CREATE_rsp"."""
        known = self.rows[self.rows["known"]]
        kinds = zip(known["command"].tolist(), known["is_response"].tolist(), strict=True)
        return Counter(f"{Command(command).name}_{'rsp' if answer else 'req'}" for command, answer in kinds)

    def verdicts(self, column: str) -> Counter[str]:
        """How often each verdict was given."""
        names = DECRYPTIONS if column == "decryption" else SIGNATURES
        return Counter(names[value] for value in self.rows[column].tolist())


def run(source: Source, *credentials: Credential, window: int = 16 << 20) -> Run:
    """Decode a capture; every captured byte must be decoded, undecoded or retransmitted."""
    keys = KeyStore()
    for credential in credentials:
        keys.add(credential)
    rows, calls = [], []

    def sink(block, segments, batch) -> None:
        rows.append(records(message_rows(batch), MESSAGE))
        calls.append((block is not None, segments is not None))

    decoded = decode(open_captures(source, window=window), keys, [sink])
    for account in decoded.accounts:
        assert account.captured == account.decoded + account.undecoded + account.retransmitted
    return Run(decoded, np.concatenate(rows), calls)


def in_pairs(counts: dict[str, int]) -> Counter[str]:
    """Requests and as many responses of each command."""
    return Counter({f"{name}_{kind}": count for name, count in counts.items() for kind in ("req", "rsp")})


# ----------------------------------------------------------------------------------------------- real captures

# From the facts beside the capture: tshark 4.0.17 with the session keys, and an independent check of the signatures.
MIXED_COMMANDS = in_pairs(
    {
        "NEGOTIATE": 10, "SESSION_SETUP": 22, "TREE_CONNECT": 16, "TREE_DISCONNECT": 16, "CREATE": 23, "CLOSE": 23,
        "IOCTL": 14, "QUERY_DIRECTORY": 14, "QUERY_INFO": 11, "READ": 2, "WRITE": 1,
    }
) + Counter(IOCTL_rsp=1)  # fmt: skip
MIXED_STATUSES = {
    "STATUS_SUCCESS": 122, "STATUS_MORE_PROCESSING_REQUIRED": 11, "STATUS_NOT_FOUND": 7, "STATUS_NO_MORE_FILES": 7,
    "STATUS_LOGON_FAILURE": 2, "STATUS_INVALID_DEVICE_REQUEST": 1, "STATUS_BAD_NETWORK_NAME": 1,
    "STATUS_NETWORK_NAME_DELETED": 1, "STATUS_PENDING": 1,
}  # fmt: skip
MIXED_WITHOUT_KEYS = in_pairs(
    {
        "NEGOTIATE": 10, "SESSION_SETUP": 22, "TREE_CONNECT": 12, "TREE_DISCONNECT": 11, "CREATE": 11, "CLOSE": 11,
        "IOCTL": 11, "QUERY_DIRECTORY": 8, "QUERY_INFO": 4, "READ": 1,
    }
) + Counter(IOCTL_rsp=1)  # fmt: skip
# SessionId, user, session key (as Samba's debug output or the NT hash give it), cipher, encrypted messages.
MIXED_SESSIONS = [
    (0xE58FAEA7, "alice", "714be721a2f6c7f676f6786cdcd59f65", Cipher.AES_128_GCM, 54),
    (0x587D3960, "alice", "c872aa84ec549a302456e9e38cf53d80", Cipher.AES_256_GCM, 32),
    (0x840DED04, "bob", "0207faa29ab4b707e8b8190b5eed5fc4", Cipher.AES_128_GCM, 0),
    (0x03681343, "bob", "5423c97e58c8e6f90b90230e61fffe82", None, 0),
    (0x41F271EC, "bob", None, Cipher.AES_128_GCM, 0),
    (0xE92D1CA8, "bob", "d01d76b09e8da624a897b838e67a9d0c", Cipher.AES_128_GCM, 0),
    (0x9CB5764B, "alice", "a3c4899c5f5ef8730dce71da7f3262cc", Cipher.AES_128_GCM, 0),
    (0x671CF096, "root", None, Cipher.AES_128_GCM, 0),
    (0xCDA55C5D, "", None, Cipher.AES_128_GCM, 0),
    (0x36FE3099, "alice", "7cee95890ae7010cb95d55e4487ca960", Cipher.AES_128_GCM, 16),
    (0xE2C308E8, "alice", "d8bdfa7b612e6d2515946fdd186c35ac", Cipher.AES_128_GCM, 0),
]


@pytest.fixture(scope="module")
def mixed() -> Run:
    return run(MIXED, *PASSWORDS)


@pytest.fixture(scope="module")
def bind() -> Run:
    return run(BIND, *PASSWORDS)


def test_every_message_of_a_real_capture_is_found_and_opened(mixed):
    assert mixed.by_command() == MIXED_COMMANDS
    assert mixed.verdicts("decryption") == {Decryption.PLAINTEXT: 203, Decryption.DECRYPTED: 102}
    statuses = mixed.rows["status"][mixed.rows["is_response"]].tolist()
    assert Counter(ntstatus.name(status) for status in statuses) == MIXED_STATUSES
    assert not mixed.rows["incomplete"].any()
    assert mixed.decoded.undecoded == []
    assert mixed.decoded.passed_over == {}


def test_every_signature_of_a_real_capture_is_valid(mixed):
    """25 with AES-GMAC, 9 with HMAC-SHA256."""
    signed = {Signature.VALID: 34, Signature.UNSIGNED: 203 - 34, Signature.NOT_COVERED: 102}
    assert mixed.verdicts("signature") == signed


def test_the_sessions_of_a_real_capture_have_the_keys_that_samba_printed(mixed):
    found = [
        (s.session_id, s.user_name, s.session_key.hex() if s.session_key else None, s.cipher, s.opened)
        for s in mixed.sessions
    ]
    assert found == MIXED_SESSIONS
    assert {session.closed for session in mixed.sessions} == {0}
    assert Counter(session.dialect for session in mixed.sessions) == {Dialect.SMB_3_1_1: 10, Dialect.SMB_2_1: 1}
    assert [session.mechanism for session in mixed.sessions] == ["NTLMv2"] * 7 + ["LM", "anonymous"] + ["NTLMv2"] * 2
    refused = [session.session_id for session in mixed.sessions if "LOGON_FAILURE" in (session.ended_by or "")]
    assert refused == [0x41F271EC, 0x671CF096]
    assert {session.state for session in mixed.sessions} == {State.REMOVED}
    assert {tree.path for tree in mixed.decoded.smb2.tracker.trees} == {
        rf"\\10.77.0.1\{share}" for share in ("IPC$", "encshare", "share")
    }


def test_the_exchanges_of_a_real_capture_are_whole(mixed):
    """One IOCTL has an interim response besides the final one."""
    rows = mixed.decoded.smb2.exchanges.answered
    assert len(rows) == 152
    assert (rows["request_frame"] > 0).all()
    assert (rows["response_frame"] > rows["request_frame"]).all()
    assert np.count_nonzero(rows["pending_time"]) == 1
    opens = mixed.decoded.smb2.exchanges.opens.rows
    assert len(opens) == 23
    assert (opens["closed"] > opens["opened"]).all()
    names = {mixed.decoded.smb2.exchanges.names.names[number] for number in opens["name"].tolist()}
    assert names == {"", "mixed_alice.txt", "srvsvc"}


def test_without_keys_the_rest_is_what_tshark_sees_without_keys():
    blind = run(MIXED)
    assert blind.by_command() == MIXED_WITHOUT_KEYS
    assert blind.verdicts("decryption") == {Decryption.PLAINTEXT: 203, Decryption.NO_KEY: 102}
    assert blind.verdicts("signature")[Signature.NO_KEY] == 34
    assert blind.reasons.keys() == {"encrypted, and no key was given for the session"}


def test_a_session_on_two_connections_is_one_session(bind):
    """120 messages by tshark's count; what begins in frame 169 and does not end is not among them."""
    commands = {"NEGOTIATE": 5, "SESSION_SETUP": 16, "TREE_CONNECT": 4, "CREATE": 21, "CLOSE": 6, "QUERY_INFO": 8}
    assert bind.by_command() == in_pairs(commands)
    incomplete = bind.rows[bind.rows["incomplete"]]
    assert incomplete["frame"].tolist() == [169]
    channels = [
        (f"0x{s.session_id:x}", [channel.connection.number for channel in s.channel_list]) for s in bind.sessions[:4]
    ]
    assert channels == [("0xc09e4955", [0, 1]), ("0x214ac701", [1, 0]), ("0xa12ea56", [3, 5]), ("0x72cf0777", [4, 5])]
    assert [session.session_key.hex() for session in bind.sessions[:4]] == [
        "3bb64155e4b4eac75d61d4bdb7da3c87", "e85beafda63dd8da3d8d95b5755819db",
        "645a03f385b7b05fbeff00fc71f33faf", "db6395ff2dc5c4f30c356c3400ad8bd1",
    ]  # fmt: skip
    assert all(channel.signer is not None for session in bind.sessions[:4] for channel in session.channel_list)
    assert [session.ended_by for session in bind.sessions[:4]] == ["connection closed (client FIN)"] * 4
    assert bind.verdicts("decryption")[Decryption.DECRYPTED] == 72
    assert Signature.INVALID not in bind.verdicts("signature")


@pytest.mark.parametrize("capture", [MIXED, BIND], ids=lambda path: path.stem)
@pytest.mark.parametrize("window", [1, 2000, 1 << 14])
def test_what_is_found_does_not_depend_on_how_much_is_read_at_once(capture, window, mixed, bind):
    whole = mixed if capture == MIXED else bind
    cut = run(capture, *PASSWORDS, window=window)
    assert len(cut.calls) > len(whole.calls)
    assert cut.rows.tolist() == whole.rows.tolist()
    assert cut.decoded.accounts == whole.decoded.accounts
    assert cut.decoded.last_time == whole.decoded.last_time
    for table in ("answered", "opens"):
        one, other = (getattr(part.decoded.smb2.exchanges, table) for part in (cut, whole))
        rows = [part if table == "answered" else part.rows for part in (one, other)]
        assert sorted(rows[0].tolist()) == sorted(rows[1].tolist())
    assert [summary(session) for session in cut.sessions] == [summary(session) for session in whole.sessions]


def summary(session: Session) -> tuple[object, ...]:
    """What is known of a session at the end."""
    return (
        session.session_id, session.state, session.ended_by, session.ended_time, session.provenance, session.opened,
        session.complaints, session.idle_time, session.first_frame, len(session.channel_list),
        [(tree.tree_id, tree.path, tree.connected, tree.disconnected) for tree in session.tree_connect_table],
    )  # fmt: skip


def test_a_real_smb1_connection_is_accounted_as_not_decoded(shared):
    smb1 = run(shared / "captures" / "samba" / "krb5_nt1_signed.pcapng", *PASSWORDS)
    assert "smb" in smb1.decoded.protocols.values()
    assert len(smb1.rows) == 0
    assert smb1.sessions == []
    messages = [row for row in smb1.decoded.undecoded if row.layer == "SMB1"]
    assert len(messages) == 54  # as many frames as tshark shows
    assert {row.reason for row in messages} == {"SMB1 is not decoded yet"}


# ----------------------------------------------------------------------------------------------- built captures


@dataclass
class Trace:
    """A TCP connection, written segment by segment, a microsecond apart."""

    ports: tuple[int, int] = (50_000, 445)
    sequence: list[int] = field(default_factory=lambda: [1000, 9000])
    packets: list[bytes] = field(default_factory=list)

    def handshake(self) -> "Trace":
        """SYN, SYN+ACK, ACK."""
        self._segment(CLIENT, b"", SYN)
        self.sequence[CLIENT] += 1
        self._segment(SERVER, b"", SYN | ACK)
        self.sequence[SERVER] += 1
        self._segment(CLIENT, b"", ACK)
        return self

    def send(self, sender: int, data: bytes, *, size: int = 1400, lost: bool = False) -> "Trace":
        """Data in segments of `size` bytes; lost ones do not come into the capture."""
        for first in range(0, len(data), size):
            if not lost:
                self._segment(sender, data[first : first + size], ACK)
            self.sequence[sender] += len(data[first : first + size])
        return self

    def again(self) -> "Trace":
        """The last segment, retransmitted."""
        self.packets.append(self.packets[-1])
        return self

    def said(self, peers: Peers) -> "Trace":
        """All that they said."""
        for _, sender, data in peers.said:
            self.send(sender, framed(data))
        return self

    def finish(self, sender: int) -> "Trace":
        """FIN."""
        self._segment(sender, b"", FIN | ACK)
        return self

    def file(self) -> BytesIO:
        """The capture."""
        file = BytesIO()
        writer = PcapngWriter(file)
        writer.interface(RAW_IP)
        for number, packet in enumerate(self.packets, 1):
            writer.packet(1000 * number, packet)
        file.seek(0)
        return file

    def _segment(self, sender: int, payload: bytes, flags: int) -> None:
        ends = (packets.CLIENT, packets.SERVER)
        ports, ends = (self.ports, ends) if sender == CLIENT else (self.ports[::-1], ends[::-1])
        acknowledgment = self.sequence[1 - sender] if flags & ACK else 0
        segment = packets.tcp(
            payload, ports=ports, sequence=self.sequence[sender], acknowledgment=acknowledgment, flags=flags
        )
        self.packets.append(packets.ipv4(segment, ends=ends))


def dialogue() -> Peers:
    """Alice opens a file."""
    peers = Peers()
    peers.negotiate()
    peers.set_up(5)
    signer = peers.sessions[5].signer
    peers.request(Command.CREATE, create_body("a"), session_id=5, signer=signer)
    peers.answer(Command.CREATE, created_body(FILE), session_id=5, signer=signer)
    return peers


def test_a_connection_is_followed_from_its_first_to_its_last_packet():
    trace = Trace().handshake().said(dialogue()).finish(CLIENT)
    result = run(trace.file(), *PASSWORDS)
    (session,) = result.sessions
    assert session.keys_proved
    assert (session.state, session.ended_by) == (State.REMOVED, "connection closed (client FIN)")
    assert session.ended_time == 1000 * len(trace.packets)
    assert len(result.rows) == 8
    assert result.decoded.protocols == {0: "smb"}
    assert result.decoded.last_time == 1000 * len(trace.packets)


def test_sinks_get_the_blocks_and_at_the_end_messages_alone():
    result = run(Trace().handshake().said(dialogue()).file(), window=400)
    assert result.calls[-2:] == [(False, False)] * 2
    assert set(result.calls[:-2]) == {(True, True)}


def test_what_a_sink_is_shown_lies_in_the_arena():
    """Also at the end, where the messages behind a hole and those without their end come in two blocks."""
    trace = Trace().handshake().said(dialogue())
    trace.send(CLIENT, framed(bytes(300)), lost=True)
    for number in (20, 21):
        trace.send(CLIENT, framed(message(Command.ECHO, number, session_id=5)))
    trace.send(SERVER, framed(message(Command.READ, 22, bytes(9000), answer=True, session_id=5))[:5000])
    shown: list[int] = []

    def look(_block: object, _segments: object, batch: Batch) -> None:
        known = batch.messages.known
        numbers = batch.messages.header["message_id"][known].tolist()
        for offset, number in zip(batch.messages.offset[known].tolist(), numbers, strict=True):
            assert int.from_bytes(batch.arena[offset + 24 : offset + 32], "little") == number
        shown.extend(numbers)

    decode(open_captures(trace.file()), KeyStore(), [look])
    assert shown[-3:] == [20, 21, 22]


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_stalled_upload_is_an_incomplete_request_from_its_first_byte(encrypted):
    peers = dialogue()
    trace = Trace().handshake().said(peers)
    write = message(Command.WRITE, 9, write_body(FILE, bytes(20_000)), session_id=5)
    data = framed(peers.sealed(CLIENT, 5, write) if encrypted else write)
    first = len(trace.packets) + 1
    trace.send(CLIENT, data[:7000])
    result = run(trace.file(), *PASSWORDS)
    row = result.rows[-1]
    assert (row["incomplete"], row["length"], row["first_frame"], row["frame"]) == (
        True, len(data) - 4, first, len(trace.packets)
    )  # fmt: skip
    assert (row["time"], row["complete_time"]) == (1000 * first, 1000 * len(trace.packets))
    assert row["known"] != encrypted
    unanswered = result.decoded.smb2.exchanges.answered
    assert np.count_nonzero(unanswered["response_frame"] == 0) == (0 if encrypted else 1)
    assert result.reasons == {"the capture or the connection ends inside of this message": 7000}


def test_lost_and_repeated_segments_are_accounted_for():
    peers = dialogue()
    trace = Trace().handshake().said(peers).again()
    trace.send(CLIENT, framed(bytes(300)), lost=True)
    trace.send(CLIENT, framed(message(Command.ECHO, 20, session_id=5)))
    result = run(trace.file(), *PASSWORDS)
    client, server = result.decoded.accounts
    assert (client.gap, client.retransmitted) == (304, 0)
    assert (server.gap, server.retransmitted) == (0, len(framed(peers.said[-1].data)))
    assert result.rows["message_id"][-1] == 20


def test_the_cut_off_ends_of_packets_are_accounted_for():
    trace = Trace().handshake().said(dialogue())
    file = BytesIO()
    writer = PcapngWriter(file)
    writer.interface(RAW_IP, snaplen=200)
    for number, packet in enumerate(trace.packets, 1):
        writer.packet(1000 * number, packet[:200], original_length=len(packet))
    file.seek(0)
    result = run(file, *PASSWORDS)
    payload = sum(len(packet) - 40 for packet in trace.packets)
    assert sum(account.captured + account.snapped for account in result.decoded.accounts) == payload
    assert result.rows["incomplete"].sum() > 0
    assert len(result.rows) == 8


@pytest.mark.parametrize(
    ("data", "protocol", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http", "HTTP is not decoded yet"),
        (b"\x16\x03\x01\x00\x10\x01" + bytes(15), "tls", "TLS is not decoded yet"),
        (b"SSH-2.0-x\r\n", "ssh", "SSH is not decoded"),
        (b"what is this", "unknown", "no protocol was recognised"),
    ],
)
def test_other_protocols_are_accounted_as_not_decoded(data, protocol, reason):
    result = run(Trace().handshake().send(CLIENT, data).send(SERVER, b"answer").file())
    assert result.decoded.protocols == {0: protocol}
    assert result.reasons == {reason: len(data) + 6}
    assert len(result.rows) == 0


def test_a_connection_without_data_has_empty_accounts():
    result = run(Trace().handshake().finish(SERVER).file())
    assert {(a.captured, a.decoded, a.undecoded, a.gap) for a in result.decoded.accounts} == {(0, 0, 0, 0)}
    assert result.decoded.protocols == {}


def test_an_smb1_connection_is_accounted_as_not_decoded():
    smb1 = framed(b"\xffSMB\x73" + bytes(60))
    result = run(Trace().handshake().send(CLIENT, smb1).send(SERVER, smb1).file())
    assert result.reasons == {"SMB1 is not decoded yet": 2 * len(smb1)}
    assert len(result.rows) == 0


@pytest.mark.parametrize("window", [1, 1 << 20])
def test_what_came_before_a_stream_was_recognised_is_undecoded(window):
    """In mid-stream SMB is known by a segment that begins a message."""
    trace = Trace().send(CLIENT, b"?" * 50).send(SERVER, b"!" * 60)
    trace.send(CLIENT, framed(message(Command.ECHO, 1, session_id=5)))
    trace.send(SERVER, framed(message(Command.ECHO, 1, session_id=5, answer=True)))
    result = run(trace.file(), window=window)
    assert result.rows["message_id"].tolist() == [1, 1]
    reason = "before the stream was recognised" if window == 1 else "not at a message boundary"
    assert result.reasons == {reason: 110}


@pytest.mark.parametrize("window", [1, 1 << 20])
def test_who_is_the_server_is_told_by_the_messages_where_no_syn_was_seen(window):
    """The higher port is taken for the client's until then."""
    trace = Trace(ports=(445, 50_000)).send(SERVER, b"!" * 60)
    trace.send(SERVER, framed(message(Command.ECHO, 1, session_id=5, answer=True)))
    trace.send(CLIENT, framed(message(Command.ECHO, 2, session_id=5)))
    result = run(trace.file(), window=window)
    (connection,) = result.decoded.connections
    assert (connection.client.port, connection.server.port) == (445, 50_000)
    assert result.rows["from_client"].tolist() == [False, True]
    client, server = result.decoded.accounts
    assert (client.sender, client.undecoded, server.undecoded) == (CLIENT, 0, 60)


def test_packets_that_are_no_tcp_are_passed_over():
    trace = Trace().handshake().said(dialogue())
    trace.packets += [packets.ipv4(packets.udp(b"dns"), packets.UDP)] * 3
    result = run(trace.file())
    assert sum(result.decoded.passed_over.values()) == 3


def test_several_captures_are_one():
    """Cut in two; read as two files, in the order of time."""
    trace = Trace().handshake().said(dialogue())
    whole = run(trace.file(), *PASSWORDS)
    parts = []
    for first, last in ((0, 7), (7, len(trace.packets))):
        file = BytesIO()
        writer = PcapngWriter(file)
        writer.interface(RAW_IP)
        for number in range(first, last):
            writer.packet(1000 * (number + 1), trace.packets[number])
        file.seek(0)
        parts.append(file)
    keys = KeyStore()
    for credential in PASSWORDS:
        keys.add(credential)
    decoded = decode(open_captures(parts), keys)
    assert [summary(session) for session in decoded.smb2.tracker.sessions] == [
        summary(session) for session in whole.sessions
    ]


@pytest.mark.parametrize("number", [1, 2, 5])
def test_an_empty_capture_or_a_few_packets_are_no_trouble(number):
    trace = Trace().handshake().said(dialogue())
    trace.packets = trace.packets[: number - 1]
    result = run(trace.file(), *PASSWORDS)
    assert len(result.rows) == max(number - 1 - 3, 0)
    assert (result.decoded.last_time is None) is (number == 1)
