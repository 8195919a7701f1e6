"""What a row of the message table says of messages of every kind."""

import pytest

from parsers.smb2.header import Command, Flags
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.rows import MESSAGE
from parsers.verdicts import Decryption, Signature
from tests.parsers.smb2.bodies import SAME, close_body, create_body
from tests.parsers.smb2.dialogue import CLIENT, PASSWORDS, RELATED, SERVER, Peers, Said, compound, message
from tests.parsers.smb2.line import Line, framed


def verdicts(row) -> tuple[Decryption, Signature]:
    """Both verdicts of a row."""
    return DECRYPTIONS[row["decryption"]], SIGNATURES[row["signature"]]


def test_a_plain_message_is_its_header_with_frames_and_times():
    data = message(Command.READ, 7, bytes(49), session_id=5, tree_id=3)
    answer = message(Command.READ, 7, bytes(17), answer=True, status=0x103, session_id=5, async_id=99)
    line = Line().carry([Said(0, CLIENT, data), Said(0, SERVER, answer)])
    request, response = line.rows
    assert line.rows.dtype == MESSAGE
    assert (request["frame"], request["first_frame"], request["time"], request["complete_time"]) == (1, 1, 1000, 1000)
    assert (request["connection"], request["command"], request["message_id"]) == (0, Command.READ, 7)
    assert (request["session"], request["session_id"], request["async_id"] >> 32) == (0, 5, 3)
    assert (request["credits"], request["credit_charge"], request["status"]) == (1, 0, 0)
    assert (request["length"], request["name"]) == (113, -1)
    assert [bool(request[name]) for name in ("from_client", "is_response", "known", "encrypted", "incomplete")] == [
        True, False, True, False, False
    ]  # fmt: skip
    assert (response["from_client"], response["is_response"]) == (False, True)
    assert (response["status"], response["async_id"]) == (0x103, 99)
    assert response["flags"] == Flags.SERVER_TO_REDIR | Flags.ASYNC_COMMAND
    assert {verdicts(row) for row in line.rows} == {(Decryption.PLAINTEXT, Signature.UNSIGNED)}


def test_a_message_that_comes_in_several_frames_has_the_times_of_both_ends():
    line = Line()
    data = framed(message(Command.WRITE, 7, bytes(1000), session_id=5))
    line.deliver([line.piece(0, CLIENT, data[:100]), line.piece(0, CLIENT, data[100:600])])
    line.deliver([line.piece(0, CLIENT, data[600:])])
    (row,) = line.finish().rows
    assert (row["first_frame"], row["time"], row["frame"], row["complete_time"]) == (1, 1000, 3, 3000)
    assert row["length"] == 1064


@pytest.mark.parametrize("there", [8, 30, 47, 48, 60, 64, 500])
def test_an_incomplete_message_counts_with_what_it_declares(there):
    line = Line()
    line.deliver([line.piece(0, CLIENT, framed(message(Command.WRITE, 7, bytes(1000), session_id=5))[: 4 + there])])
    (row,) = line.finish().rows
    assert (row["incomplete"], row["length"], row["complete_time"]) == (True, 1064, 1000)
    assert row["known"] == (there >= 48)
    assert row["message_id"] == (7 if there >= 48 else 0)
    assert (row["from_client"], row["is_response"], row["encrypted"]) == (True, False, False)


@pytest.mark.parametrize("sender", [CLIENT, SERVER])
def test_what_was_not_opened_is_told_by_who_sent_it(sender):
    peers = Peers()
    peers.negotiate()
    peers.set_up(5)
    peers.sealed(sender, 5, message(Command.ECHO, 9, session_id=5))
    row = Line().carry(peers.said).rows[-1]
    assert (row["known"], row["encrypted"], row["is_response"]) == (False, True, sender == SERVER)
    assert (row["session_id"], row["length"]) == (5, 52 + 68)
    assert verdicts(row) == (Decryption.NO_KEY, Signature.NOT_COVERED)


def test_a_decrypted_compound_is_a_row_for_each_message():
    peers = Peers()
    peers.negotiate()
    peers.set_up(5)
    create = message(Command.CREATE, 9, create_body("a"), session_id=5)
    close = message(Command.CLOSE, 10, close_body(SAME), session_id=RELATED, related=True)
    peers.sealed(CLIENT, 5, compound(create, close))
    line = Line(*PASSWORDS).carry(peers.said)
    first, second = line.rows[-2:]
    assert (first["command"], second["command"]) == (Command.CREATE, Command.CLOSE)
    assert (first["frame"], second["frame"]) == (7, 7)
    assert (first["session"], second["session"]) == (0, 0)
    assert (first["length"], second["length"]) == (-(-len(create) // 8) * 8, 88)
    assert (first["name"], second["name"]) == (0, 0)
    assert line.decoder.exchanges.names.names == ["a"]
    assert verdicts(first) == (Decryption.DECRYPTED, Signature.NOT_COVERED)
    assert {verdicts(row) for row in line.rows[5:6]} == {(Decryption.PLAINTEXT, Signature.VALID)}


def test_rows_outlive_the_block():
    line = Line().carry([Said(0, CLIENT, message(Command.ECHO, number)) for number in range(3)])
    before = line.rows.tolist()
    line.carry([Said(0, CLIENT, message(Command.READ, 99, bytes(49)))] * 3)
    assert line.rows[:3].tolist() == before
