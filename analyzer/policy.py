"""The timers that decide when a session stalls, expires or ends: named values, by the names administrators know.

A value is for one side of one kind of peer; `Policy` knows the defaults and what the user said otherwise. Sources are
MS-SMB2 with its product behaviour notes, and the published articles on timeouts of SMB in Windows.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from parsers.errors import UsageError

__all__ = ["TIMERS", "Peer", "Policy", "Side", "Timer"]

_CLIENT_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters"
_SERVER_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters"
_LARGEST_FILE = 1 << 20  # bytes of a policy file; a real one has less than a hundred lines


class Side(StrEnum):
    """Whose timer it is."""

    CLIENT = "client"
    SERVER = "server"


class Peer(StrEnum):
    """What kind of software a peer is; the defaults differ."""

    WINDOWS = "windows"
    WINDOWS_7 = "windows_7"  # Vista, 2008, 7 and 2008 R2
    SAMBA = "samba"
    LINUX = "linux"  # the kernel's client and server, cifs and ksmbd
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer.

    Attributes:
        name: the setting's own name where it has one; how a policy file and `Policy.seconds` call it.
        side: whose it is.
        seconds: default of a peer; `inf` is never. `Peer.UNKNOWN` is for all that are not named.
        setting: where an administrator changes it; empty where nobody can.
        meaning: what happens when it runs out.
        spec: where that is written.
    """

    name: str
    side: Side
    seconds: Mapping[Peer, float]
    setting: str
    meaning: str
    spec: str

    def default(self, peer: Peer) -> float:
        """Seconds for this kind of peer."""
        if peer in self.seconds:
            return self.seconds[peer]
        if peer is Peer.WINDOWS_7 and Peer.WINDOWS in self.seconds:
            return self.seconds[Peer.WINDOWS]
        return self.seconds[Peer.UNKNOWN]


def _client(name: str, meaning: str, spec: str, setting: str = "", **seconds: float) -> Timer:
    return Timer(
        name, Side.CLIENT, {Peer[peer.upper()]: value for peer, value in seconds.items()}, setting, meaning, spec
    )


def _server(name: str, meaning: str, spec: str, setting: str = "", **seconds: float) -> Timer:
    return Timer(
        name, Side.SERVER, {Peer[peer.upper()]: value for peer, value in seconds.items()}, setting, meaning, spec
    )


