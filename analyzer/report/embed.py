"""Data inside of a page: nothing in it can end the element that holds it, or be taken for markup."""

import json
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from analyzer.tables.text import printable

__all__ = ["Pool", "embedded_json"]

_HARMLESS = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def embedded_json(value: Any) -> Markup:
    """JSON for a `<script type="application/json">`.

    HTML ends a script at the first `</script`, wherever that stands, and reads `<!--` as well (HTML 13.2.5.4), so no
    angle bracket is left. Only ASCII is written.

    Args:
        value: of dicts, lists, texts and finite numbers.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_HARMLESS))  # noqa: S704 - this is the place that makes it safe


class Pool:
    """Texts that many rows repeat, written once; rows hold their numbers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text, made printable."""
        known = self._numbers.get(text)
        if known is None:
            known = self._numbers[text] = len(self.texts)
            self.texts.append(printable(text))
        return known

    def numbers(self, texts: Sequence[str | None]) -> list[int]:
        """The numbers of texts; -1 for None."""
        return [-1 if text is None else self.number(text) for text in texts]
