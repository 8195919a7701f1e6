"""A client and a server that speak SMB2 as the specification tells them to, and somebody who listens.

The bytes are written with the project's own codecs, which have their own witnesses; keys, signatures and ciphertexts
are those that the two ends would use.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from parsers.gss.ntlm import crypto as ntlm
from parsers.gss.ntlm.messages import (
    MIC_OFFSET,
    Authenticate,
    AvFlags,
    AvId,
    AvPair,
    Challenge,
    Negotiate,
    NegotiateFlags,
    build_av_pairs,
)
from parsers.gss.spnego import Mechanism, NegState, NegTokenInit, NegTokenResp
from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey
from parsers.ntstatus import STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS
from parsers.smb2.access import AccessMask
from parsers.smb2.crypto import (
    PREAUTH_START,
    Cipher,
    SessionKeys,
    Signer,
    SigningAlgorithm,
    derive_keys,
    encrypt,
    preauth_hash,
)
from parsers.smb2.dialects import Dialect
from parsers.smb2.error import ErrorResponse
from parsers.smb2.header import Command, Flags, build_header, parse_header
from parsers.smb2.keying import KeyFinder
from parsers.smb2.messages import Messages, Units, split_units
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from parsers.smb2.negotiate_contexts import (
    EncryptionCapabilities,
    HashAlgorithm,
    NegotiateContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from parsers.smb2.session import Session, SmbConnection
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from parsers.smb2.tracker import SessionTracker
from parsers.smb2.tree import (
    ShareCapabilities,
    ShareFlags,
    ShareType,
    TreeConnectFlags,
    TreeConnectRequest,
    TreeConnectResponse,
)

CLIENT, SERVER = 0, 1
RELATED = 0xFFFF_FFFF_FFFF_FFFF  # SessionId and FileId of a related request (MS-SMB2 3.2.4.1.4)
GUID = b"the server's own"
NTLM_FLAGS = NegotiateFlags.UNICODE | NegotiateFlags.EXTENDED_SESSIONSECURITY | NegotiateFlags.KEY_EXCH


class Said(NamedTuple):
    """What one side of one connection sent in one transport frame."""

    connection: int
    sender: int
    data: bytes


def message(
    command: int,
    message_id: int,
    body: bytes = b"\x04\x00\x00\x00",
    *,
    answer: bool = False,
    status: int = 0,
    session_id: int = 0,
    tree_id: int = 0,
    async_id: int = 0,
    related: bool = False,
    signer: Signer | None = None,
) -> bytes:
    """One message with its header; asynchronous if it has an AsyncId, signed if there is a signer."""
    flags = Flags.SERVER_TO_REDIR * answer | Flags.ASYNC_COMMAND * bool(async_id) | Flags.RELATED_OPERATIONS * related
    header = build_header(
        command,
        message_id,
        status=status,
        session_id=session_id,
        tree_id=tree_id,
        async_id=async_id,
        flags=flags | Flags.SIGNED * (signer is not None),
    )
    return signed(header + body, signer)


def signed(data: bytes, signer: Signer | None) -> bytes:
    """The message with its signature."""
    return data if signer is None else data[:48] + signer.tag(data) + data[64:]


def compound(*messages: bytes) -> bytes:
    """Messages in one frame, each but the last padded to eight bytes and linked (MS-SMB2 3.2.4.1.4)."""
    linked = []
    for data in messages[:-1]:
        padded = data + bytes(-len(data) % 8)
        linked.append(padded[:20] + len(padded).to_bytes(4, "little") + padded[24:])
    return b"".join([*linked, messages[-1]])


# ----------------------------------------------------------------------------------------------- logons


class Tokens(NamedTuple):
    """The four GSS tokens of an NTLM logon and the key that comes out of it."""

    negotiate: bytes
    challenge: bytes
    authenticate: bytes
    accept: bytes
    key: bytes


@dataclass(frozen=True)
class Logon:
    """Somebody who logs on with NTLMv2; the password is the one that the client uses."""

    user: str = "alice"
    password: str = "Passw0rd!"
    domain: str = "CORPUS"
    workstation: str = "DESK"
    key: bytes = b"session key of a"

    def tokens(self) -> Tokens:
        """What client and server send (MS-NLMP 3.1.5.1.2, 3.3.2; MS-SPNG 2.2.1)."""
        challenge = Challenge(
            NTLM_FLAGS | NegotiateFlags.TARGET_INFO, b"8 bytes!", "CORPUS",
            (AvPair(AvId.NB_DOMAIN_NAME, "CORPUS".encode("utf-16-le")),),
        ).build()  # fmt: skip
        negotiate = Negotiate(NTLM_FLAGS).build()
        authenticate = self._authenticate(negotiate, challenge)
        return Tokens(
            NegTokenInit((Mechanism.NTLM,), mech_token=negotiate).build(),
            NegTokenResp(NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM, challenge).build(),
            NegTokenResp(response_token=authenticate).build(),
            NegTokenResp(NegState.ACCEPT_COMPLETED).build(),
            self.key,
        )

    def _authenticate(self, negotiate: bytes, challenge: bytes) -> bytes:
        if not self.user:
            return Authenticate(NTLM_FLAGS | NegotiateFlags.ANONYMOUS, b"\x00", b"", "", "", "").build()
        client_challenge = b"clientch"
        pairs = build_av_pairs([AvPair(AvId.FLAGS, AvFlags.MIC_PRESENT.to_bytes(4, "little"))])
        temp = b"\x01\x01" + bytes(14) + client_challenge + bytes(4) + pairs + bytes(4)
        nt_hash = ntlm.nt_owf_v1(password=self.password)
        owf = ntlm.nt_owf_v2(nt_hash=nt_hash, user=self.user, domain=self.domain)
        responses = ntlm.response_v2(
            owf=owf, server_challenge=b"8 bytes!", temp=temp, client_challenge=client_challenge
        )
        built = Authenticate(
            NTLM_FLAGS,
            bytes(24),
            responses.nt_response,
            self.domain,
            self.user,
            self.workstation,
            ntlm.encrypt_session_key(key_exchange_key=responses.session_base_key, random_session_key=self.key),
            mic=bytes(16),
        ).build()
        mic = ntlm.mic(key=self.key, negotiate=negotiate, challenge=challenge, authenticate=built)
        return built[:MIC_OFFSET] + mic + built[MIC_OFFSET + 16 :]


ALICE = Logon()
BOB = Logon("bob", "B0bPass#", key=b"session key of b")
NOBODY = Logon("", "")
PASSWORDS = (Credential("alice", None, ALICE.password), Credential("bob", "CORPUS", BOB.password))


# ----------------------------------------------------------------------------------------------- the two ends


@dataclass
class Ends:
    """What both ends know of a session: its key and what is derived from it."""

    session_key: bytes
    keys: SessionKeys
    signer: Signer


@dataclass
class Peers:
    """Client and server on one connection. What they send is appended to `said`, in order."""

    said: list[Said] = field(default_factory=list)
    number: int = 0
    dialect: int = Dialect.SMB_3_1_1
    cipher: int | None = Cipher.AES_128_GCM
    algorithm: int = SigningAlgorithm.AES_GMAC
    guid: bytes = GUID
    sessions: dict[int, Ends] = field(default_factory=dict)
    message_id: int = -1
    preauth: bytes = PREAUTH_START
    nonce: int = 0

    @property
    def signing_algorithm(self) -> int:
        """The negotiated one in 3.1.1, else the dialect's own (MS-SMB2 3.1.4.1)."""
        if self.dialect == Dialect.SMB_3_1_1:
            return self.algorithm
        return SigningAlgorithm.AES_CMAC if self.dialect >= Dialect.SMB_3_0 else SigningAlgorithm.HMAC_SHA256

    @property
    def session_cipher(self) -> int | None:
        """3.0.x knows one cipher, 2.x none (MS-SMB2 3.1.4.3)."""
        if self.dialect == Dialect.SMB_3_1_1:
            return self.cipher
        return Cipher.AES_128_CCM if self.dialect >= Dialect.SMB_3_0 else None

    def request(self, command: int, body: bytes = b"\x04\x00\x00\x00", **header: object) -> bytes:
        """The client asks."""
        self.message_id += 1
        return self._say(CLIENT, message(command, self.message_id, body, **header))

    def answer(self, command: int, body: bytes | None = None, status: int = 0, **header: object) -> bytes:
        """The server answers what was asked last; with an ERROR response where it fails and `body` is not given."""
        if body is None:
            body = b"\x04\x00\x00\x00" if status == STATUS_SUCCESS else ErrorResponse().build()
        header = {"message_id": self.message_id, **header}
        return self._say(SERVER, message(command, body=body, answer=True, status=status, **header))

    def sealed(self, sender: int, session_id: int, plain: bytes) -> bytes:
        """Say something encrypted."""
        ends, cipher = self.sessions[session_id], self.session_cipher
        assert cipher is not None
        key = ends.keys.client_to_server if sender == CLIENT else ends.keys.server_to_client
        assert key is not None
        self.nonce += 1
        nonce = self.nonce.to_bytes(12 if cipher in (Cipher.AES_128_GCM, Cipher.AES_256_GCM) else 11, "little")
        return self._say(sender, encrypt(cipher=cipher, key=key, nonce=nonce, session_id=session_id, plaintext=plain))

    def _say(self, sender: int, data: bytes) -> bytes:
        self.said.append(Said(self.number, sender, data))
        return data

    # ------------------------------------------------------------------------------------ dialogues

    def negotiate(self, *, signing_required: bool = False) -> None:
        """NEGOTIATE and its answer (MS-SMB2 2.2.3, 2.2.4)."""
        contexts: tuple[NegotiateContext, ...] = ()
        if self.dialect == Dialect.SMB_3_1_1:
            contexts = (
                PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), bytes([self.number]) * 32),
                EncryptionCapabilities((Cipher(self.cipher or 0),)),
                SigningCapabilities((SigningAlgorithm(self.algorithm),)),
            )
        mode = SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED * signing_required
        able = GlobalCapabilities.ENCRYPTION | GlobalCapabilities.MULTI_CHANNEL | GlobalCapabilities.NOTIFICATIONS
        capabilities = able if self.dialect >= Dialect.SMB_3_0 else GlobalCapabilities(0)
        asked = NegotiateRequest(mode, capabilities, b"the client's own", (Dialect(self.dialect),), contexts)
        answered = NegotiateResponse(
            mode, Dialect(self.dialect), self.guid, capabilities, 1 << 20, 1 << 20, 1 << 20, 0, 0, b"", contexts
        )
        for data in (
            self.request(Command.NEGOTIATE, asked.build()),
            self.answer(Command.NEGOTIATE, answered.build()),
        ):
            self.preauth = preauth_hash(previous=self.preauth, message=data)

    def set_up(
        self,
        session_id: int,
        logon: Logon = ALICE,
        *,
        status: int = STATUS_SUCCESS,
        flags: SessionFlags = SessionFlags(0),  # noqa: B008  # a constant
        previous: int = 0,
        master: Ends | None = None,
    ) -> None:
        """Two legs of SESSION_SETUP: of a new session, again of one that is known, or a binding to that of `master`.

        Requests about a session that is known and its MORE_PROCESSING answer are signed with its key; success is signed
        with the key that it gives (MS-SMB2 3.3.4.1.1, 3.3.5.5.3).
        """
        tokens, known = logon.tokens(), self.sessions.get(session_id)
        old = master or known
        signer = None if old is None else old.signer
        setup_flags = SessionSetupFlags.BINDING if master else SessionSetupFlags(0)

        def asked(token: bytes) -> bytes:
            mode = SecurityMode.SIGNING_ENABLED
            return SessionSetupRequest(setup_flags, mode, GlobalCapabilities.DFS, previous, token).build()

        preauth = self.preauth
        legs = (
            self.request(
                Command.SESSION_SETUP, asked(tokens.negotiate), session_id=session_id if old else 0, signer=signer
            ),
            self.answer(
                Command.SESSION_SETUP, SessionSetupResponse(SessionFlags(0), tokens.challenge).build(),
                STATUS_MORE_PROCESSING_REQUIRED, session_id=session_id, signer=signer,
            ),
            self.request(Command.SESSION_SETUP, asked(tokens.authenticate), session_id=session_id, signer=signer),
        )  # fmt: skip
        for data in legs:
            preauth = preauth_hash(previous=preauth, message=data)
        if status != STATUS_SUCCESS:
            self.answer(Command.SESSION_SETUP, status=status, session_id=session_id)
            return
        ends = self._ends(tokens.key, preauth) if known is None or master else known
        anonymous = flags & (SessionFlags.IS_GUEST | SessionFlags.IS_NULL)
        self.answer(
            Command.SESSION_SETUP,
            SessionSetupResponse(flags, tokens.accept).build(),
            session_id=session_id,
            signer=None if anonymous else ends.signer,
        )
        if master:  # everything but the channel's signing key stays the master's
            ends = Ends(master.session_key, replace(master.keys, signing=ends.keys.signing), ends.signer)
        self.sessions[session_id] = ends

    def _ends(self, key: bytes, preauth: bytes) -> Ends:
        keys = derive_keys(dialect=self.dialect, session_key=key, preauth_hash=preauth, cipher=self.session_cipher)
        return Ends(key, keys, Signer(algorithm=self.signing_algorithm, key=keys.signing))

    def connect_tree(self, session_id: int, tree_id: int, path: str = r"\\server\share", status: int = 0) -> None:
        """TREE_CONNECT and its answer, signed."""
        signer = self.sessions[session_id].signer if session_id in self.sessions else None
        asked = TreeConnectRequest(TreeConnectFlags(0), path)
        answered = TreeConnectResponse(
            ShareType.DISK, ShareFlags.ENCRYPT_DATA, ShareCapabilities(0), AccessMask(0x001F01FF)
        )
        self.request(Command.TREE_CONNECT, asked.build(), session_id=session_id, signer=signer)
        body = answered.build() if status == STATUS_SUCCESS else None
        self.answer(Command.TREE_CONNECT, body, status, session_id=session_id, tree_id=tree_id, signer=signer)


