"""Finds the keys of sessions among what the user supplied, and proves them before they are believed.

Every source gives *candidates*. A candidate becomes the session's key when a signature or an AEAD tag fits; until then
nothing of it shows. Why no candidate exists, or none fits, is kept in words in `Session.complaints`.
"""

from parsers.errors import UnsupportedError
from parsers.gss.ntlm.exchange import Unproven
from parsers.keys.store import KeyStore
from parsers.layout import Buffer
from parsers.smb2.crypto import (
    Cipher,
    Decryptor,
    Derivation,
    SessionKeys,
    Signer,
    SigningAlgorithm,
    TagError,
    derivations,
    derive_keys,
)
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import HEADER
from parsers.smb2.logon import Logon
from parsers.smb2.session import SIGNATURE, TAG, Authentication, Candidate, Channel, Identity, Session, SmbConnection
from parsers.verdicts import Decryption

__all__ = ["KeyFinder"]

_KNOWN_ALGORITHMS = (SigningAlgorithm.HMAC_SHA256, SigningAlgorithm.AES_CMAC, SigningAlgorithm.AES_GMAC)
_SMB2 = (Dialect.SMB_2_0_2, Dialect.SMB_2_1)
_BEFORE_3_1_1 = (*_SMB2, Dialect.SMB_3_0, Dialect.SMB_3_0_2)
_CIPHERS_BY_KEY_SIZE = {16: (Cipher.AES_128_GCM, Cipher.AES_128_CCM), 32: (Cipher.AES_256_GCM, Cipher.AES_256_CCM)}
_CLIENT = 0


