import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.ntstatus import STATUS_OBJECT_NAME_INVALID
from refserver.errors import StatusError
from refserver.store.names import check_name, check_stream_name, fold, is_same, is_valid_name, short_name, split_stream


@given(st.text())
def test_folding_keeps_the_length_and_forgets_the_case(name: str) -> None:
    assert len(fold(name)) == len(name)
    assert fold(fold(name)) == fold(name)


def test_folding_tells_sharp_s_from_two() -> None:
    assert fold("straße") == "STRAßE"
    assert fold("straße") != fold("strasse")


@given(st.text(min_size=1))
def test_short_names_are_short(name: str) -> None:
    stem, _, extension = short_name(name).partition(".")
    assert len(stem) <= 8
    assert len(extension) <= 3
    assert short_name(name) == short_name(name.swapcase()) or fold(name) != fold(name.swapcase())
    assert is_same(short_name(name), name) or "~" not in short_name(name)


@pytest.mark.parametrize(("name", "short"), [("a.txt", "A.TXT"), ("readme", "README"), ("a.b.c", None), ("a b", None)])
def test_a_name_that_is_short_is_its_own_short_name(name: str, short: str | None) -> None:
    assert short_name(name) == short or short is None
    assert ("~" in short_name(name)) is (short is None)


@pytest.mark.parametrize("name", ["a", "a.txt", "ä", "x" * 255, "a b", "...", "a;b", "[]"])
def test_ordinary_names_are_allowed(name: str) -> None:
    check_name(name)
    assert is_valid_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", 'a"', "a*", "a/", "a:", "a<", "a>", "a?", "a\\", "a|", "a\x1f", "x" * 256]
)
def test_names_with_a_meaning_are_refused(name: str) -> None:
    with pytest.raises(StatusError) as refused:
        check_name(name)
    assert refused.value.status == STATUS_OBJECT_NAME_INVALID


def test_length_is_counted_in_units_of_sixteen_bits() -> None:
    assert is_valid_name("\U0001f600" * 127)
    assert not is_valid_name("\U0001f600" * 128)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("f", ("f", "")),
        ("f:s", ("f", "s")),
        ("f:s:$DATA", ("f", "s")),
        ("f:s:$data", ("f", "s")),
        ("f::$DATA", ("f", "")),
        (":s", ("", "s")),
    ],
)
def test_streams_are_named_behind_a_colon(name: str, parts: tuple[str, str]) -> None:
    assert split_stream(name) == parts


@pytest.mark.parametrize("name", ["f:", "f::", "f:s:", "f:s:$DATA:x", "f:s:$INDEX_ALLOCATION", "f:s:$DAT"])
def test_other_types_of_streams_are_refused(name: str) -> None:
    with pytest.raises(StatusError) as refused:
        split_stream(name)
    assert refused.value.status == STATUS_OBJECT_NAME_INVALID


def test_stream_names_may_have_what_file_names_may_not() -> None:
    check_stream_name("?Stream*")
    for name in ("", "a/b", "a\\b", "a:b", "a\0b"):
        with pytest.raises(StatusError):
            check_stream_name(name)
