"""What rules ask of a case: gaps, begins, ends, and what was open when."""

from parsers.transport.connections import CLIENT, SERVER
from tests.analyzer.rules.test_stillness import case_of


def test_a_capture_that_begins_and_ends_with_its_connection() -> None:
    case = case_of("srv_stop_negotiate_unanswered")
    assert case.smb_connections == [0]
    assert case.saw_begin(0)
    assert not case.has_gap(0)
    assert case.near_end(case.end)
    assert not case.near_end(case.begin)
    (row,) = case.unanswered_at(0, case.end).to_dict("records")
    assert (row["command"], row["request_frame"], row["response_frame"]) == ("NEGOTIATE", 4, 7)
    assert len(case.unanswered_at(0, case.begin)) == 0


def test_bytes_that_the_capture_lost_are_a_gap() -> None:
    case = case_of("ad_krb5_pac_enc_aes128gcm")
    assert [number for number in case.smb_connections if case.has_gap(number)]


def test_sessions_of_a_connection_in_order() -> None:
    case = case_of("srv_restart_reconnect_smbprotocol")
    assert case.session_ids(0) == [0xD860C218]
    assert case.last_session_id(0) == 0xD860C218


def test_a_message_that_was_never_sent_to_its_end() -> None:
    case = case_of("net_slow2mbit_8m_timeout")
    (number,) = case.smb_connections
    write = case.unfinished(number, CLIENT)
    assert write is not None
    assert write.end - write.position == 4 + 52 + 64 + 48 + 5 * 1024 * 1024  # prefix, transform, header, WRITE, data
    assert write.frame == 22
    assert case.unfinished(number, SERVER) is None