class KeyFinder:
    """Keys of all sessions of a capture, from one store."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def describe(self, session: Session, authentication: Authentication) -> None:
        """Note mechanism, user and expiration, as far as the tokens and the user's keys show them."""
        logon = Logon.of(authentication, self._store)
        session.identities.append(Identity(authentication.started, logon.mechanism, logon.who, logon.ticket))
        session.mechanism = logon.mechanism or session.mechanism
        session.service = logon.service or session.service
        if logon.ticket is not None:
            session.ticket, session.expiration_time = logon.ticket, logon.ticket.endtime
        if logon.who is not None and session.user_name is None:
            session.security_context, session.user_name = logon.who, logon.who.user

    # ------------------------------------------------------------------------------------ candidates

    def prepare_unseen(self, session: Session) -> None:
        """Collect what can be tried without a handshake; its setup may follow, or have been before the capture."""
        for given in self._store.direction_keys_for(session.session_id):
            size = len(given.client_to_server or given.server_to_client or b"")
            ciphers: tuple[int, ...] = _CIPHERS_BY_KEY_SIZE[size]
            if session.cipher in ciphers:
                ciphers = (session.cipher,)
            keys = SessionKeys(b"", b"", given.client_to_server, given.server_to_client)
            session.candidates.append(Candidate(keys, given.provenance, ciphers, (), source=given))
        if session.dialect is None or session.dialect in _BEFORE_3_1_1:
            self._add_session_keys(session, None)

    def prepare(self, session: Session, authentication: Authentication) -> None:
        """Collect the candidates of a session that has just been set up."""
        if session.is_anonymous or session.is_guest:
            kind = "anonymous" if session.is_anonymous else "guest"
            session.complaints.append(f"{kind} session: it has no keys")
        preauth = authentication.preauth_hash or None
        missing = _missing_of_handshake(session, preauth)
        session.complaints += [missing] if missing else []
        if session.dialect is not None and session.dialect not in _BEFORE_3_1_1:  # those were tried from the beginning
            self._add_session_keys(session, preauth)
        found = Logon.of(authentication, self._store).key
        if isinstance(found, Unproven):
            is_said = missing and session.dialect is not None and found.verdict is Decryption.NO_HANDSHAKE
            session.complaints += [] if is_said else [found.reason]
            session.complaint_verdict = Decryption.NO_HANDSHAKE if missing else found.verdict
            return
        session.prove(found.source, found.proof)
        note = f"{found.provenance}, proved by {found.proof}"
        self._add(session, preauth, found.key, note, found.source, found.proof)
        if session.candidates and session.dialect in _SMB2:
            # Nothing is derived in these dialects: what proved the password has proved the session's keys.
            self._adopt(session, session.candidates[-1])

    def _add_session_keys(self, session: Session, preauth: bytes | None) -> None:
        for given in self._store.session_keys_for(session.session_id):
            self._add(session, preauth, given.key, given.provenance, given)

    def _add(
        self,
        session: Session,
        preauth: bytes | None,
        key: bytes,
        provenance: str,
        source: object,
        proof: str | None = None,
    ) -> None:
        """Add what can be derived from a session key: nothing without the handshake, if the dialect is 3.1.1."""
        if session.dialect == Dialect.SMB_3_1_1 and preauth is None:
            return
        if session.dialect is None:
            # 2.x and 3.0.x need the session key alone; whether it is one of them shows when a key fits.
            middle = derive_keys(dialect=Dialect.SMB_3_0, session_key=key)
            old = derive_keys(dialect=Dialect.SMB_2_1, session_key=key)
            cmac, hmac = (SigningAlgorithm.AES_CMAC,), (SigningAlgorithm.HMAC_SHA256,)
            session.candidates += [
                Candidate(middle, provenance, (Cipher.AES_128_CCM,), cmac, key, source, proof),
                Candidate(old, provenance, (), hmac, key, source, proof),
            ]
            return
        ciphers = () if session.cipher is None else (session.cipher,)
        algorithms = _signing_algorithms(session.connection, session)
        for way, keys in self._derivations(session, key, preauth):
            note = provenance if way is Derivation.SPECIFIED else f"{provenance}; {way}"
            session.candidates.append(Candidate(keys, note, ciphers, algorithms, key, source, proof))

    def _derivations(self, session: Session, key: bytes, preauth: bytes | None) -> list[tuple[Derivation, SessionKeys]]:
        assert session.dialect is not None  # every caller has checked it
        try:
            return list(
                derivations(dialect=session.dialect, session_key=key, preauth_hash=preauth, cipher=session.cipher)
            )
        except UnsupportedError as error:
            session.complaints.append(str(error))
            return []

    # ------------------------------------------------------------------------------------ proofs

    def prove_by_signature(self, session: Session, message: Buffer) -> Signer | None:
        """Find the candidate whose signing key made the signature of `message`."""
        for candidate in session.candidates:
            for algorithm in candidate.signing_algorithms:
                signer = Signer(algorithm=algorithm, key=candidate.keys.signing)
                if signer.verify(message):
                    session.signer = session.channel_list[0].signer = signer
                    session.signing_algorithm = algorithm
                    self._adopt(session, candidate, SIGNATURE)
                    return signer
        return None

    def prove_by_tag(self, session: Session, sender: int, transform: memoryview) -> Decryptor | None:
        """Find the candidate, and the cipher, whose key opens `transform`."""
        for candidate in session.candidates:
            key = _cipher_key(candidate, sender)
            if key is None:
                continue
            for cipher in candidate.ciphers:
                decryptor = Decryptor(cipher=cipher, key=key)
                try:
                    decryptor.decrypt(transform)
                except TagError:
                    continue
                session.cipher = cipher
                self._adopt(session, candidate, TAG)
                session.decryptors[sender] = decryptor
                return decryptor
        return None

    def prepare_channel(
        self, session: Session, channel: Channel, authentication: Authentication, message: memoryview
    ) -> None:
        """Derive a bound channel's signing key (MS-SMB2 3.3.5.5.3).

        `message` is the successful response, which is signed with it.
        """
        preauth = authentication.preauth_hash or None
        if session.dialect is None or (session.dialect == Dialect.SMB_3_1_1 and preauth is None):
            return
        found = Logon.of(authentication, self._store).key
        given = self._store.session_keys_for(session.session_id)
        session_keys: list[tuple[bytes, object]] = [(entry.key, entry) for entry in given]
        session_keys += [] if isinstance(found, Unproven) else [(found.key, found.source)]
        for key, source in session_keys:
            for _, keys in self._derivations(session, key, preauth):
                for algorithm in _signing_algorithms(channel.connection, session):
                    signer = Signer(algorithm=algorithm, key=keys.signing)
                    if signer.verify(message):
                        channel.signing_key, channel.signer = keys.signing, signer
                        session.prove(source, f"{SIGNATURE} on connection {channel.connection.number}")
                        return

    def _adopt(self, session: Session, candidate: Candidate, how: str | None = None) -> None:
        """A candidate is proved: these are the session's keys. Direction keys know nothing of the others."""
        keys = candidate.keys
        if session.has_half_key:  # it has signed, but the other keys that were derived from it were wrong
            session.decryption_key = session.encryption_key = session.full_session_key = session.provenance = None
        session.decryption_key = keys.client_to_server or session.decryption_key
        session.encryption_key = keys.server_to_client or session.encryption_key
        session.signing_key = keys.signing or session.signing_key
        session.application_key = keys.application or session.application_key
        if candidate.session_key is not None:
            session.session_key = candidate.session_key[:16]
            session.full_session_key = candidate.session_key
        session.provenance = session.provenance or candidate.provenance
        session.adopted = candidate
        if how is not None:
            session.prove(candidate.source, how)

    # ------------------------------------------------------------------------------------ use

    def signer(self, session: Session, connection: SmbConnection, message: Buffer) -> Signer | None:
        """What checks messages of this session on this connection: the channel's key (MS-SMB2 3.3.4.1.1)."""
        for channel in reversed(session.channel_list):
            if channel.connection is connection:
                if channel is not session.channel_list[0]:
                    return channel.signer
                break
        return session.signer or self._first_signer(session, message)

    @staticmethod
    def is_channel(session: Session, connection: SmbConnection) -> bool:
        """Whether the session is known to be used on the connection. If not, its binding may not have been seen yet.

        Then the key that signs there may be another one: only a signature that fits tells something.
        """
        return any(channel.connection is connection for channel in session.channel_list)

    def signers_of_setup(self, session: Session, connection: SmbConnection, message: Buffer) -> tuple[Signer, ...]:
        """What may have signed a SESSION_SETUP; nothing where the key that should have is not known.

        Success is signed with the channel's key, every other leg with the session's (MS-SMB2 3.3.4.1.1). On a channel
        that is bound already Samba signs refusals with the channel's key too.
        """
        channel = self.signer(session, connection, message)
        header = HEADER.parse(message)
        is_channel = self.is_channel(session, connection)
        if header.is_response and header.status == 0:
            return (channel,) if channel is not None and (is_channel or channel.verify(message)) else ()
        own = session.signer or self._first_signer(session, message)
        known = tuple(signer for signer in (own, channel) if signer is not None)
        # While one of the two is not known, that the other does not fit tells nothing.
        return known if (len(known) == 2 and is_channel) or any(signer.verify(message) for signer in known) else ()

    def _first_signer(self, session: Session, message: Buffer) -> Signer | None:
        if session.session_key is not None and session.dialect in _SMB2 and session.signing_key is not None:
            session.signer = Signer(algorithm=SigningAlgorithm.HMAC_SHA256, key=session.signing_key)
            return session.signer
        return self.prove_by_signature(session, message)

    def verdict_on_failure(self, session: Session, sender: int) -> Decryption:
        """Why the encrypted messages of `sender` stay closed: no tag of them has proved a key."""
        if any(_can_be_judged(session, candidate, sender) for candidate in session.candidates):
            # A key that a signature has proved is not wrong, if it is whole: these bytes are.
            return Decryption.WRONG_KEY if session.session_key is None or session.has_half_key else Decryption.DAMAGED
        if session.complaint_verdict is not None:
            return session.complaint_verdict
        derived = any(candidate.session_key is not None for candidate in session.candidates)
        unseen = session.creation_time is None and self._store and not session.candidates
        if session.complaints or derived or unseen:
            return Decryption.NO_HANDSHAKE
        return Decryption.NO_KEY

    def verdict_without_trying(self, session: Session, sender: int) -> Decryption:
        """The verdict on an encrypted message of which the end is missing. It speaks against no key."""
        verdict = self.verdict_on_failure(session, sender)
        tried = session.provenance is not None or verdict is Decryption.WRONG_KEY
        return Decryption.DAMAGED if tried else verdict


