"""A Samba server and its clients in two network namespaces, with a capture on the wire between them.

Owns: the namespaces, the veth pair with every offload off (so that packets in the file are packets of MTU size),
`smbd` on a throw-away configuration, `dumpcap`, and the session keys that `smbclient` prints.
Everything is removed again when the `with` block ends.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PASSWORD", "USER", "Lab", "require_lab"]

USER = "alice"
PASSWORD = "Passw0rd!"
_UNIX_ACCOUNT = "daemon"  # exists everywhere; the username map makes it `alice` on the wire
_SERVER, _CLIENT = "10.77.0.1", "10.77.0.2"
_PROGRAMS = {
    "ip": "iproute2",
    "ethtool": "ethtool",
    "smbd": "samba",
    "smbpasswd": "samba-common-bin",
    "smbclient": "smbclient",
    "dumpcap": "tshark",
    "tshark": "tshark",
}
_CONFIGURATION = """\
[global]
workgroup = CORPUS
netbios name = SMBSRV
server role = standalone server
username map = {root}/users.map
private dir = {root}/private
state directory = {root}/state
cache directory = {root}/state
lock directory = {root}/state
pid directory = {root}/state
ncalrpc dir = {root}/state/ncalrpc
logging = file
log file = {root}/smbd.log
log level = 0
max log size = 0
load printers = no
printcap name = /dev/null
disable spoolss = yes
smb ports = 445
server min protocol = SMB3_11
client min protocol = SMB3_11
map archive = no
store dos attributes = no
smb2 max read = 1048576
smb2 max write = 1048576
[share]
path = {root}/share
read only = no
"""


def require_lab() -> None:
    """End with one sentence where the lab cannot run."""
    if not sys.platform.startswith("linux"):
        sys.exit("The benchmark captures are made with Linux network namespaces: run this on Linux.")
    if os.geteuid() != 0:
        sys.exit("Making network namespaces needs root: run `sudo .venv/bin/python benchmarks/make_captures.py`.")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in _PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        sys.exit(f"Programs are missing: run `apt-get install {' '.join(missing)}`.")


class Lab:
    """The running network and server; use as a context manager."""

    def __init__(self) -> None:
        self._tag = f"scope{os.getpid()}"
        self._server_ns, self._client_ns = f"{self._tag}s", f"{self._tag}c"
        self._interface = "veth1"
        memory = Path("/dev/shm")  # a share in memory: the load is bound by the protocol, not by the disk
        self.root = Path(tempfile.mkdtemp(prefix="sessionscope-", dir=memory if memory.is_dir() else None))
        self.share = self.root / "share"
        self._smbd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._make_network()
            self._start_server()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server, delete the namespaces (and with them the veth pair) and the share."""
        if self._smbd is not None:
            os.killpg(self._smbd.pid, signal.SIGTERM)
            self._smbd.wait(timeout=20)
        for namespace in (self._server_ns, self._client_ns):
            subprocess.run(["ip", "netns", "del", namespace], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.root, ignore_errors=True)

    def _make_network(self) -> None:
        server, client = self._server_ns, self._client_ns
        _run("ip", "netns", "add", server)
        _run("ip", "netns", "add", client)
        _run(*f"ip link add veth0 netns {server} type veth peer name {self._interface} netns {client}".split())
        for namespace, device, address in ((server, "veth0", _SERVER), (client, self._interface, _CLIENT)):
            _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", device)
            _run("ip", "-n", namespace, "link", "set", "lo", "up")
            _run("ip", "-n", namespace, "link", "set", device, "up", "mtu", "1500")
            _run(*f"ip netns exec {namespace} ethtool -K {device} tso off gso off gro off tx off".split())
        # The speed of gigabit Ethernet: a bulk transfer at the speed of memory outruns the capture.
        _run(*f"ip netns exec {server} tc qdisc add dev veth0 root tbf rate 940mbit burst 256k latency 400ms".split())

    def _start_server(self) -> None:
        for folder in ("share", "private", "state"):
            (self.root / folder).mkdir()
        self.root.chmod(0o755)
        self.share.chmod(0o777)
        self.configuration = self.root / "smb.conf"
        self.configuration.write_text(_CONFIGURATION.format(root=self.root))
        (self.root / "users.map").write_text(f"{_UNIX_ACCOUNT} = {USER}\n")
        _run("smbpasswd", "-c", str(self.configuration), "-s", "-a", _UNIX_ACCOUNT, stdin=f"{PASSWORD}\n{PASSWORD}\n")
        # smbd signals its whole process group when it ends: it gets a session of its own.
        self._smbd = subprocess.Popen(
            [*self._inside(self._server_ns), "smbd", "-F", "--no-process-group", "-s", str(self.configuration)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while b":445" not in self._listening():
            if self._smbd.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("smbd did not start: " + (self.root / "smbd.log").read_text(errors="replace"))
            time.sleep(0.1)

    def _listening(self) -> bytes:
        return subprocess.run([*self._inside(self._server_ns), "ss", "-Hltn"], capture_output=True, check=True).stdout

    @staticmethod
    def _inside(namespace: str) -> list[str]:
        return ["ip", "netns", "exec", namespace]

    def client_command(self, *options: str) -> list[str]:
        """The smbclient command line; it reads its script from standard input."""
        return (
            ["smbclient", "-s", str(self.configuration), f"//{_SERVER}/share", "-U", f"{USER}%{PASSWORD}"]
            + ["-m", "SMB3_11", "--option=debugencryption=yes"]
            + [f"--option={option}" for option in options]
        )

    def clients(self, scripts: list[str], *options: str) -> list[dict[str, str]]:
        """Run one smbclient for each script, all at once; returns the keys of every session they made."""
        outputs = [self.root / f"client{number}.out" for number in range(len(scripts))]
        command = [*self._inside(self._client_ns), *self.client_command(*options)]
        running = []
        for script, output in zip(scripts, outputs, strict=True):
            source = output.with_suffix(".script")
            source.write_text(script)
            with source.open("rb") as stdin, output.open("wb") as stdout:
                running.append(subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stdout, cwd=self.root))
        for process, output in zip(running, outputs, strict=True):
            if process.wait() != 0:
                raise RuntimeError("smbclient failed: " + output.read_text(errors="replace")[-2000:])
        return [keys for output in outputs for keys in _session_keys(output.read_text(errors="replace"))]

    @contextmanager
    def capture(self, path: Path) -> Iterator[list[str]]:
        """Capture the client's side into `path`; the yielded list holds dumpcap's statistics afterwards.

        Raises:
            RuntimeError: the kernel dropped packets; such a capture measures something else.
        """
        statistics: list[str] = []
        command = [
            "dumpcap",
            "-q",
            "-i",
            self._interface,
            "-s",
            "0",
            "-B",
            "512",
            "-f",
            "tcp port 445",
            "-w",
            str(path),
        ]
        process = subprocess.Popen(
            [*self._inside(self._client_ns), *command],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            while "File:" not in (line := process.stderr.readline()):
                if not line:
                    raise RuntimeError("dumpcap did not start")
            yield statistics
            time.sleep(1)  # the last packets are still on their way to the file
        finally:
            process.send_signal(signal.SIGINT)
            statistics += process.communicate()[1].split("\n")
        lost = re.search(r"received/dropped on interface '[^']*': \d+/(\d+)", "\n".join(statistics))
        if lost is None or lost[1] != "0":
            raise RuntimeError(f"dumpcap lost packets: {statistics}")


def _run(*command: str, stdin: str | None = None) -> None:
    subprocess.run(command, check=True, input=stdin, text=True, stdout=subprocess.DEVNULL)


def _session_keys(output: str) -> list[dict[str, str]]:
    """The keys in Samba's `debug encryption` output; a label, an offset in brackets, 16 bytes and their text a line."""
    sessions: list[dict[str, str]] = []
    label = ""
    for line in output.splitlines():
        match = re.match(
            r"(Session Id|Session Key|Signing Key|App Key|ServerIn Key|ServerOut Key)?\s+\[\w{4}\] (.*)", line
        )
        if match is None:
            continue
        label = match[1] or label
        digits = "".join(re.findall(r"\b[0-9A-F]{2}\b", match[2][:50])).lower()
        if match[1] == "Session Id":
            sessions.append({})
        name = label.lower().replace(" ", "_").replace("serverin", "server_in").replace("serverout", "server_out")
        sessions[-1][name] = sessions[-1].get(name, "") + digits
    for session in sessions:
        session["session_id"] = f"0x{int.from_bytes(bytes.fromhex(session['session_id']), 'little'):016x}"
    return sessions
