"""Connection-oriented DCE/RPC over a named pipe: binding, requests, fragments (C706 chapter 12, MS-RPCE 2.2.2).

Requests need no authentication of their own, as the SMB session has one; a bind that offers it is accepted without.
"""

import uuid
from collections.abc import Callable
from typing import Annotated, NamedTuple, TypeAlias

from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, Bytes16, Layout
from parsers.reader import Reader

__all__ = ["Endpoint", "Interface", "RpcFaultError"]

Method: TypeAlias = Callable[[bytes], bytes]

_REQUEST, _RESPONSE, _FAULT, _BIND, _BIND_ACK, _ALTER, _ALTER_ACK = 0, 2, 3, 11, 12, 14, 15
_FIRST, _LAST, _OBJECT = 0x01, 0x02, 0x80
_LITTLE_ENDIAN = b"\x10\0\0\0"
_NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + b"\x02\0\0\0"
_LARGEST_FRAGMENT = 4280  # what Windows offers
_SMALLEST_FRAGMENT = 1432  # C706 12.6.3.1
_LARGEST_REQUEST = 1 << 20  # stub bytes of one call, over all of its fragments
_ACCEPTED, _REFUSED = 0, 2
_NO_SUCH_INTERFACE, _NO_SUCH_TRANSFER_SYNTAX = 1, 2
_UNKNOWN_OPERATION = 0x1C010002  # nca_op_rng_error
_BAD_STUB = 0x000006F7  # RPC_X_BAD_STUB_DATA


class CommonFixed(NamedTuple):
    """What every PDU begins with (C706 12.6.3.1)."""

    version: U8
    version_minor: U8
    type: U8
    flags: U8
    representation: Annotated[bytes, "4s"]
    fragment_length: U16
    auth_length: U16
    call_id: U32


class BindFixed(NamedTuple):
    """Bind and its answer behind the common fields (C706 12.6.4.3, 12.6.4.4)."""

    max_transmit: U16
    max_receive: U16
    association: U32


class ContextFixed(NamedTuple):
    """One presentation context up to its transfer syntaxes (C706 12.6.3.1)."""

    context: U16
    transfers: U8
    reserved: U8
    interface: Bytes16
    interface_version: U32


class CallFixed(NamedTuple):
    """A request behind the common fields (C706 12.6.4.9); `operation` is CancelCount and Reserved in an answer."""

    allocation_hint: U32
    context: U16
    operation: U16


COMMON = Layout(CommonFixed)
BIND = Layout(BindFixed)
CONTEXT = Layout(ContextFixed)
CALL = Layout(CallFixed)