def _missing_of_handshake(session: Session, preauth: bytes | None) -> str | None:
    """What the capture lacks for keys to be derived, in words; None if nothing."""
    if session.dialect is None:
        return (
            "NEGOTIATE is not in the capture: a session of SMB 3.1.1 needs its direction keys then, one of an older "
            "dialect its session key or the password of its user"
        )
    if session.dialect == Dialect.SMB_3_1_1 and preauth is None:
        return "the handshake is not whole in the capture, and 3.1.1 keys depend on all of it: give direction keys"
    return None


def _signing_algorithms(connection: SmbConnection, session: Session) -> tuple[int, ...]:
    """The one that was negotiated; AES-CMAC where 3.x says nothing (MS-SMB2 3.3.5.4)."""
    if session.dialect in _SMB2:
        return (SigningAlgorithm.HMAC_SHA256,)
    if session.dialect == Dialect.SMB_3_1_1 and connection.signing_algorithm is not None:
        return (connection.signing_algorithm,) if connection.signing_algorithm in _KNOWN_ALGORITHMS else ()
    return (SigningAlgorithm.AES_CMAC,)


def _cipher_key(candidate: Candidate, sender: int) -> bytes | None:
    return candidate.keys.client_to_server if sender == _CLIENT else candidate.keys.server_to_client


def _can_be_judged(session: Session, candidate: Candidate, sender: int) -> bool:
    """Whether a tag that does not fit speaks against the candidate.

    Not if it has no key for this sender, nor if its keys were derived without knowing the dialect.
    """
    known = candidate.session_key is None or session.dialect is not None
    return known and bool(candidate.ciphers) and _cipher_key(candidate, sender) is not None
