"""Every smbtorture test of twelve suites against `sessionscope serve`, each alone, and the table of what came of it.

    python -m tests.witness.torture [--baseline FILE] [--only PATTERN]     writes docs/smbtorture.md

The baseline is what smbtorture said to Samba's own smbd; what it does not have is asked of smbd here, where that is
installed and may run. The table is not written as long as something that smbd passes fails without a reason in REASONS.
"""

import argparse
import fnmatch
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.witness.kdc import Kdc, running_kdc
from tests.witness.smbd import running_smbd

__all__ = ["SUITES", "TABLE", "Target", "passing", "run_one", "serving"]

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "smbtorture.md"
BASELINE = ROOT.parent / "shared" / "captures" / "samba" / "smbtorture_smbd_baseline.txt"
_NAMES = "connect session read oplock lease compound credits durable-open lock notify dir getinfo"
SUITES = tuple(f"smb2.{suite}" for suite in _NAMES.split())
USER, PASSWORD = "alice", "Passw0rd!"
AT_ONCE = 4  # most tests wait for a timer, not for the processor
SECONDS = 150  # for one test; the longest waits for two oplock breaks of 35 seconds
_RESULT = re.compile(r"^(success|failure|error|skip): smb2\.\S+(?: \[\n(.*?)\n\])?$", re.MULTILINE | re.DOTALL)
_WITH_KERBEROS = ("smb2.session.expire*",)  # smbtorture skips them with NTLM, whose sessions do not end

_ASKS_SAMBA = "asks the server for {}, a switch that smbd has for its own tests; it is no part of the protocol"
REASONS = {
    "smb2.read.bug14607": _ASKS_SAMBA.format("an FSCTL that pads READ responses with eight bytes"),
    "smb2.oplock.batch22b": _ASKS_SAMBA.format("an FSCTL that stops a connection's TCP acknowledgments"),
    "smb2.session.bind_invalid_auth": (
        "the failed logon ends the session (MS-SMB2 3.3.5.5.3), and its keys with it: STATUS_USER_SESSION_DELETED goes "
        "out unsigned, which the test's client does not take from CREATE; smbd signs it with the keys of that session"
    ),
}


@dataclass(frozen=True)
class Target:
    """A share: port, name, and more arguments that smbtorture needs for it."""

    port: str
    share: str
    options: tuple[str, ...] = ()


