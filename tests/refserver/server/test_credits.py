"""The window of MessageIds (MS-SMB2 3.3.1.1, 3.3.1.2, 3.3.5.2.3, 3.3.5.2.5)."""

import struct

import pytest

from parsers import ntstatus
from parsers.smb2.header import HEADER_SIZE, Command, HeaderFixed, build_header, parse_header
from refserver.errors import StatusError
from refserver.server.credits import check_charge, grant, take
from refserver.server.requests import Request
from refserver.server.sequence_window import SequenceWindow
from refserver.server.state import Connection


def connection_with(first: int, count: int = 1, *, multi_credit: bool = True) -> Connection:
    connection = Connection(1, 0)
    connection.command_sequence_window = SequenceWindow(first)
    connection.command_sequence_window.grant(count - 1)
    connection.supports_multi_credit = multi_credit
    return connection


def header(message_id: int, charge: int = 1, asked: int = 1, command: int = Command.ECHO) -> HeaderFixed:
    return parse_header(build_header(command, message_id, credit_charge=charge, credits_=asked))


def ask(connection: Connection, asked: int, *, maximum: int = 8, command: int = Command.ECHO, status: int = 0) -> int:
    request = Request(memoryview(b""), header(0, asked=asked, command=command), connection, 0)
    return grant(connection, request, status, maximum)


def test_a_charge_takes_ids_in_a_row() -> None:
    connection = connection_with(3, 4)
    assert not take(connection, header(4, charge=4))
    assert take(connection, header(3, charge=3))
    assert not take(connection, header(5))
    assert take(connection, header(6))


def test_a_charge_of_zero_is_one_and_2_0_2_knows_no_charge() -> None:
    for connection in (connection_with(3, 2), connection_with(3, 2, multi_credit=False)):
        assert take(connection, header(3, charge=0 if connection.supports_multi_credit else 2))
        assert take(connection, header(4))


def test_what_is_asked_for_is_granted_up_to_the_maximum() -> None:
    connection = connection_with(0)
    assert ask(connection, 3) == 3
    assert ask(connection, 100) == 4
    assert ask(connection, 100) == 0
    assert len(connection.command_sequence_window) == 8


def test_who_has_nothing_gets_one_and_who_asks_for_nothing_gets_one() -> None:
    for maximum in (8, 0):
        connection = connection_with(5)
        assert take(connection, header(5))
        assert ask(connection, 0, maximum=maximum) == 1
        assert take(connection, header(6))


def test_nobody_gets_more_than_one_before_a_logon_has_succeeded() -> None:
    connection = connection_with(0)
    more = ntstatus.STATUS_MORE_PROCESSING_REQUIRED
    assert ask(connection, 100, command=Command.NEGOTIATE) == 1
    assert ask(connection, 100, command=Command.SESSION_SETUP, status=more) == 1
    assert ask(connection, 4, command=Command.SESSION_SETUP) == 4


def test_an_id_that_is_left_out_brings_the_client_to_a_halt() -> None:
    connection = connection_with(0, 2)
    for message_id in range(1, 100):
        if not take(connection, header(message_id)):
            break
        ask(connection, 1)
    assert message_id == 16
    assert connection.command_sequence_window.lowest == 0


def length_at(command: int, offset: int, length: int) -> memoryview:
    """A request of `command` with a 32-bit length at `offset` of its body."""
    body = bytearray(64)
    struct.pack_into("<I", body, offset, length)
    return memoryview(build_header(command, 0) + body)


@pytest.mark.parametrize(
    ("command", "offset"),
    [
        (Command.READ, 4),
        (Command.WRITE, 4),
        (Command.QUERY_DIRECTORY, 28),
        (Command.CHANGE_NOTIFY, 4),
        (Command.QUERY_INFO, 4),
        (Command.QUERY_INFO, 12),
        (Command.SET_INFO, 4),
        (Command.IOCTL, 28),
        (Command.IOCTL, 32),
        (Command.IOCTL, 40),
        (Command.IOCTL, 44),
    ],
)
def test_a_credit_pays_for_64_kib(command: Command, offset: int) -> None:
    connection = connection_with(0)
    for length, charge in ((0, 1), (65536, 1), (65537, 2), (1 << 20, 16)):
        message = length_at(command, offset, length)
        check_charge(connection, header(0, charge=charge, command=command), message)
        if charge > 1:
            with pytest.raises(StatusError) as error:
                check_charge(connection, header(0, charge=charge - 1, command=command), message)
            assert error.value.status == ntstatus.STATUS_INVALID_PARAMETER


def test_a_body_that_is_cut_short_is_left_to_its_parser() -> None:
    connection = connection_with(0)
    message = length_at(Command.READ, 4, 1 << 30)[: HEADER_SIZE + 7]
    check_charge(connection, header(0, command=Command.READ), message)


def test_2_0_2_pays_nothing() -> None:
    connection = connection_with(0, multi_credit=False)
    check_charge(connection, header(0, command=Command.READ), length_at(Command.READ, 4, 1 << 30))
