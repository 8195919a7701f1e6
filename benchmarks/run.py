"""Time and memory beside tshark, in one session on one machine: `python benchmarks/run.py [--runs N] [CAPTURE ...]`.

Every program runs as a whole process, in turn, N times on each capture; the medians are compared. A speed ratio is the
smaller one of the ratios of wall time and of processor time (user + system), so that neither threads nor waiting
can flatter it. The captures come from make_captures.py. Results go to benchmarks/results/ as JSON, and to a table.
"""

import argparse
import compileall
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from make_captures import CAPTURES, LOADS, uat

__all__ = ["main"]

HERE = Path(__file__).resolve().parent
SESSIONSCOPE = str(Path(sys.executable).with_name("sessionscope"))
MIB = 1 << 20

FIELDS = (
    "frame.number frame.time_epoch tcp.stream ip.src tcp.srcport ip.dst tcp.dstport smb2.cmd smb2.flags smb2.msg_id "
    "smb2.nt_status smb2.sesid smb2.tid smb2.credits.requested smb2.credits.granted smb2.fid smb2.filename smb2.tree "
    "smb2.read_length smb2.write_length smb2.time"
)


class Cost(NamedTuple):
    """What one process took."""

    wall: float  # seconds
    cpu: float  # seconds, user + system
    peak: int  # bytes


class Budget(NamedTuple):
    """One line of the table: `measure` of `ours` on `capture`, against `other` where it is a ratio."""

    text: str
    capture: str
    ours: str
    other: str  # the program compared with; "" for an absolute bound
    measure: str  # "times faster", "times the floor", "MiB", "seconds"
    bound: float


BUDGETS = (
    Budget("plain metadata, all tables / tshark fields", "meta_plain", "tables", "fields", "times faster", 15),
    Budget("plain metadata, all tables / tshark srt", "meta_plain", "tables", "srt", "times faster", 3),
    Budget("encrypted metadata, all tables / tshark fields", "meta_gcm", "tables", "fields", "times faster", 12),
    Budget("encrypted bulk, all tables / tshark fields", "bulk_gcm", "tables", "fields", "times faster", 12),
    Budget("encrypted bulk, all tables / tshark srt", "bulk_gcm", "tables", "srt", "times faster", 4),
    Budget("encrypted bulk, all tables / read + AES-GCM", "bulk_gcm", "tables", "floor", "times the floor", 4),
    Budget("plain metadata, messages to Parquet: memory", "meta_plain", "parquet", "", "MiB", 512),
    Budget("encrypted metadata, messages to Parquet: memory", "meta_gcm", "parquet", "", "MiB", 512),
    Budget("encrypted bulk, messages to Parquet: memory", "bulk_gcm", "parquet", "", "MiB", 512),
    Budget("sessionscope --help", "", "help", "", "seconds", 0.3),
)


def programs(capture: str, folder: Path) -> dict[str, list[str]]:
    """The command lines of every program that is measured on `capture` ("" for what needs none)."""
    if not capture:
        return {"help": [SESSIONSCOPE, "--help"]}
    path = str(CAPTURES / f"{capture}.pcapng")
    sessions = sidecar(capture)["debug_encryption_session_keys"]
    keys = folder / f"{capture}.smb2_seskey_list"
    keys.write_text("".join(uat(session).partition("smb2_seskey_list:")[2] + "\n" for session in sessions))
    tshark = ["tshark", "-n", "-r", path, *(part for session in sessions for part in ("-o", uat(session)))]
    parquet = str(folder / f"{capture}.parquet")
    return {
        "fields": [*tshark, "-T", "fields", *(part for field in FIELDS.split() for part in ("-e", field))],
        "srt": [*tshark, "-q", "-z", "smb2,srt"],
        "floor": [sys.executable, str(HERE / "floor.py"), path],
        "tables": [sys.executable, str(HERE / "all_tables.py"), path, str(keys)],
        "parquet": [SESSIONSCOPE, "messages", path, "--keys", str(keys), "--format", "parquet", "-o", parquet],
    }


def sidecar(capture: str) -> dict[str, Any]:
    """What make_captures.py wrote beside the capture."""
    facts: dict[str, Any] = json.loads((CAPTURES / f"{capture}.json").read_text())
    return facts


def run(command: Sequence[str], output: Path, errors: Path) -> Cost:
    """Run one process to its end.

    Raises:
        subprocess.CalledProcessError: it did not end with 0; `stderr` holds its last line.
    """
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        last = errors.read_text(errors="replace").strip().splitlines()[-1:]
        raise subprocess.CalledProcessError(process.returncode, command, stderr="".join(last))
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def measure(capture: str, names: set[str], runs: int, folder: Path) -> tuple[dict[str, list[Cost]], list[str]]:
    """Run the programs in turn, `runs` times; returns the costs and, in words, what went wrong."""
    if capture:
        warm(CAPTURES / f"{capture}.pcapng")
    rows = folder / "rows.json"
    costs: dict[str, list[Cost]] = {}
    troubles = []
    commands = {name: command for name, command in programs(capture, folder).items() if name in names}
    for _ in range(runs):
        for name, command in list(commands.items()):
            output = rows if name == "tables" else Path(os.devnull)
            try:
                cost = run(command, output, folder / "errors.txt")
            except (OSError, subprocess.CalledProcessError) as error:
                troubles.append(f"{name} {capture or 'alone'}: {getattr(error, 'stderr', None) or error}")
                del commands[name]  # it would only fail again
                costs.pop(name, None)
                continue
            costs.setdefault(name, []).append(cost)
            print(f"  {name:8} {cost.wall:8.2f} s wall {cost.cpu:8.2f} s cpu {cost.peak / MIB:8.0f} MiB", flush=True)
    if "tables" in costs:
        troubles += missing_messages(capture, json.loads(rows.read_text()))
    return costs, troubles


