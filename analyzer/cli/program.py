"""From arguments to an exit code: the only place where mistakes become sentences."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from analyzer.cli.arguments import parse
from analyzer.cli.codes import FINE, INTERRUPTED, MISTAKE, NOT_CLEAN
from analyzer.tables.text import printable
from parsers.errors import UsageError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    They are those of `analyzer.cli.codes`, and `sessionscope --help` explains them.
    """
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        return _run(options)
    except SystemExit as leaving:  # --help and --version
        return FINE if leaving.code is None else int(leaving.code)
    except UsageError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # Whoever read the output has had enough. Python must not flush into the closed pipe once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: Namespace) -> int:
    if "run" in options:  # what needs none of the tables brings its own
        return NOT_CLEAN if options.run(options) else FINE
    from analyzer.cli import commands

    return commands.run(options)


def _fail(message: str) -> int:
    sys.stderr.write(f"sessionscope: {printable(message)}\n")
    return MISTAKE
