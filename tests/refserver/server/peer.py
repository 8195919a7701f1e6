"""A client of the least kind, for tests: it writes one request at a time by hand and shows what came back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from parsers import ntstatus
from parsers.smb2.body import align8
from parsers.smb2.compression import decompress
from parsers.smb2.crypto import (
    PREAUTH_START,
    Decryptor,
    SessionKeys,
    Signer,
    SigningAlgorithm,
    derive_keys,
    encrypt,
    preauth_hash,
)
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags, HeaderFixed, build_header, parse_header
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from parsers.smb2.negotiate_contexts import (
    EncryptionCapabilities,
    HashAlgorithm,
    NegotiateContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from parsers.smb2.session_setup import SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from parsers.smb2.simple import SimpleBody
from parsers.smb2.tree import TreeConnectFlags, TreeConnectRequest
from refserver.gss.initiator import Credential, Initiator
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.server.config import ServerConfig, UserAccount
from refserver.server.server import Server
from refserver.timers import Timers

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
PASSWORD = "correct horse"  # of a test's account
ALICE = NtlmCredential("alice", "", PASSWORD)
CLIENT_GUID = b"the client's id."
_LONGEST = 16 << 20  # of an answer that came compressed


class Counter:
    """A source of bytes: those of one number never come twice, and are the same in every run."""

    def __init__(self, number: int = 0) -> None:
        self._count = number << 32

    def __call__(self, size: int) -> bytes:
        """So many bytes."""
        self._count += 1
        return self._count.to_bytes(8, "little").ljust(size, b"\x5a")[:size]


def server_with(**settings: object) -> Server:
    """A server of one user, alice, with these settings."""
    config = ServerConfig(unauthenticated_timeout=None)
    config.add_user(UserAccount("alice", PASSWORD))
    for name, value in settings.items():
        assert hasattr(config, name), name
        setattr(config, name, value)
    return Server(config, random=Counter(), timers=Timers())


@dataclass
class Answer:
    """One response, and how it came."""

    header: HeaderFixed
    message: bytes
    encrypted: bool = False

    @property
    def status(self) -> int:
        """Its NTSTATUS."""
        return self.header.status


@dataclass
class Peer:
    """One connection to `server`. `now` is the time of what it sends; `keys` are those of its last logon."""

    server: Server
    number: int = 1
    now: int = START
    message_id: int = 0
    session_id: int = 0
    tree_id: int = 0
    dialect: int = 0
    cipher: int = 0
    signing_algorithm: int = SigningAlgorithm.AES_CMAC
    connection_hash: bytes = PREAUTH_START
    session_hash: bytes = PREAUTH_START
    keys: SessionKeys | None = None
    signer: Signer | None = None
    sign: bool = True
    encrypt: bool = False
    nonces: int = 0
    closed: bool = False
    random: Counter = field(init=False)

    def __post_init__(self) -> None:
        self.random = Counter(self.number)
        self.server.connected(self.number, self.now, "peer")

    # ------------------------------------------------------------------------------------ messages

    def request(self, command: int, body: bytes, *, flags: int = 0, **header: int) -> bytes:
        """One request with the next MessageId, signed if there is a key and `sign`."""
        fields = {"session_id": self.session_id, "tree_id": self.tree_id, "credits_": 16, "credit_charge": 1} | header
        message_id = fields.pop("message_id", self.message_id)
        if command != Command.CANCEL:
            self.message_id = message_id + 1
        return build_header(command, message_id, flags=flags, **fields) + body

    def signed(self, message: bytes, signer: Signer | None = None) -> bytes:
        """The message with a signature."""
        signer = signer or self.signer
        assert signer is not None
        flags = (int.from_bytes(message[16:20], "little") | Flags.SIGNED).to_bytes(4, "little")
        message = message[:16] + flags + message[20:]
        return message[:48] + signer.tag(message) + message[64:]

    def put(self, message: bytes) -> None:
        """Hand bytes to the server as they are, in their frame."""
        self.server.received(self.number, len(message).to_bytes(4, "big") + message, self.now)

    def take(self) -> list[Answer]:
        """What the server has sent on this connection since the last time."""
        answers: list[Answer] = []
        others = []
        while self.server.outgoing:
            number, data = self.server.outgoing.popleft()
            if number != self.number:
                others.append((number, data))
            elif data is None:
                self.closed = True
            else:
                assert int.from_bytes(data[:4], "big") == len(data) - 4
                answers += self._open(data[4:])
        self.server.outgoing.extend(others)
        return answers

    def _open(self, message: bytes) -> list[Answer]:
        encrypted = message[:4] == b"\xfdSMB"
        if encrypted:
            assert self.keys is not None
            assert self.keys.server_to_client is not None
            message = Decryptor(cipher=self.cipher, key=self.keys.server_to_client).decrypt(memoryview(message))
        if message[:4] == b"\xfcSMB":
            message = decompress(memoryview(message), limit=_LONGEST)
        answers = []
        while message:
            header = parse_header(message)
            end = header.next_command or len(message)
            answers.append(Answer(header, message[:end], encrypted))
            message = message[end:]
        return answers

    def send(self, message: bytes) -> list[Answer]:
        """Sign or encrypt as this peer does, send, and take what comes."""
        if self.encrypt:
            assert self.keys is not None
            assert self.keys.client_to_server is not None
            self.nonces += 1
            size = 11 if self.cipher in (1, 3) else 12
            message = encrypt(
                cipher=self.cipher,
                key=self.keys.client_to_server,
                nonce=self.nonces.to_bytes(size, "little"),
                session_id=self.session_id,
                plaintext=message,
            )
        elif self.sign and self.signer is not None:
            message = self.signed(message)
        self.put(message)
        return self.take()

    def ask(self, command: int, body: bytes, **header: int) -> Answer:
        """Send one request that has one answer."""
        answers = self.send(self.request(command, body, **header))
        assert len(answers) == 1, answers
        return answers[0]

    def compound(self, *parts: tuple[int, bytes], related: bool = True, **header: int) -> list[Answer]:
        """Send requests in one message; with `related` all but the first are."""
        messages = []
        for place, (command, body) in enumerate(parts):
            flags = Flags.RELATED_OPERATIONS if related and place else 0
            message = self.request(command, body, flags=flags, **header)
            if place + 1 < len(parts):
                message = align8(message)
                message = message[:20] + len(message).to_bytes(4, "little") + message[24:]
            if self.signer is not None and not self.encrypt:
                message = self.signed(message)
            messages.append(message)
        signer, self.signer = self.signer, None
        answers = self.send(b"".join(messages))
        self.signer = signer
        return answers

    # ------------------------------------------------------------------------------------ dialogue

    def negotiate(
        self,
        *dialects: int,
        mode: int = SecurityMode.SIGNING_ENABLED,
        capabilities: int = 0x7F,
        ciphers: Sequence[int] = (2, 1),
        signing: Sequence[int] = (),
        guid: bytes = CLIENT_GUID,
        contexts: Sequence[NegotiateContext] = (),
    ) -> Answer:
        """NEGOTIATE with 3.1.1 contexts where it is offered; 3.1.1 alone if no dialect is named."""
        offered = tuple(Dialect(dialect) for dialect in dialects or (0x0311,))
        all_contexts: list[NegotiateContext] = []
        if 0x0311 in offered:
            all_contexts.append(PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), b"salt" * 8))
            if ciphers:
                all_contexts.append(EncryptionCapabilities(tuple(ciphers)))  # type: ignore[arg-type]  # numbers will do
            if signing:
                all_contexts.append(SigningCapabilities(tuple(signing)))  # type: ignore[arg-type]  # as above
        body = NegotiateRequest(
            SecurityMode(mode), GlobalCapabilities(capabilities), guid, offered, (*all_contexts, *contexts)
        ).build()
        request = self.request(Command.NEGOTIATE, body, session_id=0, tree_id=0)
        self.put(request)
        answers = self.take()
        if not answers:
            assert self.closed
            return Answer(parse_header(request), b"")
        (answer,) = answers
        if answer.status == 0:
            self._negotiated(request, answer)
        return answer

    def _negotiated(self, request: bytes, answer: Answer) -> None:
        response = NegotiateResponse.parse(memoryview(answer.message))
        self.dialect = response.dialect_revision
        self.signing_algorithm = SigningAlgorithm.HMAC_SHA256 if self.dialect < 0x0300 else SigningAlgorithm.AES_CMAC
        self.cipher = 1 if response.capabilities & GlobalCapabilities.ENCRYPTION else 0
        for context in response.contexts:
            if isinstance(context, EncryptionCapabilities):
                self.cipher = context.ciphers[0]
            if isinstance(context, SigningCapabilities):
                self.signing_algorithm = context.signing_algorithms[0]
        self.connection_hash = preauth_hash(previous=PREAUTH_START, message=request)
        self.connection_hash = preauth_hash(previous=self.connection_hash, message=answer.message)

    def setup(
        self,
        token: bytes,
        *,
        flags: int = 0,
        mode: int = SecurityMode.SIGNING_ENABLED,
        previous: int = 0,
        signer: Signer | None = None,
    ) -> Answer:
        """One SESSION_SETUP, hashed as 3.1.1 wants it."""
        body = SessionSetupRequest(
            SessionSetupFlags(flags), SecurityMode(mode), GlobalCapabilities.DFS, previous, token
        ).build()
        request = self.request(Command.SESSION_SETUP, body, tree_id=0)
        if signer is not None:
            request = self.signed(request, signer)
        self.session_hash = preauth_hash(previous=self.session_hash, message=request)
        encrypting, self.encrypt = self.encrypt, False
        unsigned, self.signer = self.signer, None
        if encrypting:
            self.encrypt = True
        answers = self.send(request)
        self.encrypt, self.signer = encrypting, unsigned
        assert len(answers) == 1, answers
        if answers[0].status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
            self.session_hash = preauth_hash(previous=self.session_hash, message=answers[0].message)
        return answers[0]

    def log_on(self, credential: Credential = ALICE, **setup: int) -> Answer:
        """A whole logon, a new one if `session_id` is 0; keys are taken where there were none."""
        if self.session_id == 0:
            self.session_hash = self.connection_hash
        initiator = Initiator(credential.begin(self.random, self.now))
        answer = self.setup(initiator.first(), **setup)
        if answer.header.session_id:
            self.session_id = answer.header.session_id
        while answer.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
            response = SessionSetupResponse.parse(memoryview(answer.message))
            answer = self.setup(initiator.answer(response.security_buffer), **setup)
        if answer.status == 0:
            initiator.finish(SessionSetupResponse.parse(memoryview(answer.message)).security_buffer)
        if answer.status == 0 and self.keys is None and initiator.session_key is not None:
            self.take_keys(initiator.session_key)
        return answer

    def take_keys(self, session_key: bytes) -> None:
        """Derive this connection's keys."""
        self.keys = derive_keys(
            dialect=self.dialect,
            session_key=session_key,
            preauth_hash=self.session_hash,
            cipher=self.cipher or None,
        )
        self.signer = Signer(algorithm=self.signing_algorithm, key=self.keys.signing)

    def bind_to(self, other: "Peer", credential: Credential = ALICE) -> Answer:
        """Bind the session of `other` to this connection; all legs but the last answer use its key."""
        assert other.keys is not None
        self.session_id, self.session_hash = other.session_id, self.connection_hash
        master = Signer(algorithm=other.signing_algorithm, key=other.keys.signing)
        initiator = Initiator(credential.begin(self.random, self.now))
        answer = self.setup(initiator.first(), flags=SessionSetupFlags.BINDING, signer=master)
        while answer.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
            assert master.verify(answer.message)
            response = SessionSetupResponse.parse(memoryview(answer.message))
            token = initiator.answer(response.security_buffer)
            answer = self.setup(token, flags=SessionSetupFlags.BINDING, signer=master)
        if answer.status == 0:
            assert initiator.session_key is not None
            self.take_keys(initiator.session_key)
            self.keys = other.keys  # of which only signing differs
        return answer

    def tree_connect(self, share: str = "ipc$") -> Answer:
        """Connect to a share and use it from then on."""
        body = TreeConnectRequest(TreeConnectFlags(0), f"\\\\server\\{share}").build()
        answer = self.ask(Command.TREE_CONNECT, body, tree_id=0)
        if answer.status == 0:
            self.tree_id = answer.header.tree_id or 0
        return answer

    def echo(self, **header: int) -> Answer:
        """ECHO."""
        return self.ask(Command.ECHO, SimpleBody().build(), **header)

    def log_off(self) -> Answer:
        """LOGOFF."""
        return self.ask(Command.LOGOFF, SimpleBody().build())


def logged_on(server: Server, *dialects: int, number: int = 1, now: int = START, **offer: int) -> Peer:
    """A peer with a session of alice."""
    peer = Peer(server, number, now)
    assert peer.negotiate(*dialects, **offer).status == 0
    assert peer.log_on().status == 0
    return peer
