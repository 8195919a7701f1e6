"""From arguments to an exit code: the only place where mistakes become sentences."""

import os
import sys
from collections.abc import Sequence

from analyzer.cli.arguments import parse
from analyzer.tables.text import printable
from parsers.errors import UsageError

__all__ = ["FINE", "MISTAKE", "NOT_CLEAN", "main"]

FINE, MISTAKE, NOT_CLEAN = 0, 2, 3
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0: done. 2: a mistake in the arguments, an unreadable file, a key that fits nobody; one sentence says what, and
    nothing was written. 3: done, but with `--strict` and something was damaged or stayed undecoded.
    """
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        from analyzer.cli import commands

        return NOT_CLEAN if commands.run(options) else FINE
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
        return _INTERRUPTED


def _fail(message: str) -> int:
    sys.stderr.write(f"sessionscope: {printable(message)}\n")
    return MISTAKE
