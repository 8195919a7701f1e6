"""What most commands do before their own work: check where the output goes, and read the captures."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping

from analyzer.analysis import Analysis, load_keys, read
from analyzer.cli.progress import Progress
from analyzer.policy import Policy
from analyzer.tables.rows import NoRows, RowStore
from parsers.errors import UsageError
from parsers.pipeline import Sink
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.rows import MESSAGE

__all__ = [
    "LARGE", "check_output", "is_unclean", "read_any", "read_known", "refuse_overwriting", "refuse_same_file",
]  # fmt: skip

LARGE = {"messages": MESSAGE, "exchanges": EXCHANGE}
"""Tables that wait outside of memory, and the types of their rows."""


def read_known(options: Namespace, *sinks: Sink, stores: Mapping[str, RowStore] | None = None) -> Analysis:
    """`read_any`, but a password of somebody who is not there is a mistake.

    Raises:
        UsageError: that, or something cannot be read.
    """
    analysis = read_any(options, *sinks, stores=stores)
    if analysis.notes:
        raise UsageError("; ".join(analysis.notes))
    return analysis


def read_any(
    options: Namespace, *sinks: Sink, policy: Policy | None = None, stores: Mapping[str, RowStore] | None = None
) -> Analysis:
    """Read the captures that the options name, with their keys; of `LARGE` only those are kept that have a store.

    Args:
        options: captures, keys, keytab, password and nt_hash are read.
        sinks: see every block as well.
        policy: the timers; None is their defaults.
        stores: where large tables wait, by name.
    """
    keys, given = load_keys(options.keys, options.keytab, options.password, options.nt_hash)
    places = {name: NoRows(dtype) for name, dtype in LARGE.items()} | dict(stores or {})
    with Progress(sys.stderr) as progress:
        return read(
            options.captures,
            keys,
            given=given,
            policy=policy,
            sinks=(*sinks, progress),
            messages=places["messages"],
            exchanges=places["exchanges"],
        )


def is_unclean(analysis: Analysis) -> bool:
    """What --strict does not accept: damage, or undecoded bytes."""
    return bool(analysis.damage) or len(analysis.undecoded) > 0


def check_output(output: str, *, binary: bool) -> None:
    """What can be known to fail is refused before a long capture is read.

    Raises:
        UsageError: the output cannot be written there.
    """
    if output == "-" and binary and sys.stdout.isatty():
        raise UsageError("this would fill the terminal with bytes: name a file with -o")
    if output != "-" and not os.path.isdir(os.path.dirname(os.path.realpath(output))):
        raise UsageError(f"{output} cannot be written: its folder does not exist")


def refuse_overwriting(analysis: Analysis, output: str) -> None:
    """The output must be none of the captures."""
    refuse_same_file(output, [file.name for file in analysis.files], "captures")


def refuse_same_file(output: str, names: Iterable[str], what: str) -> None:
    """The output must be none of these files.

    Raises:
        UsageError: it is one of them.
    """
    for name in names:
        if output != "-" and os.path.exists(output) and os.path.exists(name) and os.path.samefile(output, name):
            raise UsageError(f"{output} is one of the {what} that are read: name another file to write")
