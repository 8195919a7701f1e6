"""`sessionscope compare-with-tshark`: a second opinion."""

import argparse
from argparse import Namespace

from analyzer.cli import compare
from analyzer.cli.capture_options import add_keys

__all__ = ["EPILOG", "add", "run"]

EPILOG = """\
tshark reads the same capture with the keys that were found, through pyshark (pip install 'sessionscope[live]').
Commands and statuses are compared frame by frame; tables: counts and differences.
What to expect: tshark shows nothing of a direction behind bytes that the capture lost, and knows no compression with
Pattern_V1 and no sessions without SessionId.

examples:
  sessionscope compare-with-tshark trace.pcapng --keys keys.toml
  sessionscope compare-with-tshark trace.pcapng --table differences --format csv -o differences.csv
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("capture", metavar="CAPTURE", help="a capture file")
    add_keys(parser)
    compare.add_output(parser, ("counts", "differences"))
    parser.set_defaults(run=run)


def run(options: Namespace) -> bool:
    """Compare and write; always returns False, since a difference is no mistake of anybody who asks.

    Raises:
        UsageError: the capture cannot be read, or pyshark or tshark is missing.
    """
    compare.check_output(options)
    compare.write(compare.read_capture(options.capture, options, messages=True).compare_with_tshark(), options)
    return False
