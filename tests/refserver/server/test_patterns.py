import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refserver.server.patterns import LONGEST_PATTERN, Pattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "", True),
        ("*", "a.b.c", True),
        ("*.*", "a.b", True),
        ("*.*", "ab", False),
        ("*.txt", "A.TXT", True),
        ("*.txt", "a.txt.bak", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("?", "", False),
        ("ÄÖ*", "äöü", True),
        # The names and answers of MS-FSA 2.1.4.4's definitions of DOS_STAR, DOS_QM and DOS_DOT.
        ("<", "noextension", True),
        ("<", "has.extension", False),
        ("<.txt", "a.b.txt", True),
        ("<.b", "a.b.txt", False),
        ("<.", "abc.", True),
        ('<"', "abc", True),
        ("<.*", "a.b.c", True),
        ('<"*', "abc", True),
        ("a>>>", "a", True),
        ("a>>>", "abcd", True),
        ("a>>>", "abcde", False),
        (">>>.t>>", "ab.tx", True),
        (">>.txt", "abc.txt", False),
        ('abc"', "abc", True),
        ('abc"', "abc.", True),
        ('abc"', "abcd", False),
        ('a"b', "a.b", True),
        ('a"b', "ab", False),
    ],
)
def test_wildcards_mean_what_the_specification_says(pattern: str, name: str, matches: bool) -> None:
    assert Pattern(pattern).matches(name) is matches


def by_definition(pattern: str, name: str, at: int = 0, place: int = 0) -> bool:
    """MS-FSA 2.1.4.4 read literally, with all the time in the world."""
    if at == len(pattern):
        return place == len(name)
    symbol, ended = pattern[at], place == len(name)
    character = "" if ended else name[place]

    def here(step: int, use: int) -> bool:
        return by_definition(pattern, name, at + step, place + use)

    if symbol == "*":
        return here(1, 0) or (not ended and here(0, 1))
    if symbol == "<":
        return here(1, 0) or (not ended and place != name.rfind(".") and here(0, 1))
    if symbol == ">":
        return here(1, 0) if ended or character == "." else here(1, 1)
    if symbol == '"':
        return here(1, 0) if ended else character == "." and here(1, 1)
    return not ended and symbol in {"?", character} and here(1, 1)


@given(st.text('ab.*?<>"', max_size=8), st.text("ab.", max_size=7))
def test_the_machine_agrees_with_the_definition(pattern: str, name: str) -> None:
    assert Pattern(pattern).matches(name) is by_definition(pattern, name)


@given(st.text(max_size=20).filter(lambda text: not set('*?<>"') & set(text)))
def test_a_name_without_wildcards_means_itself_in_any_case(name: str) -> None:
    pattern = Pattern(name)
    assert pattern.matches(name)
    assert not pattern.matches(name + "x")


@pytest.mark.parametrize("unit", ["*a", "<", ">", "*?", '"', "?*<>"])
def test_no_pattern_takes_long(unit: str) -> None:
    pattern = Pattern((unit * LONGEST_PATTERN)[:LONGEST_PATTERN])
    started = time.perf_counter()
    for _ in range(10):
        pattern.matches("a." * 127 + "b")
    assert time.perf_counter() - started < 0.5
