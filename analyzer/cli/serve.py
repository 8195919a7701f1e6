"""`sessionscope serve`: a real SMB server for tests and demonstrations, with a capture of its own connections."""

import argparse
import asyncio
import os
import signal
import sys
import time
from argparse import Namespace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from parsers.errors import UsageError

if TYPE_CHECKING:
    from parsers.smb2.network_interface import NetworkInterface
    from refserver.server.config import ServerConfig
    from refserver.server.server import Server
    from refserver.server.state import Share

__all__ = ["EPILOG", "add", "run"]

EPILOG = """\
A share is a folder on disk; nothing outside of it can be reached. A share without a folder is kept in memory and gone
at the end. The server listens on this machine alone unless --allow-remote is given: its users' passwords are for tests.
Ctrl-C ends it; the trace is complete then. The session keys lie beside the trace, for nobody but you to read.

examples:
  sessionscope serve --share files=/tmp/files --user alice:Passw0rd!
  sessionscope serve --share memory --user alice:Passw0rd! --encrypt --trace out.pcapng
  smbclient -p 4455 //127.0.0.1/files -U 'alice%Passw0rd!' -c ls
  sessionscope sessions out.pcapng --keys out.keys.toml
"""

_DIALECTS = {"2.0.2": 0x0202, "2.1": 0x0210, "3.0": 0x0300, "3.0.2": 0x0302, "3.1.1": 0x0311}
_CIPHERS = {"aes-128-ccm": 1, "aes-128-gcm": 2, "aes-256-ccm": 3, "aes-256-gcm": 4}
_NANOSECONDS = 1_000_000_000
_LINK_SPEED = 1_000_000_000  # bits per second, of an interface that nobody has measured


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=_port, default=4455, help="0 chooses one (default: 4455)")
    parser.add_argument(
        "--allow-remote", action="store_true", help="listen on an address that other machines can reach"
    )
    parser.add_argument(
        "--share", metavar="NAME[=DIR]", action="append", default=[], help="offer a folder; may be repeated"
    )
    parser.add_argument(
        "--user", metavar="[DOMAIN\\]USER:PASSWORD", action="append", default=[],
        help="let a user log on; others on this machine can see the password, so make one up; may be repeated",
    )  # fmt: skip
    parser.add_argument("--keytab", metavar="FILE", action="append", default=[], help="a service's keys for Kerberos")
    parser.add_argument("--guest", action="store_true", help="whoever is not known is a guest")
    parser.add_argument("--anonymous", action="store_true", help="let clients in that give no name, to IPC$ alone")
    parser.add_argument("--sign", action="store_true", help="demand signatures")
    parser.add_argument("--encrypt", action="store_true", help="demand encryption")
    parser.add_argument("--expire", metavar="SECONDS", type=_seconds, help="sessions end after this time")
    parser.add_argument(
        "--scan", metavar="SECONDS", type=_seconds, default=45 * _NANOSECONDS,
        help="how often sessions are looked at for their end (default: 45, as Windows does)",
    )  # fmt: skip
    parser.add_argument("--min-dialect", choices=_DIALECTS, default="2.0.2", help="the oldest (default: 2.0.2)")
    parser.add_argument("--max-dialect", choices=_DIALECTS, default="3.1.1", help="the newest (default: 3.1.1)")
    parser.add_argument(
        "--cipher", choices=_CIPHERS, action="append", help="what to encrypt with, in this order; may be repeated"
    )
    parser.add_argument("--trace", metavar="FILE", help="write a capture here, and the session keys beside it")
    parser.set_defaults(run=run)


def run(options: Namespace) -> bool:
    """Serve until Ctrl-C or SIGTERM; always returns False, since there is nothing to complain about.

    Raises:
        UsageError: a share, user or keytab makes no sense, the address is not of this machine, or a file cannot be
            written.
    """
    _check_address(options.host, allowed=options.allow_remote)
    server = _server(options)
    asyncio.run(_serve(server, options))
    return False


