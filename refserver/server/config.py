"""What an administrator decides: names, accounts, what is offered and demanded, and how long things live."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from parsers.gss.kerberos.opening import ServiceKey
from parsers.gss.ntlm.crypto import nt_owf_v1
from parsers.secret import Secret
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.network_interface import NetworkInterface
from parsers.smb2.transform import CompressionAlgorithm
from parsers.times import NANOSECONDS

__all__ = ["ServerConfig", "UserAccount"]

_MINUTE = 60 * NANOSECONDS


@dataclass(slots=True)
class UserAccount(Secret):
    """One account: its secret, and why it may not log on. Times in nanoseconds, None is never.

    `bad_passwords` counts up to the server's lockout threshold and goes back to zero with every good logon.
    """

    user: str
    password: str | None = field(default=None, repr=False)
    nt_hash: bytes = field(default=b"", repr=False)
    domain: str = ""
    groups: tuple[str, ...] = ()
    logon_hours_end: int | None = None
    disabled: bool = False
    locked_out: bool = False
    expires: int | None = None
    password_expires: int | None = None
    must_change_password: bool = False
    workstations: tuple[str, ...] = ()
    bad_passwords: int = 0

    def __post_init__(self) -> None:
        if self.password is not None:
            self.nt_hash = nt_owf_v1(password=self.password)


@dataclass(slots=True)
class ServerConfig:
    """All settings of a server. Times in nanoseconds unless said otherwise.

    `users` is by (domain, user) in lower case; the domain of an account of the server itself is "". `ciphers`,
    `signing_algorithms` and `compression` are in the order of the server's preference, and empty to offer none.
    """

    name: str = "REFSERVER"
    domain: str = "WORKGROUP"
    dns_domain: str = ""
    server_guid: bytes = b"sessionscope-ref"
    start_time: int = 0

    dialects: tuple[int, ...] = (
        Dialect.SMB_2_0_2,
        Dialect.SMB_2_1,
        Dialect.SMB_3_0,
        Dialect.SMB_3_0_2,
        Dialect.SMB_3_1_1,
    )
    ciphers: tuple[int, ...] = (Cipher.AES_128_GCM, Cipher.AES_128_CCM, Cipher.AES_256_GCM, Cipher.AES_256_CCM)
    signing_algorithms: tuple[int, ...] = (
        SigningAlgorithm.AES_GMAC,
        SigningAlgorithm.AES_CMAC,
        SigningAlgorithm.HMAC_SHA256,
    )
    compression: tuple[int, ...] = (
        CompressionAlgorithm.LZ77,
        CompressionAlgorithm.LZ77_HUFFMAN,
        CompressionAlgorithm.LZNT1,
        CompressionAlgorithm.PATTERN_V1,
        CompressionAlgorithm.LZ4,
    )
    compress_all: bool = False  # every response that gets shorter, not only the READ that was asked for compressed
    multichannel: bool = True
    leasing: bool = True
    notifications: bool = True  # SERVER_TO_CLIENT_NOTIFICATION
    require_message_signing: bool = False
    encrypt_data: bool = False
    reject_unencrypted_access: bool = True
    max_transact_size: int = 8 << 20
    max_read_size: int = 8 << 20
    max_write_size: int = 8 << 20
    max_credits: int = 8192  # of one connection (Smb2CreditsMax of Windows Server)
    max_channels: int = 32  # of one session, as Windows and Samba have it
    max_async: int = 512  # requests of one connection that wait at once (MS-SMB2 3.3.4.2 <242>)
    network_interfaces: tuple[NetworkInterface, ...] = ()  # the answer to FSCTL_QUERY_NETWORK_INTERFACE_INFO

    users: dict[tuple[str, str], UserAccount] = field(default_factory=dict)
    keytab: tuple[ServiceKey, ...] = ()
    guest: bool = False  # whoever is not known is a guest
    anonymous: bool = False
    anonymous_shares: tuple[str, ...] = ("ipc$",)
    lockout_threshold: int = 0  # bad passwords after which an account is locked; 0 never locks
    max_clock_skew: int = 5 * _MINUTE  # of a Kerberos client
    session_lifetime: int | None = None  # of sessions whose authentication knows no end (NTLM); None is for ever
    force_logoff: bool = True  # end sessions with the account's logon hours

    expiration_scan: int = 45 * NANOSECONDS  # Session Expiration Timer, 3.3.2.3
    unauthenticated_timeout: int | None = 45 * NANOSECONDS  # 3.3.6.3; None never drops them
    idle_timeout: int | None = 15 * _MINUTE  # `autodisconnect` of Windows; None never
    interim_after: int = 0  # how long a request may wait before STATUS_PENDING is sent
    oplock_break_timeout: int = 35 * NANOSECONDS  # 3.3.2.1, 3.3.2.5
    persistent_break_timeout: int = 60 * NANOSECONDS  # 3.3.2.1
    persistent_lease_break_timeout: int = 180 * NANOSECONDS  # 3.3.2.5
    durable_v1_timeout: int = 120_000  # 3.3.2.2, ms
    durable_v2_timeout: int = 180_000  # 3.3.2.2, ms, where the client names none
    max_durable_timeout: int = 300_000  # 3.3.2.2, ms
    resilient_timeout: int = 120_000  # 3.3.2.4, ms, where the client names none
    max_resilient_timeout: int = 300_000  # 3.3.2.4, ms

    def add_user(self, account: UserAccount) -> None:
        """Enter an account."""
        self.users[account.domain.lower(), account.user.lower()] = account

    def accounts(self, domain: str, user: str) -> Iterator[UserAccount]:
        """The accounts that a name may mean: of that domain first, then the server's own, as Windows looks them up."""
        for place in dict.fromkeys((domain, "", self.domain, self.name)):
            account = self.users.get((place.lower(), user.lower()))
            if account is not None:
                yield account
