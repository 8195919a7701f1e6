"""The chain of create contexts that a CREATE carries (MS-SMB2 2.2.13.2, 2.2.14.2).

A context is known by its name and the length of its data, as version 1 and version 2 leases share one name. Whatever
has another name or length is kept raw, so that an odd context never hides the open that carries it: extended
attributes ("ExtA"), security descriptors ("SecD"), Apple's "AAPL", and damage.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from parsers.errors import ParseError
from parsers.layout import U16, U32, Buffer, Layout
from parsers.smb2.app_contexts import AppInstanceId, AppInstanceVersion, PosixRequest, PosixResponse, SvhdxOpenDevice
from parsers.smb2.body import align8
from parsers.smb2.chain import link_entries, split_entries
from parsers.smb2.durable import (
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.file_contexts import (
    AllocationSize,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdRequest,
    OnDiskIdResponse,
    TimewarpToken,
)
from parsers.smb2.lease import Lease, LeaseV2

__all__ = [
    "CREATE_CONTEXT",
    "REQUEST_CONTEXTS",
    "RESPONSE_CONTEXTS",
    "ContextParsers",
    "CreateContext",
    "CreateContextFixed",
    "RawCreateContext",
    "build_create_contexts",
    "parse_create_contexts",
]


class CreateContextFixed(NamedTuple):
    """MS-SMB2 2.2.13.2; name and data follow, at offsets from its start."""

    next: U32
    name_offset: U16
    name_length: U16
    reserved: U16
    data_offset: U16
    data_length: U32


CREATE_CONTEXT = Layout(CreateContextFixed)


@dataclass(frozen=True, slots=True)
class RawCreateContext:
    """A context that has no form here, kept as it is."""

    name: bytes
    data: bytes

    def build(self) -> bytes:
        """The data of the context."""
        return self.data


CreateContext: TypeAlias = (
    AllocationSize
    | AppInstanceId
    | AppInstanceVersion
    | DurableReconnect
    | DurableReconnectV2
    | DurableRequest
    | DurableRequestV2
    | DurableResponse
    | DurableResponseV2
    | Lease
    | LeaseV2
    | MaximalAccessRequest
    | MaximalAccessResponse
    | OnDiskIdRequest
    | OnDiskIdResponse
    | PosixRequest
    | PosixResponse
    | RawCreateContext
    | SvhdxOpenDevice
    | TimewarpToken
)

ContextParsers: TypeAlias = Mapping[tuple[bytes, int], Callable[[Buffer], CreateContext]]

_BOTH_WAYS: ContextParsers = {
    (Lease.name, 32): Lease.parse,
    (LeaseV2.name, 52): LeaseV2.parse,
    (SvhdxOpenDevice.name, 168): SvhdxOpenDevice.parse,
    (SvhdxOpenDevice.name, 192): SvhdxOpenDevice.parse,
}

REQUEST_CONTEXTS: ContextParsers = {
    **_BOTH_WAYS,
    (AllocationSize.name, 8): AllocationSize.parse,
    (AppInstanceId.name, 20): AppInstanceId.parse,
    (AppInstanceVersion.name, 24): AppInstanceVersion.parse,
    (DurableReconnect.name, 16): DurableReconnect.parse,
    (DurableReconnectV2.name, 36): DurableReconnectV2.parse,
    (DurableRequest.name, 16): DurableRequest.parse,
    (DurableRequestV2.name, 32): DurableRequestV2.parse,
    (MaximalAccessRequest.name, 0): MaximalAccessRequest.parse,
    (MaximalAccessRequest.name, 8): MaximalAccessRequest.parse,
    (OnDiskIdRequest.name, 0): OnDiskIdRequest.parse,
    (PosixRequest.name, 4): PosixRequest.parse,
    (TimewarpToken.name, 8): TimewarpToken.parse,
}
"""What a client sends: parsers by name and length of the data (MS-SMB2 2.2.13.2)."""

RESPONSE_CONTEXTS: ContextParsers = {
    **_BOTH_WAYS,
    (DurableResponse.name, 8): DurableResponse.parse,
    (DurableResponseV2.name, 8): DurableResponseV2.parse,
    (MaximalAccessResponse.name, 8): MaximalAccessResponse.parse,
    (OnDiskIdResponse.name, 32): OnDiskIdResponse.parse,
    # Owner and group: SIDs of up to fifteen sub-authorities, 8 to 68 bytes (MS-DTYP 2.4.2.2).
    **{(PosixResponse.name, size): PosixResponse.parse for size in range(12 + 2 * 8, 12 + 2 * 68 + 1, 4)},
}
"""What a server sends: parsers by name and length of the data (MS-SMB2 2.2.14.2)."""


def parse_create_contexts(chain: memoryview, parsers: ContextParsers) -> tuple[CreateContext, ...]:
    """The contexts of `chain` in their order; `parsers` is `REQUEST_CONTEXTS` or `RESPONSE_CONTEXTS`.

    The walk goes forward only, at least 16 bytes a context.

    Raises:
        ParseError: a context, its name or its data leaves its place in the chain.
    """
    return tuple(_parse_one(entry, parsers) for entry in split_entries(chain, "create contexts"))


def build_create_contexts(contexts: Iterable[CreateContext]) -> bytes:
    """The wire bytes of `contexts`, each eight-byte aligned to the first."""
    return link_entries([_build_one(context.name, context.build()) for context in contexts], 8)


def _parse_one(entry: memoryview, parsers: ContextParsers) -> CreateContext:
    fixed = CREATE_CONTEXT.parse(entry)
    name = bytes(_part(entry, fixed.name_offset, fixed.name_length, "create context name"))
    data = _part(entry, fixed.data_offset, fixed.data_length, "create context data")
    parser = parsers.get((name, len(data)))
    return parser(data) if parser else RawCreateContext(name, bytes(data))


def _part(entry: memoryview, offset: int, length: int, what: str) -> memoryview:
    if length == 0:  # the offset may then be anything (2.2.13.2, DataOffset)
        return entry[:0]
    if offset < CREATE_CONTEXT.size or offset + length > len(entry):
        raise ParseError(f"{what} at {offset} of length {length} leaves its {len(entry)} bytes", offset)
    return entry[offset : offset + length]


def _build_one(name: bytes, data: bytes) -> bytes:
    named = bytes(CREATE_CONTEXT.size) + name
    data_offset = len(align8(named)) if data else 0
    fixed = CreateContextFixed(0, CREATE_CONTEXT.size, len(name), 0, data_offset, len(data))
    return CREATE_CONTEXT.build(fixed) + (align8(named) + data if data else named)[CREATE_CONTEXT.size :]