TIMERS: tuple[Timer, ...] = (
    _client(
        "SessTimeout",
        "a request without an answer fails, and the client drops the connection",
        "MS-SMB2 3.2.2.1, 3.2.6.1",
        rf"{_CLIENT_KEY}\SessTimeout (DWORD, seconds); smbclient -t SECONDS; Linux: echo_interval= of the mount",
        unknown=60,
        samba=20,
        linux=180,
    ),
    _client(
        "SessTimeoutScan",
        "how much later than its time the client may notice that a request has run out",
        "CIFS and SMB Timeouts in Windows",
        unknown=30,
        samba=1,
        linux=60,
    ),
    _client(
        "NegotiateTimeout",
        "NEGOTIATE with a continuously available cluster fails over",
        "SMB 2.x and SMB 3.0 Timeouts in Windows",
        rf"{_CLIENT_KEY}\SessTimeout: a sixth of it, 10 s at least",
        unknown=10,
    ),
    _client(
        "ExtendedSessTimeout",
        "the same for a request that was answered STATUS_PENDING",
        "MS-SMB2 3.2.5.1.5",
        rf"{_CLIENT_KEY}\ExtendedSessTimeout (DWORD, seconds); four times SessTimeout where it is not set",
        unknown=240,
        samba=20,
        linux=inf,
    ),
    _client(
        "ServersWithExtendedSessTimeout",
        "SMB1 requests to the servers in this list wait so long",
        "CIFS and SMB Timeouts in Windows",
        rf"{_CLIENT_KEY}\ServersWithExtendedSessTimeout (REG_MULTI_SZ)",
        unknown=1000,
    ),
    _client(
        "OffLineFileTimeoutIntervalInSeconds",
        "a request for a file that is offline fails",
        "CIFS and SMB Timeouts in Windows",
        rf"{_CLIENT_KEY}\OffLineFileTimeoutIntervalInSeconds (DWORD, seconds)",
        unknown=1000,
    ),
    _client(
        "KeepConn",
        "a connection without opens and traffic is closed by the client",
        "MS-SMB2 3.2.2.2, 3.2.6.2",
        rf"{_CLIENT_KEY}\KeepConn (DWORD, seconds); not used by newer clients, which scan every 10 s",
        unknown=10,
        windows_7=600,
        samba=inf,
        linux=inf,
    ),
    _client(
        "NetworkInterfaceInformation",
        "the client asks a multichannel server for its interfaces again",
        "MS-SMB2 3.2.2.3, 3.2.6.3",
        unknown=600,
    ),
    _client(
        "FileUnavailableRetry",
        "a request that failed with SERVER_, FILE_ or SHARE_UNAVAILABLE is sent again",
        "MS-SMB2 3.2.5.1, note 180",
        unknown=5,
    ),
    _client(
        "EchoInterval",
        "a silent connection is asked with ECHO whether it is alive",
        "mount.cifs(8)",
        "Linux: echo_interval= of the mount, 1 to 600 s",
        unknown=inf,
        linux=60,
        samba=20,
    ),
    _client(
        "MaxServiceTicketAge",
        "a Kerberos service ticket ends, and with it every session that was set up with it",
        "MS-KILE 3.3.1, MS-SMB2 3.3.5.5.3",
        r"Group Policy: Computer Configuration\Windows Settings\Security Settings\Account Policies\Kerberos Policy\Maximum lifetime for service ticket (minutes)",  # noqa: E501 - the path as the console shows it
        unknown=36_000,
    ),
    _server(
        "OplockBreakWait",
        "an oplock or lease whose break nobody acknowledges is taken away",
        "MS-SMB2 3.3.2.1, 3.3.2.5",
        rf"{_SERVER_KEY}\OplockBreakWait (DWORD, seconds; documented for srv.sys)",
        unknown=35,
    ),
    _server(
        "PersistentBreakWait",
        "the same for the oplock of a persistent open; a lease waits longer on newer servers",
        "MS-SMB2 3.3.2.1, 3.3.2.5, notes 246 and 247",
        unknown=60,
        windows=180,
    ),
    _server(
        "SessionExpirationScan",
        "how much later than its time an expired session is refused",
        "MS-SMB2 3.3.2.3, 3.3.6.3",
        unknown=45,
        samba=1,
    ),
    _server(
        "UnauthenticatedConnection",
        "a connection without a valid session is dropped",
        "MS-SMB2 3.3.6.3, note 442",
        unknown=45,
        samba=inf,
    ),
    _server(
        "DurableTimeout",
        "the durable open (version 1) of a lost connection is closed",
        "MS-SMB2 3.3.2.2, note 335",
        unknown=120,
        windows_7=960,
    ),
    _server(
        "DurableHandleV2TimeoutInSeconds",
        "the durable open (version 2) of a lost connection is closed, where client and share asked for no time",
        "MS-SMB2 3.3.5.9.10, note 344",
        rf"{_SERVER_KEY}\DurableHandleV2TimeoutInSeconds (DWORD, 300 at most)",
        unknown=180,
        samba=60,
    ),
    _server(
        "ResilientTimeout",
        "the resilient open of a lost connection is closed, where the client asked for no time",
        "MS-SMB2 3.3.5.15.9, note 401",
        rf"{_SERVER_KEY}\ResilientTimeout (DWORD, seconds)",
        unknown=120,
        windows_7=inf,
    ),
    _server(
        "ResilientTimeoutMaximum",
        "a client may not ask for more resiliency",
        "MS-SMB2 3.3.5.15.9",
        rf"{_SERVER_KEY}\ResilientTimeout (DWORD, seconds)",
        unknown=300,
    ),
    _server(
        "CATimeout",
        "persistent handles that nobody reclaims are kept so long",
        "MS-SMB2 3.3.1.6",
        "Set-SmbShare -CATimeout (seconds; 0 leaves it to the server)",
        unknown=0,
    ),
    _server(
        "autodisconnect",
        "a session without opens and requests is ended by the server",
        "MS-CIFS 3.3.6.2",
        rf"{_SERVER_KEY}\autodisconnect (minutes); net config server /autodisconnect; smb.conf: deadtime (minutes)",
        unknown=900,
        samba=10_080 * 60,
        linux=inf,
    ),
    _server(
        "enableforcedlogoff",
        "sessions are ended at once when the logon hours of their user end",
        "CIFS and SMB Timeouts in Windows",
        rf"{_SERVER_KEY}\enableforcedlogoff; Group Policy: Disconnect clients when logon hours expire",
        unknown=0,
    ),
    _server(
        "InterimResponse",
        "a request that takes longer is answered STATUS_PENDING first",
        "MS-SMB2 3.3.4.2, notes 362 and 363",
        unknown=0.0005,
    ),
)
"""Every timer, clients' first. SMB Direct, QUIC and witness timers are not visible in what is decoded here."""

