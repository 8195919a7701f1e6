"""The whole SMB2 stage on dialogues: the same whatever the blocks are, and every byte accounted for (`Line.finish`)."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import ntstatus
from parsers.keys.store import DirectionKeys, SessionKey
from parsers.smb2 import inflate as inflate_module
from parsers.smb2.compression import compress_chained, compress_unchained
from parsers.smb2.crypto import Cipher
from parsers.smb2.dialects import Dialect
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.read_write import ReadResponse, WriteResponse
from parsers.smb2.session import Session
from parsers.smb2.state import State
from parsers.smb2.transform import CompressionAlgorithm
from parsers.verdicts import Decryption, Signature
from tests.parsers.smb2.bodies import CLOSED, ERROR, SAME, close_body, create_body, created_body, read_body, write_body
from tests.parsers.smb2.dialogue import (
    ALICE,
    BOB,
    CLIENT,
    PASSWORDS,
    RELATED,
    SERVER,
    Peers,
    Said,
    compound,
    message,
)
from tests.parsers.smb2.line import Line, framed

FILE = FileId(7, 8)
ECHO = message(Command.ECHO, 9, session_id=5)
SMB1_DIALECTS = b"\x02NT LM 0.12\x00\x02SMB 2.???\x00"
SMB1_NEGOTIATE = b"\xffSMB\x72" + bytes(28) + len(SMB1_DIALECTS).to_bytes(2, "little") + SMB1_DIALECTS
SMB1_OTHER = b"\xffSMB\x73" + bytes(40)


def logged_on(said: list[Said] | None = None, number: int = 0, **options: object) -> Peers:
    """Session 5 of alice on a connection of its own."""
    peers = Peers([] if said is None else said, number, **options)
    peers.negotiate()
    peers.set_up(5)
    return peers


def decryptions(line: Line) -> list[Decryption]:
    """The verdict on each message."""
    return [DECRYPTIONS[value] for value in line.rows["decryption"]]


def reasons(line: Line) -> list[tuple[str, int, str]]:
    """What was not decoded: layer, bytes, why."""
    return [(row.layer, row.length, row.reason) for row in line.decoder.ledger.undecoded]


# ----------------------------------------------------------------------------------------------- whole dialogues


def use_a_file(peers: Peers, *, encrypted: bool) -> None:
    """CREATE, WRITE, READ and CLOSE, then LOGOFF, encrypted or signed."""

    def say(sender: int, command: int, body: bytes, **header: object) -> None:
        signer = None if encrypted else peers.sessions[5].signer
        if sender == CLIENT:
            peers.message_id += 1
        data = message(
            command, peers.message_id, body, answer=sender == SERVER, session_id=5, tree_id=3, signer=signer, **header
        )
        if encrypted:
            peers.sealed(sender, 5, data)
        else:
            peers.said.append(Said(peers.number, sender, data))

    say(CLIENT, Command.CREATE, create_body("dir\\file"))
    say(SERVER, Command.CREATE, created_body(FILE))
    say(CLIENT, Command.WRITE, write_body(FILE, bytes(500)))
    say(SERVER, Command.WRITE, WriteResponse(500).build())
    say(CLIENT, Command.READ, read_body(FILE))
    say(SERVER, Command.READ, ReadResponse(bytes(900)).build())
    say(CLIENT, Command.CLOSE, close_body(FILE))
    say(SERVER, Command.CLOSE, CLOSED)
    say(CLIENT, Command.LOGOFF, b"\x04\x00\x00\x00")
    say(SERVER, Command.LOGOFF, b"\x04\x00\x00\x00")


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_1_1])
def test_a_session_is_decoded_from_logon_to_logoff(dialect, encrypted, blocks):
    peers = logged_on(dialect=dialect)
    peers.connect_tree(5, 3)
    use_a_file(peers, encrypted=encrypted)
    line = Line(*PASSWORDS).carry(peers.said, blocks=blocks).finish()
    (session,) = line.sessions
    assert (session.state, session.ended_by) == (State.REMOVED, "logoff by the client")
    assert session.ended_time == 18_000
    assert session.idle_time == 17_000
    assert [tree.path for tree in session.tree_connect_table] == [r"\\server\share"]
    assert set(decryptions(line)[8:]) == {Decryption.DECRYPTED if encrypted else Decryption.PLAINTEXT}
    signature = Signature.NOT_COVERED if encrypted else Signature.VALID
    assert {SIGNATURES[value] for value in line.rows["signature"][8:]} == {signature}
    (opened,) = line.decoder.exchanges.opens.rows
    assert (opened["bytes_written"], opened["bytes_read"], opened["closed"]) == (500, 900, 16_000)
    assert line.decoder.exchanges.names.names == ["dir\\file"]
    assert reasons(line) == []
    assert len(line.decoder.exchanges.answered) == 9


def test_direction_keys_open_a_capture_that_begins_in_the_middle():
    peers = logged_on()
    keys = peers.sessions[5].keys
    del peers.said[:]
    use_a_file(peers, encrypted=True)
    said = [Said(0, CLIENT, b"\xfeSMB"[2:] + bytes(90)), *peers.said]
    line = Line(DirectionKeys(5, keys.client_to_server, keys.server_to_client), mid_stream=True)
    line.carry(said).finish()
    assert set(decryptions(line)) == {Decryption.DECRYPTED}
    assert line.decoder.exchanges.names.names == ["dir\\file"]
    assert [reason for _, _, reason in reasons(line)] == ["not at a message boundary"]


def test_both_channels_of_a_session_are_one_session():
    said: list[Said] = []
    first = logged_on(said)
    second = Peers(said, 1)
    second.negotiate()
    second.set_up(5, replace(ALICE, key=b"key of the bind!"), master=first.sessions[5])
    for peers in (first, second):
        peers.sealed(CLIENT, 5, ECHO)
        peers.request(Command.ECHO, session_id=5, signer=peers.sessions[5].signer)
    line = Line(*PASSWORDS).carry(said).finish()
    (session,) = line.sessions
    assert line.rows["session"][-4:].tolist() == [0] * 4
    assert decryptions(line)[-4:] == [Decryption.DECRYPTED, Decryption.PLAINTEXT] * 2
    assert [SIGNATURES[value] for value in line.rows["signature"][-3::2]] == [Signature.VALID] * 2
    assert [channel.connection.number for channel in session.channel_list] == [0, 1]


# ----------------------------------------------------------------------------------------------- blocks


EXPIRED = ntstatus.STATUS_NETWORK_SESSION_EXPIRED
DELETED = ntstatus.STATUS_USER_SESSION_DELETED
STEPS = (
    "echo", "sealed", "expired", "deleted", "again", "refused", "off", "new", "bind", "tree", "file", "compound",
    "pending",
)  # fmt: skip


def converse(steps: list[tuple[str, bool]]) -> list[Said]:
    """A session on one or two connections, to which everything happens in any order; each step has two forms.

    What is asked of a session that has ended is answered as servers do.
    """
    said: list[Said] = []
    first, second = logged_on(said), Peers(said, 1)
    second.negotiate()
    peers, ended = first, False
    for step, other in steps:
        signer = peers.sessions[5].signer
        if ended and step != "new":
            peers.request(Command.ECHO, session_id=5, signer=signer)
            peers.answer(Command.ECHO, status=DELETED, session_id=5)
        elif step == "bind" and 5 not in second.sessions:
            second.set_up(5, replace(ALICE, key=b"key of the bind!"), master=first.sessions[5])
            peers = second if other else first
        elif step == "echo":
            peers.request(Command.ECHO, session_id=5, signer=signer)
            peers.answer(Command.ECHO, session_id=5, signer=signer)
        elif step in {"expired", "deleted"}:
            peers.request(Command.CREATE, create_body("a"), session_id=5, signer=signer)
            peers.answer(Command.CREATE, status=EXPIRED if step == "expired" else DELETED, session_id=5)
        elif step == "again":
            first.set_up(5, BOB if other else ALICE)
        elif step == "refused":
            first.set_up(5, status=ntstatus.STATUS_LOGON_FAILURE)
        elif step == "off":
            peers.request(Command.LOGOFF, session_id=5, signer=signer)
            peers.answer(Command.LOGOFF, session_id=5)
        elif step == "new" and ended:  # no server gives an id again that is in use
            first.sessions.pop(5)
            first.set_up(5, BOB)
            second = Peers(said, second.number + 1)
            second.negotiate()
            peers = first
        elif step == "tree":
            peers.connect_tree(5, 3)
        elif step == "file":
            use_a_file(peers, encrypted=other)
        elif step == "sealed":
            peers.sealed(SERVER if other else CLIENT, 5, ECHO)
        elif step == "compound":
            create = message(Command.CREATE, 1000 + len(said), create_body("b"), session_id=5)
            close = message(Command.CLOSE, 1001 + len(said), close_body(SAME), session_id=RELATED, related=True)
            peers.sealed(CLIENT, 5, compound(create, close))
        elif step == "pending":
            peers.request(Command.CHANGE_NOTIFY, bytes(32), session_id=5, signer=signer)
            peers.answer(Command.CHANGE_NOTIFY, status=ntstatus.STATUS_PENDING, session_id=5, async_id=8)
        ended = (ended or step in {"deleted", "refused", "off", "file"}) and step != "new"
    return said


def summary(session: Session) -> tuple[object, ...]:
    """What is known of a session at the end."""
    return (
        session.session_id, session.state, session.ended_by, session.ended_time, session.user_name, session.provenance,
        session.reauthentications, session.opened, session.closed, session.damaged_frames, session.complaints,
        session.idle_time, session.creation_time, session.first_frame, len(session.tree_connect_table),
        [(channel.connection.number, channel.signing_key) for channel in session.channel_list],
    )  # fmt: skip


def carried(said: list[Said], edges: list[int]) -> Line:
    """A listener with all passwords who gets what was said in blocks that begin at `edges`."""
    line = Line(*PASSWORDS)
    for first, last in pairwise(sorted({0, len(said), *(edge for edge in edges if edge < len(said))})):
        line.carry(said[first:last])
    return line.finish()


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), max_size=8), st.lists(st.integers(0, 60), max_size=5))
def test_what_is_decoded_does_not_depend_on_the_blocks(steps, edges):
    said = converse(steps)
    whole = carried(said, [])
    for cut in (carried(said, edges), carried(said, list(range(len(said))))):
        assert cut.rows.tolist() == whole.rows.tolist()
        assert [summary(session) for session in cut.sessions] == [summary(session) for session in whole.sessions]
        assert sorted(cut.decoder.exchanges.answered.tolist()) == sorted(whole.decoder.exchanges.answered.tolist())
        assert cut.decoder.exchanges.opens.rows.tolist() == whole.decoder.exchanges.opens.rows.tolist()
        assert reasons(cut) == reasons(whole)


@pytest.mark.parametrize("blocks", [True, False])
def test_a_session_that_expired_and_authenticated_again_is_valid(blocks):
    peers = logged_on()
    peers.request(Command.CREATE, create_body("a"), session_id=5, signer=peers.sessions[5].signer)
    peers.answer(Command.CREATE, status=EXPIRED, session_id=5, signer=peers.sessions[5].signer)
    expired = Line(*PASSWORDS).carry(peers.said, blocks=blocks)
    assert expired.sessions[0].state is State.EXPIRED
    peers.set_up(5)
    (session,) = Line(*PASSWORDS).carry(peers.said, blocks=blocks).sessions
    assert (session.state, session.reauthentications) == (State.VALID, 1)


@pytest.mark.parametrize("blocks", [True, False])
def test_an_encrypted_re_authentication_is_followed(blocks):
    """Where the session encrypts, so do the legs (MS-SMB2 3.3.4.1.4)."""
    peers = logged_on()
    plain = Peers(preauth=peers.preauth, message_id=peers.message_id, sessions=dict(peers.sessions))
    plain.set_up(5)
    for _, sender, data in plain.said:
        peers.sealed(sender, 5, data)
    (session,) = Line(*PASSWORDS).carry(peers.said, blocks=blocks).finish().sessions
    assert (session.state, session.reauthentications, session.opened) == (State.VALID, 1, 4)


# ----------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(("closed", "state"), [((), State.VALID), ((0,), State.VALID), ((0, 1), State.REMOVED)])
def test_a_session_ends_with_its_last_channel(closed, state):
    """MS-SMB2 3.3.7.1."""
    said: list[Said] = []
    first = logged_on(said)
    second = Peers(said, 1)
    second.negotiate()
    second.set_up(5, master=first.sessions[5])
    line = Line(*PASSWORDS).carry(said)
    for number in closed:
        line.connections[number].closed_by, line.connections[number].closed_time = "server RST", 90_000 - number
    (session,) = line.finish().sessions
    assert session.state is state
    ended = ("connection closed (server RST)", 90_000) if state is State.REMOVED else (None, None)
    assert (session.ended_by, session.ended_time) == ended


def test_a_logoff_is_how_it_ended_though_the_connection_closes_later():
    peers = logged_on()
    use_a_file(peers, encrypted=False)
    line = Line(*PASSWORDS).carry(peers.said)
    line.connections[0].closed_by, line.connections[0].closed_time = "client FIN", 90_000
    assert line.finish().sessions[0].ended_by == "logoff by the client"


# ----------------------------------------------------------------------------------------------- incomplete


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("there", [20, 60, 300, 900])
def test_an_upload_that_stalls_is_an_incomplete_row(encrypted, there):
    peers = logged_on()
    write = message(Command.WRITE, 9, write_body(FILE, bytes(1000)), session_id=5)
    data = peers.sealed(CLIENT, 5, write) if encrypted else write
    line = Line(*PASSWORDS).carry(peers.said[:6])
    line.deliver(
        [line.piece(0, CLIENT, framed(data)[: there // 2]), line.piece(0, CLIENT, framed(data)[there // 2 : there])]
    )
    row = line.finish().rows[-1]
    assert (row["incomplete"], row["length"], row["from_client"]) == (True, len(data), True)
    assert (row["time"], row["complete_time"]) == (7000, 8000)
    if encrypted:
        assert (row["known"], DECRYPTIONS[row["decryption"]]) == (False, Decryption.DAMAGED)
    else:
        assert row["known"] == (there - 4 >= 48)
        assert len(line.decoder.exchanges.answered) == (4 if there - 4 >= 48 else 3)


@pytest.mark.parametrize("encrypted", [True, False])
def test_gaps_in_several_messages_of_one_block_leave_the_others(encrypted):
    """Each gap leaves a begun message that is put into the arena again."""
    peers = logged_on()
    data = []
    for number in range(12):
        plain = message(Command.WRITE, 20 + number, write_body(FILE, bytes([number]) * 3000), session_id=5)
        data.append(peers.sealed(CLIENT, 5, plain) if encrypted else plain)
    line = Line(*PASSWORDS).carry(peers.said[:6])
    pieces = []
    for number, one in enumerate(data):
        whole = framed(one)
        if number % 3 == 1:  # 100 bytes of every third message are missing
            pieces += [line.piece(0, CLIENT, whole[:2500]), line.piece(0, CLIENT, whole[2600:], lost=100)]
        else:
            pieces.append(line.piece(0, CLIENT, whole))
    line.deliver(pieces)
    line.finish()
    rows = line.rows[6:]
    assert rows["incomplete"].tolist() == [number % 3 == 1 for number in range(12)]
    whole = rows[~rows["incomplete"]]
    assert whole["message_id"].tolist() == [20 + number for number in range(12) if number % 3 != 1]
    verdict = Decryption.DECRYPTED if encrypted else Decryption.PLAINTEXT
    assert {DECRYPTIONS[value] for value in whole["decryption"]} == {verdict}
    assert {reason for _, _, reason in reasons(line)} == {
        "bytes are missing inside of this message", "rest of a message that lost bytes"
    }  # fmt: skip


def test_an_incomplete_setup_changes_nothing():
    peers = Peers()
    peers.negotiate()
    peers.set_up(5)
    line = Line(*PASSWORDS).carry(peers.said[:5])
    line.deliver([line.piece(0, SERVER, framed(peers.said[5].data)[:-1])])
    assert line.finish().sessions[0].state is State.IN_PROGRESS


# ----------------------------------------------------------------------------------------------- not SMB2


def test_a_multi_protocol_negotiation_is_decoded():
    peers = logged_on()
    line = Line(*PASSWORDS).carry([Said(0, CLIENT, SMB1_NEGOTIATE), *peers.said]).finish()
    assert line.sessions[0].connection.multi_protocol
    assert line.sessions[0].keys_proved
    assert reasons(line) == []


@pytest.mark.parametrize(
    ("sender", "data", "reason"),
    [
        (CLIENT, SMB1_OTHER, "SMB1 is not decoded yet"),
        (SERVER, SMB1_NEGOTIATE, "SMB1 is not decoded yet"),
        (CLIENT, SMB1_NEGOTIATE.replace(b"SMB 2.???", b"SAMBA 2.0"), "SMB1 is not decoded yet"),
    ],
)
def test_smb1_is_accounted_for(sender, data, reason):
    line = Line().carry([Said(0, sender, data)]).finish()
    assert reasons(line) == [("SMB1", len(data) + 4, reason)]
    assert len(line.rows) == 0


def test_an_smb1_negotiation_that_cannot_be_read_says_why():
    line = Line().carry([Said(0, CLIENT, SMB1_NEGOTIATE[:40])]).finish()
    ((layer, length, reason),) = reasons(line)
    assert (layer, length) == ("SMB1", 44)
    assert reason != "SMB1 is not decoded yet"


def test_session_control_packets_are_decoded():
    line = Line()
    line.deliver([line.piece(0, CLIENT, b"\x81\x00\x00\x48" + bytes(72)), line.piece(0, CLIENT, framed(ECHO))])
    line.finish()
    assert line.decoder.ledger.decoded == {(0, CLIENT): 76 + 72, (0, SERVER): 0}


def test_bytes_that_are_no_messages_are_undecoded():
    line = Line().carry([Said(0, CLIENT, ECHO)])
    line.deliver([line.piece(0, CLIENT, b"?" * 30)])
    line.carry([Said(0, CLIENT, ECHO)]).finish()
    assert reasons(line) == [("framing", 30, "not at a message boundary")]
    assert len(line.rows) == 2


# ----------------------------------------------------------------------------------------------- damaged


def with_size(data: bytes, size: int) -> bytes:
    """The message with another StructureSize in its header."""
    return data[:4] + size.to_bytes(2, "little") + data[6:]


WRONG = with_size(ECHO, 65)


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize(
    ("data", "known", "faults"),
    [
        (WRONG, 0, [True]),
        (compound(ECHO, WRONG), 1, [False]),
        (compound(WRONG, ECHO), 1, [False]),
        (compound(WRONG, WRONG, WRONG), 0, [True, False, False]),
        (ECHO[:20] + b"\x01\x00\x00\x00" + ECHO[24:], 1, [False]),
        (WRONG[:20] + b"\x01\x00\x00\x00" + WRONG[24:], 0, [True, False]),
    ],
)
def test_bytes_of_messages_that_are_none_are_counted_once(encrypted, data, known, faults):
    """`faults`: which of the undecoded rows counts the bytes of the whole unit."""
    peers = logged_on()
    sent = peers.sealed(CLIENT, 5, data) if encrypted else data
    line = Line(*PASSWORDS).carry([*peers.said[:6], Said(0, CLIENT, sent)]).finish()
    assert len(line.rows) == 6 + known
    assert [length for _, length, _ in reasons(line)] == [len(sent) + 4 if whole else 0 for whole in faults]
    assert {layer for layer, _, _ in reasons(line)} == {"SMB2"}


@pytest.mark.parametrize("plain", [b"", b"\xfe", b"\xfeSMB", ECHO[:63], b"\xffSMB" + bytes(60), b"?" * 100])
def test_encrypted_bytes_that_are_no_message_are_accounted_for(plain):
    peers = logged_on()
    sent = peers.sealed(CLIENT, 5, plain)
    line = Line(*PASSWORDS).carry(peers.said).finish()
    assert [length for _, length, _ in reasons(line)] == [len(sent) + 4]
    assert not line.rows["known"][6:].any()


COMPRESSED = [CompressionAlgorithm[name] for name in ("LZNT1", "LZ77", "LZ77_HUFFMAN", "LZ4")]


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("compress", [compress_unchained, compress_chained])
@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_what_is_compressed_reads_as_what_is_not(algorithm, compress, encrypted, blocks):
    peers = logged_on()
    use_a_file(peers, encrypted=False)
    plain = Line(*PASSWORDS).carry(peers.said).finish()
    said = list(peers.said[:6])
    for one in peers.said[6:]:
        sent = compress(one.data, algorithm, offset=64)
        said.append(Said(one.connection, one.sender, peers.sealed(one.sender, 5, sent) if encrypted else sent))
    line = Line(*PASSWORDS).carry(said, blocks=blocks).finish()
    assert reasons(line) == []
    assert line.rows["compressed"].tolist() == [False] * 6 + [True] * (len(plain.rows) - 6)
    for name in ("frame", "command", "message_id", "status", "flags", "session", "name"):
        assert line.rows[name].tolist() == plain.rows[name].tolist()
    signature = [SIGNATURES.index(Signature.NOT_COVERED)] * len(plain.rows[6:])
    assert line.rows["signature"][6:].tolist() == (signature if encrypted else plain.rows["signature"][6:].tolist())
    assert line.decoder.exchanges.opens.rows["bytes_read"].tolist() == [900]


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_damaged_compressed_message_is_a_row_with_its_reason(encrypted):
    peers = logged_on()
    logon = list(peers.said)
    sent = compress_unchained(ECHO, CompressionAlgorithm.LZ77, offset=64)[:-1]
    sent = peers.sealed(CLIENT, 5, sent) if encrypted else sent
    line = Line(*PASSWORDS).carry([*logon, Said(0, CLIENT, sent)]).finish()
    ((_, length, reason),) = reasons(line)
    assert length == len(sent) + 4
    assert reason.startswith("compressed, and cannot be decompressed: ")
    assert DECRYPTIONS[line.rows["decryption"][-1]] is Decryption.DAMAGED
    assert not line.rows["known"][-1]


def test_many_small_bombs_in_one_block_spend_bounded_memory(monkeypatch):
    monkeypatch.setattr(inflate_module, "_LARGEST_BLOCK", 1 << 20)
    peers = logged_on()
    bomb = compress_chained(ECHO + bytes(1 << 19), CompressionAlgorithm.LZ77, offset=0)
    assert len(bomb) < 500
    line = Line(*PASSWORDS).carry([*peers.said, *[Said(0, CLIENT, bomb)] * 4]).finish()
    assert line.rows["known"][6:].tolist() == [True, False, False, False]
    assert all("with" in reason and "bytes allowed" in reason for _, _, reason in reasons(line))


@pytest.mark.parametrize("place", [0, 1, 2, 3, 5])
def test_a_body_that_cannot_be_read_is_noted_and_the_message_stays_a_row(place):
    peers = logged_on()
    said = list(peers.said)
    data = bytearray(said[place].data)
    data[64] ^= 0x80
    said[place] = said[place]._replace(data=bytes(data))
    line = Line(*PASSWORDS).carry(said).finish()
    assert len(line.rows) == 6
    ((layer, length, reason),) = reasons(line)
    assert layer == f"SMB2 {'NEGOTIATE' if place < 2 else 'SESSION_SETUP'}"
    assert length == 0
    assert "StructureSize" in reason


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ((), "no key was given for the session"),
        ((SessionKey(5, b"not its own key!"),), "none of the keys given fits"),
        (PASSWORDS, "the tag does not fit"),
    ],
)
def test_what_stays_closed_says_why(secrets, words):
    peers = logged_on()
    sent = bytearray(peers.sealed(CLIENT, 5, ECHO))
    sent[-1] ^= 1
    line = Line(*secrets).carry([*peers.said[:6], Said(0, CLIENT, bytes(sent))]).finish()
    ((layer, length, reason),) = reasons(line)
    assert (layer, length) == ("SMB2 transform", len(sent) + 4)
    assert words in reason


# ----------------------------------------------------------------------------------------------- sessions of messages


def test_related_messages_belong_to_the_session_of_the_one_before_them():
    create = message(Command.CREATE, 1, create_body("a"), session_id=5)
    close = message(Command.CLOSE, 2, close_body(SAME), session_id=RELATED, related=True)
    alone = message(Command.CLOSE, 3, close_body(SAME), session_id=RELATED, related=True)
    line = Line().carry([Said(0, CLIENT, compound(create, close)), Said(0, CLIENT, alone)])
    assert line.rows["session"].tolist() == [0, 0, -1]
    assert line.decoder.exchanges.names.names == ["a"]


def test_an_answer_that_the_session_is_gone_ends_it():
    said = [
        Said(0, CLIENT, message(Command.CREATE, 1, create_body("a"), session_id=5)),
        Said(0, SERVER, message(Command.CREATE, 1, ERROR, answer=True, status=DELETED, session_id=5)),
        # What looks like a status in a request is a ChannelSequence and reserved bytes.
        Said(0, CLIENT, message(Command.CREATE, 2, create_body("a"), session_id=6, status=DELETED)),
    ]
    first, second = Line().carry(said).finish().sessions
    assert (first.state, first.ended_time) == (State.REMOVED, 2000)
    assert first.ended_by == "deleted by the server (STATUS_USER_SESSION_DELETED)"
    assert second.state is State.UNSEEN


def test_sessions_of_several_connections_are_kept_apart():
    said: list[Said] = []
    for number, dialect in enumerate((Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_1_1)):
        peers = Peers(said, number, dialect, Cipher.AES_256_GCM, guid=bytes([number]) * 16)
        peers.negotiate()
        peers.set_up(5, (ALICE, BOB, ALICE)[number])
    line = Line(*PASSWORDS).carry(said).finish()
    assert [session.user_name for session in line.sessions] == ["alice", "bob", "alice"]
    assert all(session.keys_proved for session in line.sessions)


# ----------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize(
    "kind", ["sessions", "encrypted sessions", "messages of one id", "compounds", "CREATEs", "setups"]
)
def test_hostile_traffic_takes_time_in_proportion(kind):
    """Some seconds for a block of this size would be slow; what grows with its square would take minutes."""
    count = 20_000
    peers = logged_on()
    transform = peers.sealed(CLIENT, 5, ECHO)
    make = {
        "sessions": lambda number: message(Command.ECHO, number, session_id=number + 1),
        "encrypted sessions": lambda number: transform[:44] + (number + 9).to_bytes(8, "little") + transform[52:],
        "messages of one id": lambda number: message(Command.ECHO, 1, session_id=5, answer=number % 2 == 1),
        "compounds": lambda _: compound(*[ECHO] * 8),
        "CREATEs": lambda number: message(Command.CREATE, number, create_body(f"{number}"), session_id=5),
        "setups": lambda number: message(Command.SESSION_SETUP, number, bytes(24), session_id=number),
    }[kind]
    said = [Said(0, CLIENT, make(number)) for number in range(count // (8 if kind == "compounds" else 1))]
    line = Line(*PASSWORDS).carry(peers.said[:6])
    began = time.process_time()
    line.carry(said).finish()
    assert time.process_time() - began < 20
    assert len(line.rows) == 6 + count


def test_signatures_that_do_not_fit_take_time_in_proportion():
    peers = logged_on()
    data = message(Command.ECHO, 9, answer=True, session_id=5, signer=peers.sessions[5].signer)
    spoiled = data[:-1] + b"\x01"
    line = Line(*PASSWORDS).carry(peers.said)
    began = time.process_time()
    line.carry([Said(0, SERVER, spoiled)] * 20_000).finish()
    assert time.process_time() - began < 10
    assert {SIGNATURES[value] for value in np.unique(line.rows["signature"][6:])} == {Signature.INVALID}
