"""Create contexts about the file itself: MxAc, QFid, AlSi, TWrp, ExtA, SecD (MS-SMB2 3.3.5.9.1 to 3.3.5.9.5).

Those about leases and durable opens are in `leases` and `durable`. What has no meaning here is ignored.
"""

from dataclasses import replace

from parsers.errors import ParseError
from parsers.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NONE_MAPPED, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS
from parsers.smb2.access import AccessMask
from parsers.smb2.create_contexts import CreateContext, RawCreateContext
from parsers.smb2.file_contexts import (
    AllocationSize,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdRequest,
    OnDiskIdResponse,
    TimewarpToken,
)
from parsers.smb2.security_descriptor import Control, SecurityDescriptor
from parsers.times import ns_to_filetime
from refserver.errors import StatusError
from refserver.server import security
from refserver.server.extended_attributes import parse_full_ea, set_full_ea
from refserver.server.state import Open
from refserver.store.store import Node, Store

__all__ = ["allocation", "answers", "apply", "check", "protect"]

_SHORTEST_NAME = 4
_EA_BUFFER, _SD_BUFFER = b"ExtA", b"SecD"


def check(contexts: tuple[CreateContext, ...]) -> None:
    """Before anything is done.

    Raises:
        StatusError: OBJECT_NAME_NOT_FOUND as there are no snapshots; INVALID_PARAMETER for a name that is too short,
            damaged attributes or a damaged security descriptor.
    """
    for context in contexts:
        if len(context.name) < _SHORTEST_NAME:
            raise StatusError(STATUS_INVALID_PARAMETER)
        if isinstance(context, TimewarpToken):
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
        if isinstance(context, RawCreateContext) and context.name == _EA_BUFFER:
            parse_full_ea(context.data)
        elif isinstance(context, RawCreateContext) and context.name == _SD_BUFFER:
            _descriptor(context.data)


def apply(node: Node, contexts: tuple[CreateContext, ...]) -> None:
    """Give a new or overwritten file the extended attributes that the client sent with it."""
    for context in contexts:
        if isinstance(context, RawCreateContext) and context.name == _EA_BUFFER:
            set_full_ea(node, parse_full_ea(context.data))


def protect(node: Node, contexts: tuple[CreateContext, ...]) -> None:
    """Give a new file the security descriptor that the client sent with it; what it lacks is as by default."""
    for context in contexts:
        if isinstance(context, RawCreateContext) and context.name == _SD_BUFFER:
            sent, known, default = _descriptor(context.data), node.attributes(), security.DEFAULT
            if not sent.control & Control.DACL_PRESENT:
                sent = replace(sent, control=sent.control | Control.DACL_PRESENT, dacl=default.dacl)
            sent = replace(sent, owner=sent.owner or default.owner, group=sent.group or default.group)
            known.security = sent.build()
            node.set_attributes(known)


def allocation(contexts: tuple[CreateContext, ...]) -> int:
    """The bytes that the client wants set aside (3.3.5.9.3)."""
    return next((one.allocation_size for one in contexts if isinstance(one, AllocationSize)), 0)


def _descriptor(data: bytes) -> SecurityDescriptor:
    try:
        return SecurityDescriptor.parse(data)
    except ParseError as error:
        raise StatusError(STATUS_INVALID_PARAMETER) from error


def answers(store: Store, open_: Open, maximal: int, contexts: tuple[CreateContext, ...]) -> list[CreateContext]:
    """The response contexts, in the order of the request's; `maximal` is all that the user may do with the file."""
    found: list[CreateContext] = []
    for context in contexts:
        if isinstance(context, MaximalAccessRequest):
            found.append(_maximal_access(open_, maximal, context))
        elif isinstance(context, OnDiskIdRequest):
            found.append(OnDiskIdResponse(open_.node.file_id, store.volume().serial))
    return found


def _maximal_access(open_: Open, maximal: int, asked: MaximalAccessRequest) -> MaximalAccessResponse:
    """A client that knows the file's state of that time need not be told again (3.3.5.9.5)."""
    if asked.timestamp and asked.timestamp == ns_to_filetime(open_.node.attributes().last_write_time):
        return MaximalAccessResponse(STATUS_NONE_MAPPED, AccessMask(0))
    return MaximalAccessResponse(STATUS_SUCCESS, AccessMask(maximal))
