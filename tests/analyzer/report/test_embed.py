import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from analyzer.report.embed import Pool, embedded_json


class Scripts(HTMLParser):
    """The texts of the scripts of a page, and its other elements."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.others: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append("")
        else:
            self.others.append(tag)

    def handle_data(self, data: str) -> None:
        if self.scripts:
            self.scripts[-1] += data


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_is_embedded_comes_out_as_it_was(value: object) -> None:
    page = Scripts()
    page.feed(f'<script type="application/json">{embedded_json(value)}</script>')
    page.close()
    assert page.others == []
    (script,) = page.scripts
    assert json.loads(script) == value


def test_nothing_can_end_the_script_or_begin_a_comment() -> None:
    text = embedded_json(["</script><b>", "<!--", "]]>", "\u2028"])
    assert not set("<>&") & set(text)
    assert text.isascii()


def test_texts_that_repeat_are_numbers() -> None:
    pool = Pool()
    assert pool.numbers(["a", "b", None, "a"]) == [0, 1, -1, 0]
    assert pool.texts == ["a", "b"]


def test_texts_are_made_printable() -> None:
    pool = Pool()
    pool.number("a\u202eb\x1b")
    assert pool.texts == ["a\\u202eb\\x1b"]
