"""What a client is asked to do and has not finished yet: a `Call`, which ends with a result or with an NTSTATUS."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from parsers.ntstatus import STATUS_SUCCESS
from refserver.errors import StatusError

__all__ = ["Call", "all_of", "first_of"]

T = TypeVar("T")


class Call(Generic[T]):
    """Something that ends later. `status` is None until then."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._result: T | None = None
        self._succeeded = False
        self._callbacks: list[Callable[[Call[T]], object]] = []

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status is not None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self._succeeded

    @property
    def result(self) -> T:
        """What came out of it.

        Raises:
            StatusError: it failed.
            RuntimeError: it has not ended.
        """
        if self.status is None:
            raise RuntimeError("the call has not ended")
        if not self._succeeded:
            raise StatusError(self.status)
        return self._result  # type: ignore[return-value]  # a T now, which may be None

    def then(self, action: Callable[["Call[T]"], object]) -> Self:
        """Call `action(call)` when it has ended: now, if it has."""
        if self.done:
            action(self)
        else:
            self._callbacks.append(action)
        return self

    def succeed(self, result: T, status: int = STATUS_SUCCESS) -> None:
        """End well, once."""
        self._result, self._succeeded = result, True
        self._end(status)

    def fail(self, status: int) -> None:
        """End with a failure, once."""
        self._end(status)

    def _end(self, status: int) -> None:
        assert self.status is None, "a call ends once"
        self.status = status
        callbacks, self._callbacks = self._callbacks, []
        for action in callbacks:
            action(self)


def all_of(*calls: Call[Any]) -> Call[tuple[Any, ...]]:
    """Ends when all have: with their results, or with the first failure in their order."""
    together: Call[tuple[Any, ...]] = Call()

    def check() -> None:
        if together.done or not all(call.done for call in calls):
            return
        failed = next((call for call in calls if not call.succeeded), None)
        if failed is None:
            together.succeed(tuple(call.result for call in calls))
        else:
            assert failed.status is not None
            together.fail(failed.status)

    for call in calls:
        call.then(lambda _ended: check())
    check()  # there may be none to wait for
    return together


def first_of(*calls: Call[Any]) -> Call[Call[Any]]:
    """Ends well when the first has ended, however it did, with that call as its result."""
    first: Call[Call[Any]] = Call()

    def check(ended: Call[Any]) -> None:
        if not first.done:
            first.succeed(ended)

    for call in calls:
        call.then(check)
    return first
