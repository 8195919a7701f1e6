"""`sessionscope latency`: how long answers took, by command, server, share, file or session."""

import argparse
from argparse import Namespace

from analyzer.cli.capture_options import add_captures, positive

__all__ = ["EPILOG", "add", "run"]

_FORMATS = ("text", "json", "csv", "parquet")
EPILOG = """\
Times are from the last byte of a request to the last byte of its answer. CHANGE_NOTIFY and what the server said would
take longer (STATUS_PENDING) is left out. `network` is the round trip time of the connection, `server_time` what is
left of the time without it, both as medians. The group that took longest in sum comes first.

Answers can be grouped by command, server, client, share, file_name, session_id and status.

examples:
  sessionscope latency trace.pcapng
  sessionscope latency trace.pcapng --by command,server
  sessionscope latency trace.pcapng --keys keys.toml --by file_name --limit 20
  sessionscope latency trace.pcapng --by share,command --format csv -o latency.csv
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_captures(parser)
    parser.add_argument("--by", metavar="A,B,...", default="command", help="what to group by (default: command)")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="how to write the table (default: text)")
    parser.add_argument("--limit", metavar="N", type=positive, help="rows to show at most")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where to write (default: standard output)")
    parser.set_defaults(run=run)


def run(options: Namespace) -> bool:
    """Read and write; returns whether --strict has something to complain about.

    Raises:
        UsageError: something cannot be read or written, or answers cannot be grouped so.
    """
    from analyzer.cli import terminal, writers
    from analyzer.cli.reading import check_output, is_unclean, read_known, refuse_overwriting
    from analyzer.export.files import atomic_output
    from analyzer.export.parquet import write_parquet
    from analyzer.latency import GROUPS, check_groups
    from analyzer.tables.rows import MemoryRows
    from analyzer.tables.schema import LATENCY
    from parsers.smb2.exchanges import EXCHANGE

    by = tuple(name.strip() for name in options.by.split(","))
    check_groups(by)
    check_output(options.output, binary=options.format == "parquet")
    analysis = read_known(options, stores={"exchanges": MemoryRows(EXCHANGE)})
    refuse_overwriting(analysis, options.output)
    table = analysis.latency(*by)
    table = table if options.limit is None else table.head(options.limit)
    shown = LATENCY.headline if options.format == "text" else LATENCY.names
    columns = (*by, *(name for name in shown if name not in GROUPS))
    write = {"text": terminal.write_text, "json": writers.write_json, "csv": writers.write_csv}
    with atomic_output(options.output) as file:
        write.get(options.format, write_parquet)(
            iter([analysis.latency(*by).head(options.limit)]), LATENCY, columns, file
        )
    return bool(options.strict) and is_unclean(analysis)
