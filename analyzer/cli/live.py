"""`sessionscope live`: sessions and findings as they happen."""

import argparse
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from analyzer.cli.capture_options import add_keys, positive
from parsers.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from analyzer.live import Dumpcap, News, Watch

__all__ = ["EPILOG", "add", "run"]

EPILOG = """\
dumpcap, which comes with Wireshark, captures into a ring of files; what is in the ring is analyzed again and again. The
ring bounds memory: what is older is forgotten, except for the keys of sessions that go on. A finding is told when two
looks have shown it. Ctrl-C ends with a summary.

examples:
  sessionscope live -i eth0
  sessionscope live -i eth0 --keys keys.toml --filter "host 10.0.0.5 and tcp port 445"
  sessionscope live -i lo --filter "tcp port 4450" --duration 60
"""
_FILTER = "tcp port 445 or tcp port 139 or port 88"
_MEBIBYTE = 1 << 20
_SHARE = 4  # a look may take a quarter of the time: busy windows are looked at less often


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-i", "--interface", metavar="IFACE", required=True, help="where to capture")
    add_keys(parser)
    parser.add_argument(
        "--filter", metavar="FILTER", default=_FILTER,
        help='what to capture, as libpcap writes it; "" is everything (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument("--policy", metavar="FILE", help="timers that differ from their defaults (docs/findings.md)")
    parser.add_argument(
        "--window", metavar="MIB", type=positive, default=64, help="how much is remembered (default: 64 MiB)"
    )
    parser.add_argument(
        "--interval", metavar="SECONDS", type=positive, default=2, help="between two looks at least (default: 2)"
    )
    parser.add_argument("--duration", metavar="SECONDS", type=positive, help="end after this time")
    parser.set_defaults(run=run)


def run(options: Namespace) -> bool:
    """Watch until Ctrl-C or the end of the duration; always returns False.

    Raises:
        UsageError: dumpcap is missing or may not capture there, or a key or a policy makes no sense.
    """
    from analyzer.analysis import load_keys
    from analyzer.live import Dumpcap, Watch
    from analyzer.policy import Policy

    keys, _ = load_keys(options.keys, options.keytab, options.password, options.nt_hash)
    policy = Policy() if options.policy is None else Policy.load(options.policy)
    with TemporaryDirectory(prefix="sessionscope-") as folder:
        watch = Watch(keys, policy, Path(folder))
        with Dumpcap(options.interface, options.filter, Path(folder), options.window * _MEBIBYTE) as dumpcap:
            sys.stderr.write(f"capturing on {options.interface}; Ctrl-C ends\n")
            with _interruptible():
                _follow(dumpcap, watch, options)
            dumpcap.stop()
            news = watch.look(dumpcap.files(), last=True)
            _tell(news)
            sys.stdout.write(_summary(news, watch, dumpcap))
    return False


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends what is inside, and nothing else."""
    with suppress(KeyboardInterrupt):
        yield


def _follow(dumpcap: "Dumpcap", watch: "Watch", options: Namespace) -> None:
    """Look, tell, wait."""
    end = None if options.duration is None else time.monotonic() + options.duration
    wait = float(options.interval)
    while True:
        left = wait if end is None else min(wait, end - time.monotonic())
        if left <= 0:
            return
        time.sleep(left)
        if not dumpcap.running:
            raise UsageError(f"dumpcap has ended: {dumpcap.complaint}")
        begin = time.monotonic()
        _tell(watch.look(dumpcap.files()))
        wait = max(options.interval, _SHARE * (time.monotonic() - begin))


def _tell(news: "News") -> None:
    from analyzer.cli.findings_text import finding_paragraphs
    from analyzer.cli.terminal import Page
    from analyzer.tables.schema import TABLES

    for line in _session_lines(news.sessions, news.analysis.connections):
        sys.stdout.write(line)
    page = Page.of(sys.stdout.buffer)
    for paragraph in finding_paragraphs(news.findings, TABLES["findings"], page):
        sys.stdout.write(f"\n{paragraph}")
    sys.stdout.flush()


def _session_lines(sessions: "pd.DataFrame", connections: "pd.DataFrame") -> Iterator[str]:
    from analyzer.tables.cells import UNKNOWN, shown
    from analyzer.tables.schema import TABLES

    table = TABLES["sessions"]
    names = (
        "creation_time",
        "session_id",
        "domain",
        "user",
        "mechanism",
        "dialect",
        "state",
        "decryption",
        "connections",
    )
    columns = [shown(sessions[name], table.column(name)) for name in names]
    ends = dict(zip(connections["connection"], connections["client"] + " to " + connections["server"], strict=True))
    for start, number, domain, user, mechanism, dialect, state, decryption, carried in zip(*columns, strict=True):
        who = "user unknown" if user == UNKNOWN else f"{domain}\\{user}"
        where = ends.get(int(carried.split(",")[0]), "") if carried[:1].isdigit() else ""
        yield f"{start}  session {number}  {who}  {mechanism}  SMB {dialect}  {state}, {decryption}  {where}\n"


def _summary(news: "News", watch: "Watch", dumpcap: "Dumpcap") -> str:
    """What was seen in all, and the slowest commands of the window."""
    from analyzer.tables.cells import shown
    from analyzer.tables.schema import DURATION, Column

    received, dropped = dumpcap.counts or (0, 0)
    findings = ", ".join(f"{count:,} {severity}" for severity, count in sorted(watch.told.items())) or "none"
    lines = [
        f"{received:,} packets captured, {dropped:,} dropped",
        f"{watch.sessions:,} sessions; findings: {findings}",
    ]
    latency = news.analysis.latency("command").head(5)
    medians = shown(latency["median"], Column("median", DURATION, "", ""))
    for command, count, median in zip(latency["command"].astype(str), latency["count"], medians, strict=True):
        lines.append(f"  {command:16} {count:>9,} answers, median {median}")
    return "\n" + "\n".join(lines) + "\n"
