"""The analyzer's public face: `analyze` captures, get an `Analysis` of tables.

Both are imported when they are first used, so that the command line starts without pandas.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.analysis import Analysis, analyze

__all__ = ["Analysis", "analyze"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from analyzer import analysis  # noqa: PLC0415  # pandas waits until it is needed

    return getattr(analysis, name)