# ----------------------------------------------------------------------------------------------- who listens


class Observer:
    """A session tracker that hears one thing after another; the n-th, counted from 1, in frame n at n microseconds."""

    def __init__(self, *secrets: Credential | SessionKey | DirectionKeys) -> None:
        self.store = KeyStore()
        for secret in secrets:
            self.store.add(secret)
        self.keys = KeyFinder(self.store)
        self.tracker = SessionTracker(self.keys)
        self.frame = 0

    @property
    def sessions(self) -> list[Session]:
        """All sessions so far."""
        return self.tracker.sessions

    def connection(self, number: int = 0) -> SmbConnection:
        """A connection; known from now on. All connections go to one endpoint."""
        known = self.tracker.connections.get(number)
        return known or self.tracker.connections.setdefault(number, SmbConnection(number, (1, 445)))

    def hear(self, said: Iterable[Said]) -> "Observer":
        """Hand what is plain, not a compound and of interest to the tracker."""
        for number, _, data in said:
            self.frame += 1
            connection = self.connection(number)
            if data[0] == 0xFE and self.tracker.handles(parse_header(data)):
                self.tracker.handle(connection, parse_header(data), memoryview(data), self.frame, 1000 * self.frame)
        return self


def place(
    said: Sequence[Said], *, first_frame: int = 1, present: dict[int, int] | None = None
) -> tuple[memoryview, Units]:
    """What was said as the units of a block, each in a frame of its own, and the arena that holds them.

    Only `present` bytes of some may be there. Behind them the arena has room for all of it decrypted.
    """
    arena = bytearray(b"".join(data for _, _, data in said))
    length = np.array([len(data) for _, _, data in said], np.int64)
    start = np.cumsum(length) - length
    there = length.copy()
    for row, size in (present or {}).items():
        there[row] = size
    frame = np.arange(len(said), dtype=np.int64) + first_frame
    columns = [
        start, length, there, start, frame, 1000 * frame, frame, 1000 * frame,
        [one.connection for one in said], [one.sender for one in said], [one.data[0] for one in said],
    ]  # fmt: skip
    arena += bytes(len(arena) + 16)
    return memoryview(arena), Units(*(np.array(column, np.int64) for column in columns))


def plain_messages(arena: memoryview, units: Units) -> Messages:
    """The messages of the plain units; a session's number is its SessionId, or -1 where that is 0."""
    rows = np.flatnonzero(units.protocol == 0xFE)
    unit, offset, end, faults = split_units(arena, rows, units.start[rows], units.start[rows] + units.present[rows])
    assert faults == []
    messages = Messages.of_headers(arena, unit, offset, end, encrypted=False)
    session = messages.header["session_id"].astype(np.int64)
    for row in np.flatnonzero(session == -1).tolist():  # a related request has that of the one before it
        session[row] = session[row - 1]
    messages.session[:] = np.where(session == 0, -1, session)
    return messages
