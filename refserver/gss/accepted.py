"""What an authentication comes to, whatever the mechanism."""

from dataclasses import dataclass, field
from typing import Protocol

from parsers.secret import Secret
from refserver.server.state import SecurityContext

__all__ = ["Accepted", "MechanismAcceptor"]


@dataclass(frozen=True, slots=True)
class Accepted(Secret):
    """Who has logged on. `session_key` is all of the GSS key, None where nobody is authenticated.

    `expiration` is when the mechanism says that it ends, nanoseconds since 1970; None is never.
    """

    security_context: SecurityContext
    session_key: bytes | None = field(default=None, repr=False)
    expiration: int | None = None
    is_guest: bool = False
    is_anonymous: bool = False


class MechanismAcceptor(Protocol):
    """The server's side of one authentication of one mechanism."""

    accepted: Accepted | None

    def step(self, token: bytes, now: int) -> bytes:
        """What to answer to the client's `token`; `accepted` is set once nothing more is expected.

        Raises:
            StatusError: the logon fails.
            ParseError: the token is malformed, or does not belong there.
        """

    def mic(self, message: bytes) -> bytes | None:
        """The server's signature over the list of mechanisms; None if there is no key to make one."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether that is the client's signature."""
