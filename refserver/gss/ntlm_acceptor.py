"""NTLMv2 as a server speaks it (MS-NLMP 3.2.5), with key exchange and MIC; guests and the anonymous logon.

NTLMv1 is refused. A wrong MIC is INVALID_PARAMETER, as in Samba; why an account may not log on is told only to who
knows its password, except that it is locked (as Windows does).
"""

import hmac
from collections.abc import Callable, Iterator

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.gss.ntlm import crypto
from parsers.gss.ntlm.messages import (
    Authenticate,
    AvId,
    AvPair,
    Challenge,
    Negotiate,
    NegotiateFlags,
    NtlmV2Response,
)
from parsers.times import ns_to_filetime
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted
from refserver.gss.ntlm_capabilities import SUPPORTED_FLAGS, VERSION
from refserver.gss.ntlm_signature import first_signature
from refserver.server.config import ServerConfig, UserAccount
from refserver.server.state import SecurityContext

__all__ = ["NtlmAcceptor"]

_V1_RESPONSE_SIZE = 24
_ZERO_KEY = bytes(16)


class NtlmAcceptor:
    """One NTLM authentication: CHALLENGE for the client's NEGOTIATE, then a look at its AUTHENTICATE."""

    def __init__(self, config: ServerConfig, random: Callable[[int], bytes]) -> None:
        self.accepted: Accepted | None = None
        self._config = config
        self._random = random
        self._negotiate = b""
        self._challenge = b""
        self._server_challenge = b""
        self._flags = NegotiateFlags(0)

    def step(self, token: bytes, now: int) -> bytes:
        """CHALLENGE_MESSAGE at first, nothing afterwards."""
        if not self._challenge:
            self._negotiate = token
            self._challenge = self._challenge_for(Negotiate.parse(token), now)
            return self._challenge
        self.accepted = self._authenticate(Authenticate.parse(token), token, now)
        return b""

    def mic(self, message: bytes) -> bytes | None:
        """The server's signature."""
        key = self.accepted.session_key if self.accepted is not None else None
        if key is None:
            return None
        return first_signature(key=key, flags=self._flags, from_server=True, message=message)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether it is the client's signature; without a key there is nothing to compare it with."""
        key = self.accepted.session_key if self.accepted is not None else None
        if key is None:
            return True
        expected = first_signature(key=key, flags=self._flags, from_server=False, message=message)
        return hmac.compare_digest(expected, signature)

    def _challenge_for(self, request: Negotiate, now: int) -> bytes:
        """MS-NLMP 3.2.5.1.1."""
        if not request.flags & NegotiateFlags.UNICODE:
            raise ParseError("the client's NTLM has no Unicode")
        config = self._config
        self._server_challenge = self._random(8)
        dns_domain = config.dns_domain or config.domain.lower()
        names = (
            (AvId.NB_DOMAIN_NAME, config.domain),
            (AvId.NB_COMPUTER_NAME, config.name),
            (AvId.DNS_DOMAIN_NAME, dns_domain),
            (AvId.DNS_COMPUTER_NAME, f"{config.name.lower()}.{dns_domain}"),
        )
        pairs = [AvPair(av_id, name.encode("utf-16-le")) for av_id, name in names]
        pairs.append(AvPair(AvId.TIMESTAMP, ns_to_filetime(now).to_bytes(8, "little")))
        flags = request.flags & SUPPORTED_FLAGS | NegotiateFlags.NTLM | NegotiateFlags.TARGET_INFO
        return Challenge(
            flags | NegotiateFlags.TARGET_TYPE_SERVER, self._server_challenge, config.name, tuple(pairs), VERSION
        ).build()

    def _authenticate(self, message: Authenticate, token: bytes, now: int) -> Accepted:
        """MS-NLMP 3.2.5.1.2."""
        self._flags = message.flags
        if not message.user and not message.nt_response:
            return self._accept_nobody(message)
        context = SecurityContext(message.user, message.domain or self._config.domain, message.workstation)
        account = next(iter(self._config.accounts(message.domain, message.user)), None)
        if account is None:
            if not self._config.guest:
                raise StatusError(ntstatus.STATUS_LOGON_FAILURE)
            return Accepted(context, is_guest=True)
        base_key = self._check_password(account, message)
        self._check_account(account, message, now)
        key = crypto.exported_session_key(
            flags=message.flags,
            key_exchange_key=base_key,
            encrypted_random_session_key=message.encrypted_random_session_key,
        )
        self._check_mic(message, token, key)
        context = SecurityContext(
            account.user, account.domain or self._config.domain, message.workstation, account.groups,
            account.logon_hours_end,
        )  # fmt: skip
        return Accepted(context, key)

    def _accept_nobody(self, message: Authenticate) -> Accepted:
        if not self._config.anonymous:
            raise StatusError(ntstatus.STATUS_ACCESS_DENIED)
        return Accepted(SecurityContext("", "", message.workstation), is_anonymous=True)

    def _check_password(self, account: UserAccount, message: Authenticate) -> bytes:
        """SessionBaseKey, if the response is right for the account; bad ones are counted."""
        base_key = None
        if len(message.nt_response) > _V1_RESPONSE_SIZE and not account.locked_out:
            base_key = self._session_base_key(account, message)
        if base_key is None:
            raise StatusError(self._count_bad_password(account))
        return base_key

    def _session_base_key(self, account: UserAccount, message: Authenticate) -> bytes | None:
        """The domain is tried as the client sent it, then empty (MS-NLMP 3.2.5.1.2)."""
        response = NtlmV2Response.parse(message.nt_response)
        for domain in dict.fromkeys((message.domain, "")):
            owf = crypto.nt_owf_v2(nt_hash=account.nt_hash, user=message.user, domain=domain)
            proof = crypto.nt_proof_str(owf=owf, server_challenge=self._server_challenge, temp=response.temp)
            if hmac.compare_digest(proof, response.nt_proof_str):
                return crypto.session_base_key_v2(owf=owf, proof=proof)
        return None

    def _count_bad_password(self, account: UserAccount) -> int:
        if account.locked_out:
            return ntstatus.STATUS_ACCOUNT_LOCKED_OUT
        account.bad_passwords += 1
        account.locked_out = account.bad_passwords == self._config.lockout_threshold
        return ntstatus.STATUS_LOGON_FAILURE

    def _check_account(self, account: UserAccount, message: Authenticate, now: int) -> None:
        """Raise StatusError for the first restriction of the account that applies."""
        account.bad_passwords = 0
        status = next(_restrictions(account, message.workstation, now), None)
        if status is not None:
            raise StatusError(status)

    def _check_mic(self, message: Authenticate, token: bytes, key: bytes) -> None:
        if message.mic is None:
            return
        expected = crypto.mic(key=key, negotiate=self._negotiate, challenge=self._challenge, authenticate=token)
        if not hmac.compare_digest(expected, message.mic):
            raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)


def _restrictions(account: UserAccount, workstation: str, now: int) -> Iterator[int]:
    if account.disabled:
        yield ntstatus.STATUS_ACCOUNT_DISABLED
    if account.expires is not None and account.expires <= now:
        yield ntstatus.STATUS_ACCOUNT_EXPIRED
    if account.logon_hours_end is not None and account.logon_hours_end <= now:
        yield ntstatus.STATUS_INVALID_LOGON_HOURS
    if account.workstations and workstation.lower() not in {name.lower() for name in account.workstations}:
        yield ntstatus.STATUS_INVALID_WORKSTATION
    if account.must_change_password:
        yield ntstatus.STATUS_PASSWORD_MUST_CHANGE
    if account.password_expires is not None and account.password_expires <= now:
        yield ntstatus.STATUS_PASSWORD_EXPIRED