def warm(path: Path) -> None:
    """Read the file once, so that the first program finds it in memory like the others."""
    with path.open("rb", buffering=0) as file:
        while file.read(8 * MIB):
            pass


def missing_messages(capture: str, rows: dict[str, int]) -> list[str]:
    """A program that leaves out work is not fast: every message that tshark counted must have its row."""
    print(f"  rows     {rows}")
    expected = sidecar(capture)["tshark_counts"]["messages"]
    if rows["messages"] >= expected:
        return []
    return [f"tables on {capture}: {rows['messages']:,} messages, tshark counts {expected:,}"]


def median(costs: list[Cost]) -> Cost:
    """The median of each part."""
    return Cost(*(statistics.median(part) for part in zip(*costs, strict=True)))


def judge(budget: Budget, costs: dict[str, dict[str, list[Cost]]]) -> tuple[float | None, str]:
    """The measured value, and whether it keeps the budget."""
    here = costs.get(budget.capture, {})
    if budget.ours not in here or (budget.other and budget.other not in here):
        return None, "not measured"
    ours = median(here[budget.ours])
    other = median(here[budget.other]) if budget.other else ours
    value = {
        "times faster": min(other.wall / ours.wall, other.cpu / ours.cpu),
        "times the floor": max(ours.wall / other.wall, ours.cpu / other.cpu),
        "MiB": ours.peak / MIB,
        "seconds": ours.wall,
    }[budget.measure]
    kept = value >= budget.bound if budget.measure == "times faster" else value <= budget.bound
    return round(value, 2), "kept" if kept else "MISSED"


def machine() -> dict[str, str | int | None]:
    """What the numbers depend on."""
    cpu = next(
        (line.partition(":")[2].strip() for line in cpuinfo() if line.startswith("model name")), platform.machine()
    )
    tshark = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    packages = {name: version(name) for name in ("cryptography", "numpy", "pandas", "pyarrow")}
    return {"cpu": cpu, "cpus": os.cpu_count(), "python": platform.python_version(), "tshark": tshark, **packages}


def cpuinfo() -> list[str]:
    """The lines of /proc/cpuinfo, where there is one."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def show(lines: list[tuple[Budget, float | None, str]]) -> None:
    """Print the table of budgets."""
    print(f"\n{'budget':50} {'bound':>22} {'measured':>9}  verdict")
    for budget, value, verdict in lines:
        bound = f"{'>=' if budget.measure == 'times faster' else '<='} {budget.bound:g} {budget.measure}"
        print(f"{budget.text:50} {bound:>22} {'-' if value is None else value:>9}  {verdict}")


def main() -> int:
    """Measure, print, write; 1 where a program failed or left out messages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("captures", nargs="*", help=f"of {', '.join(LOADS)}; all by default")
    parser.add_argument("--runs", type=int, default=3, help="runs of each program (3)")
    parser.add_argument(
        "--without", action="append", default=[], help="a program to leave out: fields, srt, floor, ..."
    )
    options = parser.parse_args()
    chosen = options.captures or list(LOADS)
    absent = [name for name in chosen if not (CAPTURES / f"{name}.pcapng").exists()]
    if absent:
        sys.exit(f"No capture {', '.join(absent)}: run `sudo {sys.executable} benchmarks/make_captures.py` first.")

    # The modules of an installed program are compiled. Here they may not have been, and the environment may forbid it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("analyzer", "parsers"):
        compileall.compile_dir(HERE.parent / package, quiet=1)
    costs: dict[str, dict[str, list[Cost]]] = {}
    troubles: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sessionscope-bench-") as folder:
        for capture in ["", *chosen]:
            names = {name for line in BUDGETS if line.capture == capture for name in (line.ours, line.other)}
            print(capture or "start", flush=True)
            costs[capture], wrong = measure(capture, names - set(options.without), options.runs, Path(folder))
            troubles += wrong

    lines = [(budget, *judge(budget, costs)) for budget in BUDGETS if budget.capture in costs]
    show(lines)
    print(f"\n{write(options.runs, costs, lines, troubles)}", flush=True)
    for trouble in troubles:
        print(f"! {trouble}", file=sys.stderr)
    return 1 if troubles else 0


def write(
    runs: int,
    costs: dict[str, dict[str, list[Cost]]],
    lines: list[tuple[Budget, float | None, str]],
    troubles: list[str],
) -> Path:
    """Keep every single measurement as JSON."""
    now = datetime.datetime.now(datetime.UTC)
    captures = {name: sidecar(name) for name in costs if name}
    record = {
        "time": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "runs": runs,
        "captures": {
            name: {key: facts[key] for key in ("file_bytes", "tshark_counts")} for name, facts in captures.items()
        },
        "costs": {
            capture: {name: [cost._asdict() for cost in each] for name, each in measured.items()}
            for capture, measured in costs.items()
        },
        "budgets": [{**budget._asdict(), "measured": value, "verdict": verdict} for budget, value, verdict in lines],
        "troubles": troubles,
    }
    path = HERE / "results" / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
