"""Wireshark's dumpcap, which captures into a ring of files: the newest packets, and never more than the ring holds."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from parsers.errors import UsageError

__all__ = ["Dumpcap"]

_FILES = 4  # of the ring: a quarter of the window is dropped at a time
_START = 10.0  # seconds until the first file has to be there
_STOP = 5.0
_COUNTS = re.compile(r"Packets received/dropped on interface '.*': (\d+)/(\d+)")


class Dumpcap:
    """A running dumpcap.

    Args:
        interface: as dumpcap names it.
        condition: a capture filter in libpcap's syntax; "" takes everything.
        folder: where the ring lies.
        window: bytes of the ring.

    Raises:
        UsageError: dumpcap is not installed, or it may not capture there.
    """

    def __init__(self, interface: str, condition: str, folder: Path, window: int) -> None:
        program = shutil.which("dumpcap")
        if program is None:
            raise UsageError(
                "live capture needs dumpcap: install Wireshark or tshark (on Debian: apt-get install tshark)"
            )
        self._folder = folder
        self._log = folder / "log"
        command = [program, "-q", "-i", interface, "-w", str(folder / "ring.pcapng")]
        command += ["-b", f"filesize:{max(window // _FILES // 1000, 1)}", "-b", f"files:{_FILES}"]
        command += ["-f", condition] if condition else []
        with self._log.open("wb") as log:
            # A group of its own: Ctrl-C is for us, who then stop it and read what it has counted.
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)  # noqa: S603 - a list, no shell
        try:
            self._wait_for_start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it still captures."""
        return self._process.poll() is None

    @property
    def complaint(self) -> str:
        """What it said last."""
        lines = self._log.read_text(errors="replace").split("\n")
        words = [line.removeprefix("dumpcap: ").strip() for line in lines]
        said = [line for line in words if line and not line.startswith(("Capturing on", "File:", "Running as user"))]
        return said[0] if said else "it says nothing"

    @property
    def counts(self) -> tuple[int, int] | None:
        """Packets received and dropped, by the kernel's count; None before it has stopped."""
        found = _COUNTS.search(self._log.read_text(errors="replace"))
        return None if found is None else (int(found[1]), int(found[2]))

    def files(self) -> list[Path]:
        """The files of the ring that hold something, the oldest first."""
        found = [path for path in self._folder.glob("ring_*.pcapng") if path.stat().st_size]
        return sorted(found, key=lambda path: path.name)

    def stop(self) -> None:
        """End the capture; the files stay."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def _wait_for_start(self) -> None:
        end = time.monotonic() + _START
        while self.running and time.monotonic() < end:
            if any(os.path.getsize(path) for path in self._folder.glob("ring_*.pcapng")):
                return
            time.sleep(0.05)
        raise UsageError(f"dumpcap does not capture: {self.complaint}")
