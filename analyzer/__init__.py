"""The analyzer's public face: `analyze` captures, get an `Analysis` of tables.

Both are imported when they are first used, so that the command line starts without pandas.
"""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.analysis import Analysis, analyze

__all__ = ["Analysis", "analyze"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    collects = gc.isenabled()
    gc.disable()  # what an import makes stays; to look for garbage in it takes a tenth of its time
    try:
        from analyzer import analysis  # noqa: PLC0415  # pandas waits until it is needed
    finally:
        if collects:
            gc.enable()
    return getattr(analysis, name)
