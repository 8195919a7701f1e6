"""One NTLM authentication as captured: who logged on, and the session key, if a credential is proved to fit.

Nothing is believed unproved: a credential must reproduce the client's response, and where the message carries a MIC,
the resulting key must reproduce that as well.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from parsers.gss.ntlm import crypto
from parsers.gss.ntlm.messages import (
    SIGNATURE,
    Authenticate,
    AvId,
    Challenge,
    MessageType,
    Negotiate,
    NegotiateFlags,
    NtlmV2Response,
    message_type,
)
from parsers.layout import Buffer
from parsers.secret import Secret
from parsers.verdicts import Decryption

__all__ = ["NtlmCredential", "NtlmExchange", "Proven", "Unproven"]

_V1_RESPONSE_SIZE = 24
_NAMED, _LOOKED_AT = 3, 16  # accounts that a sentence names, and looks for; a list of hashes may have thousands


class NtlmCredential(Protocol):
    """What is needed to try a user: the password, which may be empty, or else the NT hash."""

    @property
    def user(self) -> str:
        """Without domain."""

    @property
    def domain(self) -> str | None:
        """None fits every domain."""

    @property
    def password(self) -> str | None:
        """Takes precedence over `nt_hash`."""

    @property
    def nt_hash(self) -> bytes | None:
        """NTOWFv1, 16 bytes."""

    @property
    def provenance(self) -> str:
        """Where the credential comes from, in words."""


@dataclass(frozen=True, slots=True)
class Proven(Secret):
    """The session key of an authentication, 16 bytes (or 32 from Kerberos), and what proves it, in words.

    `source` is what the user gave: the credential, keytab entry or cached ticket that led to it.
    """

    key: bytes = field(repr=False)
    provenance: str
    proof: str
    source: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why there is no key: a verdict to count, and a sentence for people."""

    verdict: Decryption
    reason: str


