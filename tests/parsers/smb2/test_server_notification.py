"""SERVER_TO_CLIENT notification: round trips and refusals. (tshark 4.0 does not know it, and no capture has one.)"""

import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.server_notification import NotificationType, ServerNotification
from tests.parsers.smb2.messages import DAMAGE, HEADER, check_damage, check_round_trip, check_truncation

CLOSED = ServerNotification(NotificationType.SESSION_CLOSED)


@pytest.mark.parametrize("sample", [CLOSED, ServerNotification(NotificationType(7), b"something new")])
def test_what_is_built_is_read_back(sample: ServerNotification) -> None:
    check_round_trip(sample)


def test_a_closed_session_is_twelve_bytes() -> None:
    assert CLOSED.build().hex(" ") == "0c 00 00 00 00 00 00 00 00 00 00 00"


def test_every_shorter_message_is_refused() -> None:
    check_truncation(CLOSED)


@pytest.mark.parametrize("size", [4, 8, 9, 12])
def test_the_structure_size_may_count_what_it_likes(size: int) -> None:
    whole = HEADER + size.to_bytes(2, "little") + CLOSED.build()[2:]
    assert ServerNotification.parse(memoryview(whole)) == CLOSED


def test_a_header_alone_is_refused() -> None:
    with pytest.raises(ParseError):
        ServerNotification.parse(memoryview(HEADER))


@given(DAMAGE)
def test_damage_gives_a_message_or_a_parse_error(damage: list[tuple[int, int]]) -> None:
    check_damage(ServerNotification.parse, HEADER + CLOSED.build(), damage)
