"""The other end of one connection, which a test plays by hand: it reads what the client sent and says what it likes."""

from random import Random

from parsers.ntstatus import STATUS_SUCCESS
from parsers.smb2.access import AccessMask
from parsers.smb2.crypto import Cipher, Decryptor, Signer, SigningAlgorithm, derive_keys, encrypt
from parsers.smb2.dialects import Dialect
from parsers.smb2.error import ErrorResponse
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command, Flags, HeaderFixed, build_header, parse_header
from parsers.smb2.negotiate import GlobalCapabilities
from parsers.smb2.simple import SimpleBody
from parsers.smb2.tree import ShareCapabilities, ShareFlags, ShareType, TreeConnectResponse
from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.state import Channel, Open, Session, TreeConnect
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.timers import Timers

START = 1_790_000_000 * 10**9
SESSION_ID, TREE_ID = 0x4000_0001, 5
FILE_ID = FileId(0x11, 0x22)
KEY = bytes(range(16))


class Peer:
    """A client whose connection has been negotiated and whose session, tree and open exist, without a word about it.

    `units` is what the client has sent, without the transport's four bytes; None where it closed the connection.
    """

    def __init__(
        self,
        config: ClientConfig | None = None,
        *,
        dialect: Dialect = Dialect.SMB_3_1_1,
        cipher: Cipher = Cipher.AES_128_GCM,
        algorithm: SigningAlgorithm = SigningAlgorithm.AES_GMAC,
        credits_: int = 20,
        signing_required: bool = False,
        encrypt_data: bool = False,
        pipe: bool = False,
    ) -> None:
        self.timers = Timers(START)
        self.client = client = Client(config or ClientConfig(), random=Random(1).randbytes, timers=self.timers)
        self.units: list[bytes | None] = []
        client.dialect, client.credits, client.next_message_id = dialect, credits_, 5
        client.server_capabilities = GlobalCapabilities.LARGE_MTU
        client.max_read_size = client.max_write_size = 1 << 20
        self.cipher = cipher
        self.keys = derive_keys(dialect=Dialect.SMB_3_1_1, session_key=KEY * 2, preauth_hash=bytes(64), cipher=cipher)
        assert self.keys.client_to_server is not None
        assert self.keys.server_to_client is not None
        self.signer = Signer(algorithm=algorithm, key=self.keys.signing)
        self._decryptor = Decryptor(cipher=cipher, key=self.keys.client_to_server)
        self.session = Session(
            SESSION_ID,
            NtlmCredential("alice", "CORPUS", "secret"),
            keys=self.keys,
            cipher=cipher,
            signing_required=signing_required,
            encrypt_data=encrypt_data,
            decryptor=Decryptor(cipher=cipher, key=self.keys.server_to_client),
        )
        self.session.channels[client] = Channel(client, self.signer, self.signer)
        client.sessions[SESSION_ID] = self.session
        kind = ShareType.PIPE if pipe else ShareType.DISK
        response = TreeConnectResponse(kind, ShareFlags(0), ShareCapabilities(0), AccessMask(0))
        self.tree = TreeConnect(TREE_ID, self.session, "share", response)
        self.open = Open(FILE_ID, self.tree, "a.txt")
        self.session.open_table[FILE_ID] = self.open

    def take(self) -> list[bytes | None]:
        """What the client has sent since the last time, decrypted; also appended to `units` as it was."""
        taken: list[bytes | None] = []
        while self.client.outgoing:
            data = self.client.outgoing.popleft()
            unit = data if data is None else data[4:]
            assert data is None or int.from_bytes(data[:4], "big") == len(data) - 4
            self.units.append(unit)
            if unit is not None and unit[:4] == b"\xfdSMB":
                unit = self._decryptor.decrypt(memoryview(unit))
            taken.append(unit)
        return taken

    def messages(self) -> list[bytes]:
        """The messages that the client has sent since the last time, compounds taken apart."""
        found: list[bytes] = []
        for unit in self.take():
            rest = unit or b""
            while rest:
                step = parse_header(rest).next_command or len(rest)
                found.append(rest[:step])
                rest = rest[step:]
        return found

    def headers(self) -> list[HeaderFixed]:
        """Their headers."""
        return [parse_header(message) for message in self.messages()]

    def answer(
        self,
        message_id: int,
        command: Command = Command.ECHO,
        body: bytes | None = None,
        *,
        status: int = STATUS_SUCCESS,
        credits_: int = 1,
        async_id: int = 0,
        signed: bool = False,
        sealed: bool = False,
    ) -> None:
        """Say something to the client."""
        self.say(
            self.message(message_id, command, body, status=status, credits_=credits_, async_id=async_id, signed=signed),
            sealed=sealed,
        )

    def message(
        self,
        message_id: int,
        command: Command,
        body: bytes | None = None,
        *,
        status: int = STATUS_SUCCESS,
        credits_: int = 1,
        async_id: int = 0,
        signed: bool = False,
    ) -> bytes:
        """One response."""
        if body is None:
            body = SimpleBody().build() if status == STATUS_SUCCESS else ErrorResponse().build()
        flags = Flags.SERVER_TO_REDIR | (Flags.ASYNC_COMMAND if async_id else 0) | (Flags.SIGNED if signed else 0)
        message = build_header(
            command,
            message_id,
            status=status,
            credits_=credits_,
            flags=flags,
            async_id=async_id,
            session_id=SESSION_ID,
            tree_id=TREE_ID,
        )
        message += body
        return message[:48] + self.signer.tag(message) + message[64:] if signed else message

    def say(self, unit: bytes, *, sealed: bool = False) -> None:
        """Bytes of one transport message."""
        if sealed:
            assert self.keys.server_to_client is not None
            nonce = bytes(12 if self.cipher in (Cipher.AES_128_GCM, Cipher.AES_256_GCM) else 11)
            unit = encrypt(
                cipher=self.cipher,
                key=self.keys.server_to_client,
                nonce=nonce,
                session_id=SESSION_ID,
                plaintext=unit,
            )
        self.client.received(len(unit).to_bytes(4, "big") + unit, self.timers.now)

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.timers.fire(self.timers.now + round(seconds * 10**9))
