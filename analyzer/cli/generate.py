"""`sessionscope generate`: plays a scenario in virtual time, and writes the trace, its keys, and the truth about it."""

import argparse
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from parsers.errors import UsageError

__all__ = ["EPILOG", "add", "run"]

EPILOG = """\
Beside the capture trace.pcapng come trace.keys.toml, the session keys, and trace.truth.json: every event with its
frames, time and session, and which findings have to be made of it. Where Kerberos was used there is trace.keytab. The
same scenario, seed and values give the same bytes. With --list, a scenario shows the options that --set knows.

examples:
  sessionscope generate --list
  sessionscope generate normal --list
  sessionscope generate normal -o trace.pcapng
  sessionscope generate normal -o trace.pcapng --seed 7 --set dialect=3.0 --set cipher=aes-128-ccm --set loss=0.01
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", help="what is to happen")
    parser.add_argument("--list", action="store_true", help="show the scenarios, or the options of one")
    parser.add_argument("-o", "--output", metavar="FILE", help="the pcapng file to write")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of everything random (default: 1)")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="change an option of the scenario; may be repeated",
    )
    parser.set_defaults(run=run)


def run(options: Namespace) -> bool:
    """Do what the options say; always returns False, since there is nothing to complain about.

    Raises:
        UsageError: there is no such scenario or option, or a file cannot be written.
    """
    if options.list:
        sys.stdout.write(_scenarios() if options.scenario is None else _options(options.scenario))
    elif options.scenario is None:
        raise UsageError("name a scenario; sessionscope generate --list shows them")
    elif options.output is None:
        raise UsageError("name the file to write with -o")
    else:
        _generate(options)
    return False


def _generate(options: Namespace) -> None:
    from analyzer.export.files import atomic_output
    from refserver.scenarios.registry import scenario_named

    scenario = scenario_named(options.scenario)
    values = scenario.parse(options.set)
    path = Path(options.output)
    with atomic_output(path) as file:
        keytab = path.with_name(f"{path.stem}.keytab")
        trace = scenario.generate(file, seed=options.seed, values=values, keytab_name=keytab.name)
    with atomic_output(path.with_name(f"{path.stem}.keys.toml"), private=True) as file:
        file.write(trace.keys.encode())
    if trace.keytab:
        with atomic_output(keytab, private=True) as file:
            file.write(trace.keytab)
    with atomic_output(path.with_name(f"{path.stem}.truth.json")) as file:
        file.write(document(trace.truth).encode())


def document(truth: dict[str, Any]) -> str:
    """The text of truth.json: one event a line."""
    rows = {name: truth[name] for name in ("connections", "events")}
    head = json.dumps({name: value for name, value in truth.items() if name not in rows}, indent=1)
    lists = (f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, content)) + "\n ]" for name, content in rows.items())
    return head.removesuffix("\n}") + ",\n" + ",\n".join(lists) + "\n}\n"


def _scenarios() -> str:
    from refserver.scenarios.registry import SCENARIOS

    width = max(map(len, SCENARIOS))
    return "".join(f"{name:{width}}  {scenario.summary}\n" for name, scenario in sorted(SCENARIOS.items()))


def _options(name: str) -> str:
    from refserver.scenarios.registry import scenario_named

    scenario = scenario_named(name)
    lines = [f"{scenario.name}: {scenario.summary}\n\n"]
    for option in scenario.all_options.values():
        choices = f"; one of {', '.join(map(str, option.choices))}" if option.choices else ""
        lines.append(f"{option.name}={option.default}\n    {option.help}{choices}\n")
    return "".join(lines)
