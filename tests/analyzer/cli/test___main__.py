"""`python -m analyzer.cli` is the command."""

import subprocess
import sys
from pathlib import Path


def test_the_module_runs_and_returns_the_exit_code(sample: Path) -> None:
    command = [sys.executable, "-m", "analyzer.cli"]
    run = subprocess.run([*command, "sessions", sample], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "11 sessions: 8 plaintext, 3 no_key" in run.stdout
    run = subprocess.run([*command, "sessions", "/nowhere"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert "Traceback" not in run.stderr