_BY_NAME = {timer.name: timer for timer in TIMERS}


class Policy:
    """What each timer is for a peer: the user's word, else the default of that kind of peer."""

    def __init__(self, overrides: Mapping[str, float] | None = None) -> None:
        """Take timers that the user knows better.

        Args:
            overrides: seconds by timer name, for peers of every kind; `inf` is never.

        Raises:
            UsageError: there is no such timer, or the value is no time.
        """
        self._overrides = dict(overrides or {})
        for name, value in self._overrides.items():
            _check(name, value)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Policy":
        """Read a TOML file: a table `[timers]` with `NAME = seconds`, or `"never"`.

        Raises:
            UsageError: it cannot be read, is no TOML, or names what does not exist.
        """
        try:
            with open(path, "rb") as file:
                text = file.read(_LARGEST_FILE + 1)
            if len(text) > _LARGEST_FILE:
                raise UsageError(f"{os.fspath(path)}: more than {_LARGEST_FILE} bytes are no policy file")
            content = tomllib.loads(text.decode())
        except OSError as error:
            raise UsageError(f"{os.fspath(path)}: {error.strerror or error}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{os.fspath(path)}: no TOML: {error}") from None
        timers = content.pop("timers", {})
        if content or not isinstance(timers, dict):
            raise UsageError(f"{os.fspath(path)}: a policy file has one table, [timers], with NAME = seconds")
        try:
            return cls({name: inf if value == "never" else value for name, value in timers.items()})
        except UsageError as error:
            raise UsageError(f"{os.fspath(path)}: {error}") from None

    def seconds(self, name: str, peer: Peer = Peer.UNKNOWN) -> float:
        """How long the timer `name` is for a peer of this kind; `inf` is never."""
        return self._overrides[name] if name in self._overrides else _BY_NAME[name].default(peer)

    @staticmethod
    def side(name: str) -> Side:
        """Whose timer it is."""
        return _BY_NAME[name].side

    @staticmethod
    def setting(name: str) -> str:
        """Where an administrator changes the timer; empty where nobody can."""
        return _BY_NAME[name].setting

    def describe(self, name: str, peer: Peer = Peer.UNKNOWN) -> str:
        """The timer in words, such as `SessTimeout 60 s`, and who said so."""
        seconds = self.seconds(name, peer)
        value = "never" if seconds == inf else f"{seconds:g} s"
        return f"{name} {value}" + (", as the policy says" if name in self._overrides else "")


def _check(name: str, value: object) -> None:
    if name not in _BY_NAME:
        raise UsageError(f"there is no timer {name!r}; the timers are {', '.join(sorted(_BY_NAME))}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= inf:
        raise UsageError(f'{name} = {value!r} is no time: give seconds, or "never"')