async def _serve(server: "Server", options: Namespace) -> None:
    from refserver.serve.listener import Listener
    from refserver.serve.trace import Trace

    trace = None if options.trace is None else Trace(Path(options.trace))
    listener = Listener(server, trace)
    try:
        where = await listener.start(options.host, options.port)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, listener.stopped.set)
        sys.stdout.write(f"listening on {where}\n")
        sys.stdout.flush()
        await listener.stopped.wait()
    finally:
        await listener.stop()
    if listener.failure is not None:
        raise UsageError(f"{options.trace} cannot be written: {listener.failure.strerror}")


def _server(options: Namespace) -> "Server":
    from refserver.server.server import Server

    if not options.share:
        raise UsageError("there is nothing to serve: give --share NAME=DIR")
    if not (options.user or options.keytab or options.guest):
        raise UsageError("nobody could log on: give --user USER:PASSWORD, --keytab or --guest")
    server = Server(_config(options), random=os.urandom)
    for text in options.share:
        share = _share(text)
        if share.name.lower() in server.shares:
            raise UsageError(f"--share: there are two shares named {share.name}")
        server.shares[share.name.lower()] = share
    return server


def _config(options: Namespace) -> "ServerConfig":
    from parsers.keys.keytab import load
    from refserver.server.config import ServerConfig, UserAccount

    lowest, highest = _DIALECTS[options.min_dialect], _DIALECTS[options.max_dialect]
    if lowest > highest:
        raise UsageError(f"no dialect is between {options.min_dialect} and {options.max_dialect}")
    config = ServerConfig(
        server_guid=os.urandom(16),
        dialects=tuple(dialect for dialect in _DIALECTS.values() if lowest <= dialect <= highest),
        keytab=tuple(key for path in options.keytab for key in load(path)),
        guest=options.guest,
        anonymous=options.anonymous,
        require_message_signing=options.sign,
        encrypt_data=options.encrypt,
        session_lifetime=options.expire,
        expiration_scan=options.scan,
        network_interfaces=_interfaces(options.host),
    )
    if options.cipher:
        config.ciphers = tuple(_CIPHERS[name] for name in options.cipher)
    for text in options.user:
        name, colon, password = text.partition(":")
        domain, backslash, user = name.rpartition("\\")
        if not colon or not user:
            raise UsageError("--user: write USER:PASSWORD or DOMAIN\\USER:PASSWORD")
        config.add_user(UserAccount(user, password, domain=domain if backslash else ""))
    return config


def _interfaces(host: str) -> "tuple[NetworkInterface, ...]":
    """The one address that clients may use for further channels; none where it is all of the machine's."""
    from parsers.smb2.network_interface import InterfaceCapabilities, NetworkInterface, socket_address

    address = ip_address(host)
    if address.is_unspecified:
        return ()
    return (NetworkInterface(1, InterfaceCapabilities(0), _LINK_SPEED, socket_address(address)),)


def _share(text: str) -> "Share":
    from refserver.server.state import Share
    from refserver.store.folder import FolderStore
    from refserver.store.memory import MemoryStore

    name, equals, folder = text.partition("=")
    if not name or any(character in '\\/:*?"<>|' for character in name):
        raise UsageError(f"--share: {name!r} is no name for a share")
    if not equals:
        return Share(name, MemoryStore(now=time.time_ns(), label=name))
    if not os.path.isdir(folder):
        raise UsageError(f"--share: {folder} is not a folder")
    return Share(name, FolderStore(folder))


def _check_address(host: str, *, allowed: bool) -> None:
    try:
        address = ip_address(host)
    except ValueError:
        raise UsageError(f"--host: {host!r} is no IP address") from None
    if not address.is_loopback and not allowed:
        raise UsageError(f"other machines can reach {host}: say --allow-remote if they are to")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _seconds(text: str) -> int:
    """Nanoseconds from seconds, which may have a fraction."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return int(seconds * _NANOSECONDS)
