"""How a client is set up (MS-SMB2 3.2.1.1), with the timers of 3.2.2 in nanoseconds."""

from dataclasses import dataclass

from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.transform import CompressionAlgorithm
from parsers.times import NANOSECONDS

__all__ = ["ALL_DIALECTS", "ClientConfig"]

ALL_DIALECTS = (Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2, Dialect.SMB_3_1_1)

_EXTENDED = 4  # times SessTimeout, where nothing else is configured (3.2.5.1.5, note 184)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """One client machine.

    `server_name` goes into share paths and NETNAME. `credits` is how many the client tries to hold.
    `session_timeout` (3.2.2.1, SessTimeout) is how long a request may take, `extended_session_timeout` how long after
    an interim response; what is late is found at multiples of `expiration_scan` after the connection began, at once
    if that is 0. `encrypt` encrypts where the server does not ask for it. `reauthenticate` does so, and retries, when
    a session has expired (3.2.5.1.6). `acknowledge_breaks` answers oplock and lease breaks. `drop_on_bad_signature`
    ends the connection on a response whose signature is wrong or missing (3.2.5.1.3), which otherwise is not believed
    and not answered. `compress_above` is the size of a message in bytes from which on it is worth compressing
    (note 101).
    """

    client_guid: bytes = b"a client's GUID."
    server_name: str = "server"
    dialects: tuple[Dialect, ...] = ALL_DIALECTS
    require_signing: bool = False
    ciphers: tuple[Cipher, ...] = (Cipher.AES_128_GCM, Cipher.AES_128_CCM, Cipher.AES_256_GCM, Cipher.AES_256_CCM)
    signing_algorithms: tuple[SigningAlgorithm, ...] = (
        SigningAlgorithm.AES_GMAC,
        SigningAlgorithm.AES_CMAC,
        SigningAlgorithm.HMAC_SHA256,
    )
    compression_algorithms: tuple[CompressionAlgorithm, ...] = ()
    chained_compression: bool = False
    encrypt: bool = False
    reject_guest: bool = False
    credits: int = 128
    session_timeout: int = 60 * NANOSECONDS
    extended_session_timeout: int | None = None
    expiration_scan: int = 0
    reauthenticate: bool = True
    acknowledge_breaks: bool = True
    drop_on_bad_signature: bool = True
    compress_above: int = 4096

    @property
    def security_mode(self) -> SecurityMode:
        """SecurityMode of NEGOTIATE and SESSION_SETUP (3.2.4.2.2.2, 3.2.4.2.3)."""
        return SecurityMode.SIGNING_REQUIRED if self.require_signing else SecurityMode.SIGNING_ENABLED

    @property
    def capabilities(self) -> GlobalCapabilities:
        """Capabilities of NEGOTIATE: none before 3.0 (3.2.4.2.2.2)."""
        if max(self.dialects, default=0) < Dialect.SMB_3_0:
            return GlobalCapabilities(0)
        return (
            GlobalCapabilities.DFS
            | GlobalCapabilities.LEASING
            | GlobalCapabilities.LARGE_MTU
            | GlobalCapabilities.MULTI_CHANNEL
            | GlobalCapabilities.PERSISTENT_HANDLES
            | GlobalCapabilities.DIRECTORY_LEASING
            | GlobalCapabilities.ENCRYPTION
        )

    @property
    def extended_timeout(self) -> int:
        """How long a request may take after its interim response."""
        if self.extended_session_timeout is not None:
            return self.extended_session_timeout
        return _EXTENDED * self.session_timeout
