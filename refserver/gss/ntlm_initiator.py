"""NTLMv2 as a client speaks it (MS-NLMP 3.1.5), with MIC and key exchange; and the anonymous logon."""

from dataclasses import dataclass, field

from parsers.errors import ParseError
from parsers.gss.ntlm import crypto
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
from parsers.gss.spnego import Mechanism
from parsers.secret import Secret
from parsers.times import ns_to_filetime
from refserver.gss.initiator import Random
from refserver.gss.ntlm_capabilities import SUPPORTED_FLAGS, VERSION
from refserver.gss.ntlm_signature import first_signature

__all__ = ["NtlmCredential", "NtlmInitiator"]


@dataclass(frozen=True, slots=True)
class NtlmCredential(Secret):
    """An account with its password, or with its NT hash; an empty user is nobody, the anonymous logon."""

    user: str = ""
    domain: str = ""
    password: str = field(default="", repr=False)
    nt_hash: bytes | None = field(default=None, repr=False)
    workstation: str = ""
    target_name: str = ""  # service principal that the client believes to talk to, e.g. "cifs/server"

    def begin(self, random: Random, now: int) -> "NtlmInitiator":
        """A mechanism at its first step."""
        return NtlmInitiator(self, random, now)


class NtlmInitiator:
    """One NTLM authentication: NEGOTIATE, then AUTHENTICATE."""

    oid = Mechanism.NTLM

    def __init__(self, credential: NtlmCredential, random: Random, now: int) -> None:
        self._credential = credential
        self._random = random
        self._now = now
        self._negotiate = b""
        self._flags = NegotiateFlags(0)
        self.session_key: bytes | None = None

    def step(self, token: bytes) -> bytes:
        """NEGOTIATE_MESSAGE at first, AUTHENTICATE_MESSAGE for the challenge."""
        if not self._negotiate:
            self._negotiate = Negotiate(SUPPORTED_FLAGS, version=VERSION).build()
            return self._negotiate
        challenge = Challenge.parse(token)
        if not self._credential.user:
            return self._authenticate_nobody(challenge)
        return self._authenticate(challenge, token)

    def mic(self, message: bytes) -> bytes | None:
        """The first signature of this context over `message`; none without a key."""
        if self.session_key is None:
            return None
        return first_signature(key=self.session_key, flags=self._flags, from_server=False, message=message)

    def _authenticate_nobody(self, challenge: Challenge) -> bytes:
        """MS-NLMP 3.1.5.1.2 for the anonymous user: no NT response, and one zero byte as LM response."""
        flags = challenge.flags & SUPPORTED_FLAGS & ~NegotiateFlags.KEY_EXCH | NegotiateFlags.ANONYMOUS
        return Authenticate(flags, b"\x00", b"", "", "", "", version=VERSION).build()

    def _authenticate(self, challenge: Challenge, token: bytes) -> bytes:
        credential = self._credential
        flags = self._flags = challenge.flags & SUPPORTED_FLAGS
        if not flags & NegotiateFlags.EXTENDED_SESSIONSECURITY:
            raise ParseError("the server's NTLM is too old: no extended session security")
        nt_hash = credential.nt_hash or crypto.nt_owf_v1(password=credential.password)
        owf = crypto.nt_owf_v2(nt_hash=nt_hash, user=credential.user, domain=credential.domain)
        client_challenge = self._random(8)
        responses = crypto.response_v2(
            owf=owf,
            server_challenge=challenge.server_challenge,
            temp=self._temp(challenge, client_challenge),
            client_challenge=client_challenge,
        )
        key, encrypted_key = responses.session_base_key, b""
        if flags & NegotiateFlags.KEY_EXCH:
            key = self._random(16)
            encrypted_key = crypto.encrypt_session_key(
                key_exchange_key=responses.session_base_key, random_session_key=key
            )
        built = Authenticate(
            flags,
            bytes(24) if _timestamp(challenge) else responses.lm_response,  # MS-NLMP 3.1.5.1.2: Z(24) with a timestamp
            responses.nt_response,
            credential.domain,
            credential.user,
            credential.workstation,
            encrypted_key,
            VERSION,
            mic=bytes(16),
        ).build()
        mic = crypto.mic(key=key, negotiate=self._negotiate, challenge=token, authenticate=built)
        self.session_key = key
        return built[:MIC_OFFSET] + mic + built[MIC_OFFSET + 16 :]

    def _temp(self, challenge: Challenge, client_challenge: bytes) -> bytes:
        """NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7): the server's names, and that a MIC follows."""
        added = [AvPair(AvId.FLAGS, AvFlags.MIC_PRESENT.to_bytes(4, "little"))]
        if self._credential.target_name:
            added.append(AvPair(AvId.TARGET_NAME, self._credential.target_name.encode("utf-16-le")))
        pairs = build_av_pairs([pair for pair in challenge.target_info if pair.av_id != AvId.FLAGS] + added)
        time = _timestamp(challenge) or ns_to_filetime(self._now).to_bytes(8, "little")
        return b"\x01\x01" + bytes(6) + time + client_challenge + bytes(4) + pairs + bytes(4)


def _timestamp(challenge: Challenge) -> bytes | None:
    return next((pair.value for pair in challenge.target_info if pair.av_id == AvId.TIMESTAMP), None)
