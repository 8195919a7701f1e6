"""The command line `sessionscope`. Nothing here is imported that a command does not need."""

from analyzer.cli.program import main

__all__ = ["main"]
