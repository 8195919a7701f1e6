"""Whether an open may do what is asked of it (MS-SMB2 3.3.1.10, Open.GrantedAccess)."""

from parsers.ntstatus import STATUS_ACCESS_DENIED
from refserver.errors import StatusError
from refserver.server.state import Open

__all__ = ["require"]


def require(open_: Open, access: int) -> None:
    """Raise StatusError ACCESS_DENIED unless one of the bits of `access` was granted."""
    if not open_.granted_access & access:
        raise StatusError(STATUS_ACCESS_DENIED)