class NtlmExchange:
    """The messages of one NTLM authentication, raw and parsed; the first and second may be missing.

    Args:
        authenticate: AUTHENTICATE_MESSAGE as sent.
        challenge: CHALLENGE_MESSAGE as sent; without it nothing can be proved.
        negotiate: NEGOTIATE_MESSAGE as sent; without it the MIC cannot be checked.

    Raises:
        ParseError: one of them is malformed.
    """

    def __init__(self, authenticate: Buffer, challenge: Buffer | None = None, negotiate: Buffer | None = None) -> None:
        self.authenticate = Authenticate.parse(authenticate)
        self.challenge = None if challenge is None else Challenge.parse(challenge)
        self.negotiate = None if negotiate is None else Negotiate.parse(negotiate)
        self._raw = (negotiate, challenge, authenticate)
        self._v2: NtlmV2Response | None = None
        if len(self.authenticate.nt_response) > _V1_RESPONSE_SIZE:
            self._v2 = NtlmV2Response.parse(self.authenticate.nt_response)

    @classmethod
    def from_tokens(cls, tokens: Iterable[Buffer]) -> "NtlmExchange | None":
        """The exchange among these mechanism tokens, of both sides in the order of the wire.

        A later message replaces an earlier one of its type; other mechanisms' tokens are passed over. None if there
        is no AUTHENTICATE_MESSAGE.

        Raises:
            ParseError: one of the messages is malformed.
        """
        found: dict[MessageType, Buffer] = {}
        for token in tokens:
            if bytes(token[:8]) == SIGNATURE:
                found[message_type(token)] = token
        if MessageType.AUTHENTICATE not in found:
            return None
        return cls(found[MessageType.AUTHENTICATE], found.get(MessageType.CHALLENGE), found.get(MessageType.NEGOTIATE))

    @property
    def user(self) -> str:
        """UserName as sent."""
        return self.authenticate.user

    @property
    def domain(self) -> str:
        """DomainName as sent; often empty, or the workstation's name."""
        return self.authenticate.domain

    @property
    def workstation(self) -> str:
        """Workstation as sent."""
        return self.authenticate.workstation

    @property
    def account(self) -> str:
        r"""`DOMAIN\user`, or the user alone where no domain was sent."""
        return f"{self.domain}\\{self.user}" if self.domain else self.user

    @property
    def is_anonymous(self) -> bool:
        """MS-NLMP 3.2.5.1.2: no user, no NT response, and an LM response of one byte at most."""
        message = self.authenticate
        return not message.user and not message.nt_response and len(message.lm_response) <= 1

    @property
    def version(self) -> str:
        """NTLMv2, NTLMv1, NTLMv1-ESS (with extended session security), LM (no NT response) or anonymous."""
        if self.is_anonymous:
            return "anonymous"
        if self._v2 is not None:
            return "NTLMv2"
        if not self.authenticate.nt_response:
            return "LM"
        if self.authenticate.flags & NegotiateFlags.EXTENDED_SESSIONSECURITY:
            return "NTLMv1-ESS"
        return "NTLMv1"

    def server_name(self, av_id: AvId) -> str | None:
        """A name of the server from the challenge's TargetInfo, e.g. `AvId.DNS_COMPUTER_NAME`."""
        pairs = () if self.challenge is None else self.challenge.target_info
        return next((pair.text for pair in pairs if pair.av_id == av_id), None)

    def session_key(self, credentials: Iterable[NtlmCredential]) -> Proven | Unproven:
        """ExportedSessionKey of this authentication, by the first of the credentials that is proved to fit.

        Users are compared without case. A credential of this user but of another domain is tried last: names of
        domains differ between what people write and what clients send, and a proof is a proof.
        """
        if self.is_anonymous:
            return Unproven(Decryption.NO_KEY, "anonymous logon: there is no session key")
        if self.version == "LM":
            return Unproven(Decryption.UNSUPPORTED, f"{self.account} sent an LM response alone, which is not supported")
        if self.challenge is None:
            return Unproven(Decryption.NO_HANDSHAKE, f"the challenge to {self.account} is not in the capture")
        given = tuple(credentials)
        candidates = [credential for credential in given if self._same_user(credential)]
        if not candidates:
            return Unproven(Decryption.NO_KEY, f"no credential for {self.account}{_others(given)}")
        candidates.sort(key=self._other_domain)
        key = self._key_v1 if self._v2 is None else self._key_v2
        for credential in candidates:
            if found := key(credential):
                return found
        return self._none_fits(candidates[0])

    def _none_fits(self, best: NtlmCredential) -> Unproven:
        if self._other_domain(best):
            tried = f"{best.domain}\\{best.user}"
            return Unproven(Decryption.NO_KEY, f"no credential for {self.account}; that of {tried} does not fit")
        return Unproven(Decryption.WRONG_KEY, f"wrong password for {self.account}: the client used another one")

    def _names(self) -> tuple[str, str]:
        """User and domain for comparison; a user principal name `user@domain` is taken apart."""
        user, domain = self.user, self.domain
        if not domain and "@" in user:
            user, _, domain = user.rpartition("@")
        return user.casefold(), domain.casefold()

    def _same_user(self, credential: NtlmCredential) -> bool:
        return credential.user.casefold() in (self.user.casefold(), self._names()[0])

    def _other_domain(self, credential: NtlmCredential) -> bool:
        """Whether the credential names a domain which the client did not; a client may send none."""
        sent = self._names()[1]
        return credential.domain is not None and bool(sent) and credential.domain.casefold() != sent

    def _key_v2(self, credential: NtlmCredential) -> Proven | Unproven | None:
        assert self._v2 is not None
        assert self.challenge is not None
        nt_hash = _nt_hash(credential)
        # A server tries the domain as sent and an empty one (MS-NLMP 3.2.5.1.2); some clients use upper case.
        for domain in dict.fromkeys((self.domain, self.domain.upper(), "")):
            owf = crypto.nt_owf_v2(nt_hash=nt_hash, user=self.user, domain=domain)
            proof = crypto.nt_proof_str(owf=owf, server_challenge=self.challenge.server_challenge, temp=self._v2.temp)
            if hmac.compare_digest(proof, self._v2.nt_proof_str):
                key = crypto.session_base_key_v2(owf=owf, proof=proof)
                return self._exported(credential, key, "NTProofStr")
        return None

    def _key_v1(self, credential: NtlmCredential) -> Proven | Unproven | None:
        assert self.challenge is not None
        message = self.authenticate
        expected = crypto.response_v1(
            nt_hash=_nt_hash(credential),
            server_challenge=self.challenge.server_challenge,
            client_challenge=message.lm_response[:8] if self.version == "NTLMv1-ESS" else None,
        )
        if not hmac.compare_digest(expected.nt_response, message.nt_response):
            return None
        key = crypto.key_exchange_key_v1(
            flags=message.flags,
            session_base_key=expected.session_base_key,
            server_challenge=self.challenge.server_challenge,
            lm_response=message.lm_response,
            lm_hash=None if credential.password is None else crypto.lm_owf_v1(password=credential.password),
        )
        if key is None:
            return Unproven(
                Decryption.NO_KEY, f"the session key of {self.account} comes from the LM hash: give the password"
            )
        return self._exported(credential, key, "NT response")

    def _exported(self, credential: NtlmCredential, key_exchange_key: bytes, proof: str) -> Proven | Unproven:
        """The key behind a credential that was proved, if the MIC proves that as well."""
        message = self.authenticate
        key = crypto.exported_session_key(
            flags=message.flags,
            key_exchange_key=key_exchange_key,
            encrypted_random_session_key=message.encrypted_random_session_key,
        )
        if len(key) != 16:
            return Unproven(
                Decryption.DAMAGED, f"the encrypted session key of {self.account} has {len(key)} bytes, not 16"
            )
        negotiate, challenge, authenticate = self._raw
        if message.mic is not None and negotiate is not None and challenge is not None:
            expected = crypto.mic(
                key=key, negotiate=bytes(negotiate), challenge=bytes(challenge), authenticate=bytes(authenticate)
            )
            if not hmac.compare_digest(expected, message.mic):
                return Unproven(
                    Decryption.DAMAGED,
                    f"the password of {self.account} is right, but the MIC does not fit: "
                    "an NTLM message was changed, or one in the capture is not of this logon",
                )
            proof += " and MIC"
        return Proven(key, f"NTLM logon of {self.account} with {credential.provenance}", proof, credential)


def _others(credentials: Sequence[NtlmCredential]) -> str:
    """Whom credentials are for, as the end of a sentence; nothing where there are none."""
    first = credentials[:_LOOKED_AT]
    accounts = list(dict.fromkeys(f"{c.domain}\\{c.user}" if c.domain else c.user for c in first))
    if not accounts:
        return ""
    more = " and others" if len(accounts) > _NAMED or len(credentials) > len(first) else ""
    return f"; those given are for {', '.join(accounts[:_NAMED])}{more}"


def _nt_hash(credential: NtlmCredential) -> bytes:
    if credential.password is not None:
        return crypto.nt_owf_v1(password=credential.password)
    assert credential.nt_hash is not None, "a credential has a password or an NT hash"
    return credential.nt_hash