@contextmanager
def serving(*options: str) -> Iterator[Target]:
    """`sessionscope serve` in a process of its own, with a share in memory."""
    command = [sys.executable, "-m", "analyzer.cli", "serve", "--share", "torture", "--port", "0", "--anonymous"]
    command += ["--user", f"{USER}:{PASSWORD}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield Target(process.stdout.readline().rpartition(":")[2].strip(), "torture")
        finally:
            process.terminate()


def run_one(target: Target, test: str, kdc: Kdc | None = None) -> tuple[str, str]:
    """The result of one test, "success", "failure", "error", "skip" or "timeout", and what smbtorture says to it."""
    host, user = ("127.0.0.1", USER) if kdc is None else (kdc.host, f"{USER}@{kdc.realm}")
    command = ["smbtorture", f"//{host}/{target.share}", "-p", target.port, "-U", f"{user}%{PASSWORD}"]
    command += ["-s", "/dev/null", "--format=subunit", "--fullname", "--option=torture:xattr=yes", *target.options]
    if kdc is not None:
        command += ["--use-kerberos=required", f"--realm={kdc.realm}"]
    with tempfile.TemporaryDirectory() as folder:  # smbtorture leaves folders where it runs
        try:
            run = subprocess.run(
                [*command, test], capture_output=True, check=False, text=True, errors="replace", cwd=folder,
                env=os.environ | ({} if kdc is None else kdc.environment), timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "timeout", f"no result within {SECONDS} seconds"
    found = _RESULT.findall(run.stdout)
    return found[0] if len(found) == 1 else ("error", (run.stdout + run.stderr)[-500:])


def passing(table: Path = TABLE) -> set[str]:
    """The tests that pass, by the table."""
    return set(re.findall(r"^\| `(smb2\.\S+)` \| success \|", table.read_text(), re.MULTILINE))


def main(arguments: Sequence[str] | None = None) -> None:
    """See the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="smbtorture's results on smbd")
    parser.add_argument("--only", default="*", help="run the tests of this name alone, and write no table")
    options = parser.parse_args(arguments)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if shutil.which("smbtorture") is None:
        sys.exit("needs smbtorture: apt-get install samba-testsuite")
    if not options.baseline.is_file():
        sys.exit(f"{options.baseline} is not there: give --baseline")
    here = run_all([test for test in all_tests() if fnmatch.fnmatch(test, options.only)])
    if options.only != "*":
        return
    smbd = _on_smbd(options.baseline, here)
    unexplained = {test: here[test] for test in here if _missed(test, here, smbd) and test not in REASONS}
    if unexplained:
        sys.exit(f"smbd passes these, and there is no reason in REASONS: {unexplained}")
    TABLE.write_text(_document(here, smbd))


def all_tests() -> list[str]:
    """What smbtorture lists of the suites; its last component comes twice, which it does not accept itself."""
    listed = subprocess.run(["smbtorture", "--list"], capture_output=True, check=True, text=True).stdout.split()
    tests = {name for name in map(_plain, listed) if any(_inside(name, suite) for suite in SUITES)}
    return sorted(tests, key=lambda test: (SUITES.index(_suite(test)), test))


def run_all(tests: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Results on `serve`; each worker has a server of its own, so that no test finds the files of another."""
    kerberos = [test for test in tests if any(fnmatch.fnmatch(test, pattern) for pattern in _WITH_KERBEROS)]
    results: dict[str, tuple[str, str]] = {}
    queue: SimpleQueue[str] = SimpleQueue()
    for test in tests:
        if test not in kerberos:
            queue.put(test)

    def work(_worker: int) -> None:
        with serving() as target, suppress(Empty):
            while test := queue.get_nowait():
                _note(results, test, run_one(target, test))

    with ThreadPoolExecutor(AT_ONCE) as workers:
        list(workers.map(work, range(AT_ONCE)))
    if kerberos:
        host = socket.gethostname()  # the only name that smbtorture finds an address for and takes a ticket for
        address = "--host", socket.gethostbyname(host), "--allow-remote"
        with running_kdc(host) as kdc, serving(*address, "--scan", "1", "--keytab", str(kdc.keytab)) as target:
            for test in kerberos:
                _note(results, test, run_one(target, test, kdc))
    return {test: results[test] for test in tests}


def _note(results: dict[str, tuple[str, str]], test: str, result: tuple[str, str]) -> None:
    results[test] = result
    sys.stderr.write(f"{result[0]:8} {test} {result[1] if result[0] != 'success' else ''}\n")


def _on_smbd(baseline: Path, tests: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Results on smbd: a test that passed in one of its configurations, without encryption, passes."""
    results: dict[str, str] = {}
    for line in baseline.read_text().splitlines():
        if not line.startswith("#"):
            result, run, name = line.split("\t")[:3]
            if not run.endswith("_enc") and results.get(_plain(name)) != "success":
                results[_plain(name)] = result
    missing = [test for test in tests if test not in results]
    if missing:
        with running_smbd() as smbd:
            target = Target(str(smbd.port), "share", ("-W", "CORPUS"))
            results |= {test: run_one(target, test)[0] for test in missing}
    return results


def _plain(name: str) -> str:
    """`smb2.lock.lock.lock` and `smb2.lock.lock` are one test, `smb2.lock.lock`; so are the others that are doubled."""
    parts = name.split(".")
    while len(parts) > 2 and parts[-1] == parts[-2]:
        parts.pop()
    return ".".join(parts) if name not in ("smb2.lock", "smb2.lock.lock.lock") else "smb2.lock.lock"


def _suite(test: str) -> str:
    return ".".join(test.split(".")[:2])


def _inside(test: str, suite: str) -> bool:
    return _suite(test) == suite


def _missed(test: str, here: dict[str, tuple[str, str]], smbd: dict[str, str]) -> bool:
    return smbd[test] == "success" and here[test][0] != "success"


# ----------------------------------------------------------------------------------------------- the document


def _document(here: dict[str, tuple[str, str]], smbd: dict[str, str]) -> str:
    version = subprocess.run(["smbtorture", "--version"], capture_output=True, check=True, text=True).stdout.split()[-1]
    demanded = [test for test in here if smbd[test] == "success"]
    passed = [test for test in demanded if here[test][0] == "success"]
    share = len(passed) / len(demanded)
    more = [test for test in here if here[test][0] == "success" and smbd[test] != "success"]
    lines = [
        "# smbtorture against `sessionscope serve`",
        "",
        f"Written by `python -m tests.witness.torture`: smbtorture {version}, each test alone, on a share in memory,",
        "beside its results on smbd 4.17. A test counts as passed on smbd if it passes in one of smbd's configurations",
        "(plain, with Kerberos, or with the switches of Samba's own tests). Here the `expire` tests run with Kerberos.",
        "",
        f"**Of the {len(demanded)} tests that smbd passes, {len(passed)} pass here: {share:.1%}.**",
        f"{len(more)} more pass here and not on smbd.",
        "",
        "| suite | tests | pass here | smbd passes | of these pass here |",
        "|---|---|---|---|---|",
    ]
    lines += [_summary(suite, [*tests], here, smbd) for suite, tests in groupby(here, _suite)]
    lines += ["", "## What smbd passes and `serve` does not", ""]
    lines += ["| test | here | reason |", "|---|---|---|"]
    lines += [f"| `{test}` | {here[test][0]} | {REASONS[test]} |" for test in here if _missed(test, here, smbd)]
    lines += ["", "## What neither passes", "", "| test | here | what smbtorture says |", "|---|---|---|"]
    neither = [test for test in here if here[test][0] != "success" and smbd[test] != "success"]
    lines += [f"| `{test}` | {here[test][0]} | {_said(here[test][1])} |" for test in neither]
    for suite, tests in groupby(here, _suite):
        lines += ["", f"## {suite}", "", "| test | here | smbd 4.17 |", "|---|---|---|"]
        lines += [f"| `{test}` | {here[test][0]} | {smbd[test]} |" for test in tests]
    return "\n".join(lines) + "\n"


def _summary(suite: str, tests: list[str], here: dict[str, tuple[str, str]], smbd: dict[str, str]) -> str:
    passed = {test for test in tests if here[test][0] == "success"}
    demanded = {test for test in tests if smbd[test] == "success"}
    return f"| {suite} | {len(tests)} | {len(passed)} | {len(demanded)} | {len(passed & demanded)} |"


def _said(reason: str) -> str:
    """One line, without the path of smbtorture's source."""
    text = re.sub(r"\(?\S*/(\w+\.c:\d+)\)?:?", r"\1:", " ".join(reason.split()))
    return text.replace("|", "\\|")[:200]


if __name__ == "__main__":
    main()
