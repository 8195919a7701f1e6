"""Each kind of wrong has its own type: a handler of one must not swallow another, nor a bug."""

import pickle

import pytest

from parsers.errors import ParseError, SessionscopeError, UnsupportedError, UsageError

KINDS = (ParseError, UnsupportedError, UsageError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_of_one_kind_does_not_catch_another(kind):
    others = tuple(other for other in KINDS if other is not kind)
    assert not issubclass(kind, others)
    assert kind.__mro__[1:3] == (SessionscopeError, Exception)


@pytest.mark.parametrize("bug", [IndexError, KeyError, ValueError, TypeError, OSError, AssertionError])
def test_a_bug_is_no_error_that_was_raised_on_purpose(bug):
    assert not issubclass(bug, SessionscopeError)
    assert not issubclass(SessionscopeError, bug)


def test_bad_bytes_say_what_and_where():
    error = ParseError("Header needs 64 bytes, 3 remain", 12)
    assert str(error) == error.reason == "Header needs 64 bytes, 3 remain"
    assert error.offset == 12
    assert ParseError("no place is known").offset == 0


def test_bad_bytes_keep_their_place_when_they_cross_to_another_process():
    error = pickle.loads(pickle.dumps(ParseError("too short", 12)))
    assert (type(error), error.reason, error.offset) == (ParseError, "too short", 12)
