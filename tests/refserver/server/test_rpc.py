"""DCE/RPC over a pipe (C706 chapter 12)."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from refserver.server.rpc import Endpoint, Interface, RpcFaultError

ID = uuid.UUID("4b324fc8-1670-01d3-1278-5a47bf6ee188")
NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + b"\2\0\0\0"
BIND, BIND_ACK, REQUEST, RESPONSE, FAULT = 11, 12, 0, 2, 3


def pdu(kind: int, body: bytes, *, flags: int = 3, call: int = 7) -> bytes:
    size = (16 + len(body)).to_bytes(2, "little")
    return bytes([5, 0, kind, flags, 0x10, 0, 0, 0]) + size + bytes(2) + call.to_bytes(4, "little") + body


def bind(interface: uuid.UUID = ID, transfer: bytes = NDR, fragment: int = 4280, version: int = 3) -> bytes:
    size = fragment.to_bytes(2, "little")
    context = bytes(2) + b"\1\0" + interface.bytes_le + version.to_bytes(4, "little") + transfer
    return pdu(BIND, size + size + bytes(4) + b"\1\0\0\0" + context)


def request(operation: int, stub: bytes = b"", *, flags: int = 3) -> bytes:
    body = len(stub).to_bytes(4, "little") + bytes(2) + operation.to_bytes(2, "little") + stub
    return pdu(REQUEST, body, flags=flags)


def refuse(_: bytes) -> bytes:
    raise RpcFaultError(5)


def misread(_: bytes) -> bytes:
    raise ParseError("no stub")


def endpoint() -> Endpoint:
    methods = {1: bytes.upper, 2: lambda _: bytes(range(256)) * 40, 3: refuse, 4: misread}
    return Endpoint(Interface(ID, 3, methods), "srvsvc", 0x1234)


def bound(**how: int) -> Endpoint:
    end = endpoint()
    (answer,) = end.received(bind(**how))  # type: ignore[arg-type]  # fragment alone
    assert answer[2] == BIND_ACK
    return end


def test_a_bind_is_accepted_with_the_pipe_s_name() -> None:
    (answer,) = endpoint().received(bind())
    assert answer[2] == BIND_ACK
    assert b"\\PIPE\\srvsvc\0" in answer
    assert answer[-24:] == bytes(4) + NDR
    assert int.from_bytes(answer[8:10], "little") == len(answer)
    assert answer[12:16] == b"\7\0\0\0"


@pytest.mark.parametrize(
    ("interface", "transfer", "version", "reason"),
    [(uuid.UUID(int=1), NDR, 3, 1), (ID, bytes(20), 3, 2), (ID, NDR, 4, 1)],
)
def test_what_is_not_served_is_refused(interface: uuid.UUID, transfer: bytes, version: int, reason: int) -> None:
    end = endpoint()
    (answer,) = end.received(bind(interface, transfer, version=version))
    assert answer[-24:] == bytes([2, 0, reason, 0]) + bytes(20)
    assert end.received(request(1, b"x"))[0][2] == FAULT


def test_a_call_is_answered_with_its_number() -> None:
    (answer,) = bound().received(request(1, b"hello"))
    assert (answer[2], answer[12:16], answer[24:]) == (RESPONSE, b"\7\0\0\0", b"HELLO")


def test_a_call_in_fragments_is_one_call_wherever_it_is_cut() -> None:
    data = request(1, b"hel", flags=1) + request(1, b"l", flags=0) + request(1, b"o", flags=2)
    end = bound()
    answers = [answer for byte in data for answer in end.received(bytes([byte]))]
    assert [answer[24:] for answer in answers] == [b"HELLO"]


def test_a_long_answer_comes_in_fragments_that_the_client_can_take() -> None:
    answers = bound(fragment=2048).received(request(2))
    assert all(len(answer) <= 2048 for answer in answers)
    assert [answer[3] for answer in answers] == [1, *[0] * (len(answers) - 2), 2]
    assert b"".join(answer[24:] for answer in answers) == bytes(range(256)) * 40


def test_failures_are_faults() -> None:
    end = bound()
    statuses = [int.from_bytes(end.received(request(number))[0][24:28], "little") for number in (99, 3, 4)]
    assert statuses == [0x1C010002, 5, 0x6F7]


def test_a_call_without_end_is_refused() -> None:
    end = bound()
    for _ in range(16):
        assert end.received(request(1, bytes(65000), flags=0)) == []
    with pytest.raises(ParseError, match="in one call"):
        end.received(request(1, bytes(65000), flags=0))


@given(
    st.lists(st.one_of(st.binary(max_size=80), st.builds(pdu, st.integers(0, 20), st.binary(max_size=60))), max_size=5)
)
def test_any_bytes_are_answered_or_refused(parts: list[bytes]) -> None:
    end = bound()
    try:
        for part in parts:
            for answer in end.received(part):
                assert int.from_bytes(answer[8:10], "little") == len(answer)
    except ParseError:
        pass
