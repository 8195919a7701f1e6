"""Witness: headers of real captures as tshark reads them, and of the published traces."""

import json
from pathlib import Path

import numpy as np
import pytest

from parsers.errors import ParseError
from parsers.smb2.header import HEADER, PROTOCOL_ID, Command, Flags, HeaderFixed, build_header, parse_header

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())
SESSION_SETUP_RESPONSE = bytes.fromhex(VECTORS["A1"]["ss"][1])


def test_a_published_response_header_reads_as_it_was_described():
    header = parse_header(SESSION_SETUP_RESPONSE)
    assert (header.command, header.status, header.message_id) == (Command.SESSION_SETUP, 0xC0000016, 2)
    assert header.session_id == 0x0000100000000019
    assert (header.is_response, header.is_async, header.tree_id) == (True, False, 0)


def test_a_synchronous_header_holds_its_tree_in_the_upper_half():
    header = parse_header(build_header(Command.READ, 7, tree_id=0xF8385255, session_id=5))
    assert (header.tree_id, header.async_id >> 32, header.is_response) == (0xF8385255, 0xF8385255, False)


def test_an_asynchronous_header_holds_its_async_id_and_no_tree():
    flags = Flags.ASYNC_COMMAND | Flags.SERVER_TO_REDIR
    header = parse_header(build_header(Command.CREATE, 7, status=0x103, flags=flags, async_id=0x1122334455667788))
    assert (header.async_id, header.tree_id, header.is_response) == (0x1122334455667788, None, True)


def test_the_channel_sequence_is_the_lower_half_of_the_status():
    assert parse_header(build_header(Command.WRITE, 1, status=0xABCD0003)).channel_sequence == 3


def test_every_field_survives_a_round_trip():
    built = build_header(
        Command.IOCTL,
        2**64 - 1,
        credit_charge=3,
        status=0xC0000022,
        credits_=31,
        flags=Flags.SERVER_TO_REDIR | Flags.SIGNED,
        next_command=104,
        tree_id=9,
        session_id=2**63,
        signature=bytes(range(16)),
    )
    header = HeaderFixed(PROTOCOL_ID, 64, 3, 0xC0000022, 11, 31, 9, 104, 2**64 - 1, 9 << 32, 2**63, bytes(range(16)))
    assert parse_header(built) == header
    assert HEADER.build(header) == built


def test_a_truncated_header_is_refused():
    for length in range(64):
        with pytest.raises(ParseError):
            parse_header(SESSION_SETUP_RESPONSE[:length])


@pytest.mark.parametrize(("place", "reason"), [(0, "ProtocolId"), (4, "StructureSize")])
def test_another_protocol_or_size_is_refused(place, reason):
    damaged = bytearray(SESSION_SETUP_RESPONSE)
    damaged[place] ^= 1
    with pytest.raises(ParseError, match=reason):
        parse_header(damaged)


def test_one_and_many_read_the_same():
    messages = [bytes.fromhex(message) for message in VECTORS["A1"]["ss"]]
    offsets = np.cumsum([0, *(len(message) for message in messages[:-1])])
    columns = HEADER.gather(b"".join(messages), offsets)
    for row, message in zip(columns, messages, strict=True):
        header = parse_header(message)
        assert [row[name].tolist() for name in HEADER.dtype.names] == list(header)


@pytest.mark.witness
def test_tshark_reads_the_same_headers(dissect):
    messages = dissect("public/suricata/smb2-delete/input.pcap", "smb2")
    for dissected in messages:
        header = parse_header(dissected.message)
        assert header.command == dissected.number("smb2.cmd")
        assert header.message_id == dissected.number("smb2.msg_id")
        assert header.session_id == dissected.number("smb2.sesid")
        assert header.next_command == dissected.number("smb2.chain_offset")
        assert header.flags == dissected.number("smb2.flags")
        assert header.is_response == bool(dissected.number("smb2.flags.response"))
        if header.is_async:
            assert header.async_id == dissected.number("smb2.aid")
        else:
            assert header.tree_id == dissected.number("smb2.tid")
    assert len(messages) > 100
