"""Messages that change sessions, and their pairs. Witness: tshark's counts."""

from collections import Counter
from pathlib import Path

import pytest

from analyzer.evidence.logons import LogonEvidence, LogonMessage
from parsers import ntstatus
from parsers.smb2.header import Command, Flags, HeaderFixed
from parsers.smb2.negotiate import NegotiateRequest, NegotiateResponse
from parsers.smb2.session_setup import SessionSetupRequest
from parsers.verdicts import Signature
from tests.analyzer.captures import analyzed, count_of


def message(
    frame: int, message_id: int, *, response: bool = False, status: int = 0, command: int = Command.SESSION_SETUP
) -> LogonMessage:
    flags = Flags.SERVER_TO_REDIR if response else 0
    header = HeaderFixed(b"\xfeSMB", 64, 0, status, command, 1, flags, 0, message_id, 0, 5, bytes(16))
    return LogonMessage(frame, frame, 0, 3, header, None, encrypted=False, signature=Signature.UNSIGNED)


def frames(*messages: LogonMessage) -> list[tuple[int, ...]]:
    return [exchange.frames for exchange in LogonEvidence(list(messages)).exchanges()]


def test_requests_meet_responses() -> None:
    assert frames(message(1, 1), message(2, 1, response=True), message(3, 2)) == [(1, 2), (3,)]


def test_a_response_may_be_captured_before_its_request() -> None:
    assert frames(message(1, 1, response=True), message(2, 1)) == [(2, 1)]


def test_a_message_id_that_comes_again_is_another_exchange() -> None:
    again = (message(1, 1), message(2, 1, response=True), message(3, 1), message(4, 1, response=True))
    assert frames(*again) == [(1, 2), (3, 4)]


def test_an_interim_response_is_no_answer() -> None:
    pending = message(2, 1, response=True, status=ntstatus.STATUS_PENDING)
    (exchange,) = LogonEvidence([message(1, 1), pending, message(3, 1, response=True)]).exchanges()
    assert exchange.interim is pending
    assert exchange.frames == (1, 3)
    (begun,) = LogonEvidence([message(1, 1), pending]).exchanges()
    assert begun.status is None
    assert begun.session == 3


def test_a_response_alone_is_an_exchange() -> None:
    (exchange,) = LogonEvidence([message(4, 1, response=True)]).exchanges()
    assert exchange.first.frame == 4
    assert exchange.request is None


@pytest.mark.witness
@pytest.mark.parametrize("name", ["samba/torture_session.pcapng", "faults/ad_krb5_torture_reauth1.pcapng"])
def test_every_exchange_that_tshark_sees_is_there(name: str, shared: Path, tshark: str) -> None:
    exchanges = analyzed(shared, name).evidence.logons
    path = shared / "captures" / name
    for command in range(4):
        mine = [exchange for exchange in exchanges if exchange.command == command]
        requests = count_of(tshark, path, f"smb2.cmd == {command} and smb2.flags.response == 0")
        good = count_of(tshark, path, f"smb2.cmd == {command} and smb2.flags.response == 1 and smb2.nt_status == 0")
        assert sum(exchange.request is not None for exchange in mine) == requests, command
        assert sum(exchange.status == 0 for exchange in mine) == good, command


def test_bodies_signatures_and_sessions_come_with_the_messages(shared: Path) -> None:
    logons = analyzed(shared, "faults/mch_bind_enc.pcapng").evidence.logons
    negotiates = [exchange for exchange in logons if exchange.command == Command.NEGOTIATE]
    assert all(isinstance(exchange.request.body, NegotiateRequest) for exchange in negotiates)
    assert all(isinstance(exchange.response.body, NegotiateResponse) for exchange in negotiates)
    setups = [exchange for exchange in logons if exchange.command == Command.SESSION_SETUP]
    assert all(isinstance(exchange.request.body, SessionSetupRequest) for exchange in setups)
    binding = [exchange for exchange in setups if exchange.request.body.flags & 1]
    assert len(binding) == 8
    assert all(exchange.request.signed for exchange in binding)
    assert Counter(exchange.request.signature for exchange in binding) == {Signature.VALID: 8}
    assert all(exchange.session is not None for exchange in setups)


def test_of_messages_that_are_cut_off_the_headers_are_kept(shared: Path) -> None:
    logons = analyzed(shared, "faults/srv_stop15_get_signed.pcapng.gz").evidence.logons
    setups = [exchange for exchange in logons if exchange.command == Command.SESSION_SETUP]
    assert [exchange.status for exchange in setups] == [ntstatus.STATUS_MORE_PROCESSING_REQUIRED, 0] * 2
    assert any(exchange.request.body is None for exchange in setups)