class RpcFaultError(Exception):
    """The call fails with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:#010x}")
        self.status = status


class Interface(NamedTuple):
    """An interface that a pipe serves; methods by their number take and give stub data."""

    uuid: uuid.UUID
    version: int
    methods: dict[int, Method]


class Endpoint:
    """One end of a pipe: `received` takes what the client writes and returns what it has to read, a PDU an item."""

    def __init__(self, interface: Interface, pipe: str, association: int) -> None:
        self._interface = interface
        self._pipe = pipe
        self._association = association
        self._buffer = bytearray()
        self._stub = bytearray()
        self._fragment = _LARGEST_FRAGMENT
        self._contexts: set[int] = set()

    def received(self, data: bytes) -> list[bytes]:
        """Answer all that is complete.

        Raises:
            ParseError: no PDU, or too much of a call.
        """
        self._buffer += data
        answers: list[bytes] = []
        while len(self._buffer) >= COMMON.size:
            common = COMMON.parse(self._buffer)
            if common.version != 5 or common.fragment_length < COMMON.size:
                raise ParseError("not a DCE/RPC PDU")
            if len(self._buffer) < common.fragment_length:
                break
            body = bytes(self._buffer[COMMON.size : common.fragment_length])
            del self._buffer[: common.fragment_length]
            answers += self._answer(common, body)
        return answers

    def _answer(self, common: CommonFixed, body: bytes) -> list[bytes]:
        if common.type in {_BIND, _ALTER}:
            return [self._bind(common, body)]
        if common.type != _REQUEST:  # a cancel, an orphan, or a third leg of an authentication that is not needed
            return []
        call, offset = CALL.parse(body), CALL.size + (16 if common.flags & _OBJECT else 0)
        self._stub += body[offset:]
        if len(self._stub) > _LARGEST_REQUEST:
            raise ParseError(f"more than {_LARGEST_REQUEST} bytes in one call")
        if not common.flags & _LAST:
            return []
        stub, self._stub = bytes(self._stub), bytearray()
        return self._call(common, call, stub)

    def _call(self, common: CommonFixed, call: CallFixed, stub: bytes) -> list[bytes]:
        method = self._interface.methods.get(call.operation)
        try:
            if method is None or call.context not in self._contexts:
                raise RpcFaultError(_UNKNOWN_OPERATION)
            result = method(stub)
        except (RpcFaultError, ParseError) as error:
            status = error.status if isinstance(error, RpcFaultError) else _BAD_STUB
            body = CALL.build(CallFixed(0, call.context, 0)) + status.to_bytes(4, "little") + bytes(4)
            return [_pdu(_FAULT, _FIRST | _LAST, common.call_id, body)]
        return self._fragments(common.call_id, call.context, result)

    def _fragments(self, call_id: int, context: int, stub: bytes) -> list[bytes]:
        room = self._fragment - COMMON.size - CALL.size & ~7
        starts = range(0, max(len(stub), 1), room)
        pdus = []
        for start in starts:
            flags = (_FIRST if start == 0 else 0) | (_LAST if start + room >= len(stub) else 0)
            body = CALL.build(CallFixed(len(stub) - start, context, 0)) + stub[start : start + room]
            pdus.append(_pdu(_RESPONSE, flags, call_id, body))
        return pdus

    def _bind(self, common: CommonFixed, body: bytes) -> bytes:
        reader = Reader(body)
        fixed = BIND.parse(reader.take(BIND.size, "bind"))
        self._fragment = max(min(fixed.max_receive, _LARGEST_FRAGMENT), _SMALLEST_FRAGMENT)
        count = reader.u8("context count")
        reader.take(3, "padding")
        results = b"".join(self._negotiate(reader) for _ in range(count))
        address = b"" if common.type == _ALTER else f"\\PIPE\\{self._pipe}\0".encode()
        answer = BIND.build(BindFixed(self._fragment, self._fragment, self._association))
        answer += len(address).to_bytes(2, "little") + address
        answer += bytes(-len(answer) % 4) + bytes([count, 0, 0, 0]) + results
        answer_type = _BIND_ACK if common.type == _BIND else _ALTER_ACK
        return _pdu(answer_type, _FIRST | _LAST, common.call_id, answer)

    def _negotiate(self, reader: Reader) -> bytes:
        """The result of one presentation context."""
        context = CONTEXT.parse(reader.take(CONTEXT.size, "presentation context"))
        transfers = [bytes(reader.take(len(_NDR), "transfer syntax")) for _ in range(context.transfers)]
        wanted = self._interface.uuid.bytes_le, self._interface.version
        if (context.interface, context.interface_version & 0xFFFF) != wanted:
            result, reason, syntax = _REFUSED, _NO_SUCH_INTERFACE, bytes(len(_NDR))
        elif _NDR not in transfers:
            result, reason, syntax = _REFUSED, _NO_SUCH_TRANSFER_SYNTAX, bytes(len(_NDR))
        else:
            result, reason, syntax = _ACCEPTED, 0, _NDR
            self._contexts.add(context.context)
        return result.to_bytes(2, "little") + reason.to_bytes(2, "little") + syntax


def _pdu(pdu_type: int, flags: int, call_id: int, body: bytes) -> bytes:
    length = COMMON.size + len(body)
    return COMMON.build(CommonFixed(5, 0, pdu_type, flags, _LITTLE_ENDIAN, length, 0, call_id)) + body
