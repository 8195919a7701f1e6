"""`sessionscope report`: one HTML file that tells everything to a person."""

import argparse
import sys
from argparse import Namespace

from analyzer.cli.capture_options import add_captures

__all__ = ["EPILOG", "add", "run"]

EPILOG = """\
The file opens in any browser of today, without a network. It holds a summary, the findings with their evidence, a
timeline, the exchanges that matter, sessions, files, response times, which keys opened what (no secrets), and what
could not be read, and why. Of long captures it holds the exchanges of findings, the slowest, refused and unanswered
ones and a sample of the rest, and says how many it leaves out.

examples:
  sessionscope report trace.pcapng --keys keys.toml -o report.html
  sessionscope report *.pcapng --password 'CORPUS\\alice:Passw0rd!' -o report.html
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_captures(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the HTML file to write")
    parser.add_argument("--policy", metavar="FILE", help="timers that differ from their defaults (docs/findings.md)")
    parser.set_defaults(run=run)


def run(options: Namespace) -> bool:
    """Read and write; returns whether --strict has something to complain about.

    Raises:
        UsageError: something cannot be read or written.
    """
    from analyzer.cli.reading import check_output, is_unclean, read_any, refuse_overwriting
    from analyzer.policy import Policy
    from analyzer.tables.rows import MemoryRows
    from parsers.smb2.exchanges import EXCHANGE

    policy = None if options.policy is None else Policy.load(options.policy)
    check_output(options.output, binary=False)
    analysis = read_any(options, policy=policy, stores={"exchanges": MemoryRows(EXCHANGE)})
    sys.stderr.write("".join(f"sessionscope: {note}\n" for note in analysis.notes))
    refuse_overwriting(analysis, options.output)
    analysis.report(options.output)
    return bool(options.strict) and is_unclean(analysis)
