"""TREE_CONNECT and TREE_DISCONNECT (MS-SMB2 3.3.5.7, 3.3.5.8)."""

from typing import TYPE_CHECKING

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.dialects import Dialect
from parsers.smb2.simple import SimpleBody
from parsers.smb2.tree import ShareCapabilities, ShareFlags, ShareType, TreeConnectRequest, TreeConnectResponse
from refserver.errors import StatusError
from refserver.server import handles
from refserver.server.requests import Reply, Request
from refserver.server.state import Session, Share, TreeConnect

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["tree_connect", "tree_disconnect"]

_ALL_ACCESS = 0x001F_01FF
_READ_ACCESS = 0x0012_00A9


def tree_connect(server: "Server", request: Request) -> Reply:
    r"""Connect to the share in `\\server\share`, whatever the server is called there (3.3.5.7)."""
    session = request.session
    assert session is not None  # TREE_CONNECT needs a session
    if not _is_protected(request, session):
        server.drop(request.connection, request.now)
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)
    path = TreeConnectRequest.parse(request.message).path
    share = server.shares.get(path.rpartition("\\")[2].lower())
    if share is None or not path.startswith("\\\\"):
        raise StatusError(ntstatus.STATUS_BAD_NETWORK_NAME)
    if session.is_anonymous and share.name.lower() not in server.config.anonymous_shares:
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)
    if share.encrypt_data and session.encryption_key is None and server.config.reject_unencrypted_access:
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)
    access = _READ_ACCESS if share.read_only else _ALL_ACCESS
    tree = TreeConnect(session.next_tree_id, session, share, request.now, access)
    session.next_tree_id += 1
    session.tree_connect_table[tree.tree_id] = request.tree_connect = tree
    return Reply(ntstatus.STATUS_SUCCESS, _response(request, tree).build())


def _is_protected(request: Request, session: Session) -> bool:
    """3.1.1 wants this request signed or encrypted, so that nobody has tampered with what was negotiated (3.3.5.7)."""
    if request.connection.dialect != Dialect.SMB_3_1_1 or session.is_guest or session.is_anonymous:
        return True
    return request.signed or request.encrypted


def _response(request: Request, tree: TreeConnect) -> TreeConnectResponse:
    share = tree.share
    flags, capabilities = ShareFlags(0), ShareCapabilities(0)
    if share.type == ShareType.PIPE:
        flags |= ShareFlags.NO_CACHING
    if share.force_level2_oplock:
        flags |= ShareFlags.FORCE_LEVELII_OPLOCK
    if request.connection.dialect >= Dialect.SMB_3_0:
        flags |= _flags_of_3_0(share)
        if share.continuously_available:
            capabilities |= ShareCapabilities.CONTINUOUS_AVAILABILITY
    return TreeConnectResponse(ShareType(share.type), flags, capabilities, AccessMask(tree.maximal_access))


def _flags_of_3_0(share: Share) -> ShareFlags:
    flags = ShareFlags.ENCRYPT_DATA if share.encrypt_data else ShareFlags(0)
    return flags | (ShareFlags.COMPRESS_DATA if share.compress_data else ShareFlags(0))


def tree_disconnect(server: "Server", request: Request) -> Reply:
    """The opens of a tree are closed with it (3.3.5.8)."""
    SimpleBody.parse(request.message)
    tree = request.tree_connect
    assert tree is not None  # TREE_DISCONNECT needs a tree
    handles.tree_disconnected(server, tree, request.now)
    del tree.session.tree_connect_table[tree.tree_id]
    return Reply(ntstatus.STATUS_SUCCESS, SimpleBody().build())
