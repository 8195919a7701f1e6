"""Scripts: generator functions that yield calls and pauses, so that a dialogue reads in the order in which it happens.

    def work(client):
        yield client.negotiate()
        session = yield client.session_setup(NtlmCredential("alice", "CORPUS", "secret"))
        tree = yield client.tree_connect(session, "share")
        refused = yield settled(client.create(tree, "missing.txt"))   # does not raise
        yield wait(seconds=3600)
        file = yield client.create(tree, "a.txt")
        return (yield client.read(file, 0, 100))

    script = run(work(client), timers)     # a Call: script.done, script.result

A call that fails raises `StatusError` where it was yielded; one that the script does not catch ends the script.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from parsers.errors import ParseError
from parsers.ntstatus import STATUS_INVALID_NETWORK_RESPONSE
from parsers.times import NANOSECONDS
from refserver.client.calls import Call
from refserver.errors import StatusError
from refserver.timers import Timers

__all__ = ["Script", "Steps", "Wait", "run", "settled", "until", "wait"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause: until the instant `at`, or for `duration`; nanoseconds."""

    duration: int = 0
    at: int | None = None


class _Settled:
    """A call whose failure is no exception: the script gets the call itself."""

    def __init__(self, call: Call[Any]) -> None:
        self.call = call


Step: TypeAlias = "Call[Any] | Wait | _Settled"
Steps: TypeAlias = Generator[Step, Any, T]


def wait(*, seconds: float = 0, nanoseconds: int = 0) -> Wait:
    """A pause of that length."""
    return Wait(round(seconds * NANOSECONDS) + nanoseconds)


def until(now: int) -> Wait:
    """A pause that ends at that time, nanoseconds since 1970; none if it has passed."""
    return Wait(at=now)


def settled(call: Call[Any]) -> Step:
    """The end of `call`, good or bad: the script gets the call, whose `status` tells."""
    return _Settled(call)


def run(steps: Steps[T], timers: Timers) -> "Script[T]":
    """Start a script; it has gone as far as it gets without waiting when this returns."""
    return Script(steps, timers)


class Script(Call[T]):
    """A running script, itself a call: its result is what the generator returns."""

    def __init__(self, steps: Steps[T], timers: Timers) -> None:
        super().__init__()
        self._steps = steps
        self._timers = timers
        self._go(None, None)

    def _go(self, value: object, error: StatusError | None) -> None:
        """Run until something has to be waited for. A loop, since what is yielded may have ended already."""
        while True:
            try:
                step = self._steps.send(value) if error is None else self._steps.throw(error)
            except StopIteration as end:
                self.succeed(end.value)
                return
            except StatusError as failure:
                self.fail(failure.status)
                return
            except ParseError:
                self.fail(STATUS_INVALID_NETWORK_RESPONSE)
                return
            if isinstance(step, Wait):
                at = self._timers.now + step.duration if step.at is None else max(step.at, self._timers.now)
                self._timers.at(at, lambda _now: self._go(None, None))
                return
            call = step.call if isinstance(step, _Settled) else step
            if not call.done:
                self._resume_after(call, step)
                return
            value, error = _outcome(call, step)

    def _resume_after(self, call: Call[Any], step: Step) -> None:
        call.then(lambda ended: self._go(*_outcome(ended, step)))


def _outcome(call: Call[Any], step: Step) -> tuple[object, StatusError | None]:
    """What the script gets for a call that has ended: a value to send, or an error to throw."""
    if isinstance(step, _Settled):
        return call, None
    if call.succeeded:
        return call.result, None
    assert call.status is not None
    return None, StatusError(call.status)
