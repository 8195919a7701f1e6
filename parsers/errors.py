"""The ways in which things go wrong, one type each.

* bad bytes -> `ParseError`, caught in one place and kept as an *undecoded* row;
* legal but not supported -> `UnsupportedError`, reported as such;
* the caller's mistake -> `UsageError`, one sentence that says what to do.

Anything else that is raised is a bug and propagates.
"""

__all__ = ["ParseError", "SessionscopeError", "UnsupportedError", "UsageError"]


class SessionscopeError(Exception):
    """Base of every error that is raised on purpose."""


class ParseError(SessionscopeError):
    """Bytes that do not follow their specification.

    `offset` counts from the start of the buffer that was being read.
    """

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class UnsupportedError(SessionscopeError):
    """Bytes that are legal but that this version cannot decode."""


class UsageError(SessionscopeError):
    """A mistake of the caller: an unreadable file, a malformed key. The message says what, where and what to do."""
