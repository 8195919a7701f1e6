"""Text from the wire made harmless: what a terminal, a page or a file must not obey is shown as an escape."""

from unicodedata import category

__all__ = ["encodable", "printable", "spreadsheet_text"]

_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of a formula


def printable(text: str) -> str:
    r"""The text with every control, format, surrogate or unassigned character as `\x1b`, `\u202e` or `\U000e0001`.

    Line ends are among them: the result is always one line. Spaces of any width stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or category(character) == "Zs" else _escape(ord(character))
        for character in text
    )


def spreadsheet_text(text: str) -> str:
    """The text, printable, and with an apostrophe before what a spreadsheet would take for a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def encodable(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which UTF-16 names may hold and no UTF-8 file can."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
