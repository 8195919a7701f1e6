"""The server's side of an authentication: SPNEGO around one mechanism, or that mechanism bare (RFC 4178, MS-SPNG 3.3).

The client's order of mechanisms decides. The list of them is protected by mechListMICs where the client sends one,
or where its first choice was not taken (RFC 4178 5).
"""

from collections.abc import Callable

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.gss import der, spnego
from parsers.gss.spnego import Mechanism, NegState, NegTokenInit, NegTokenResp, RawToken
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted, MechanismAcceptor
from refserver.gss.kerberos_acceptor import KerberosAcceptor
from refserver.gss.ntlm_acceptor import NtlmAcceptor
from refserver.server.config import ServerConfig

__all__ = ["Acceptor", "negotiate_token"]

_KERBEROS = (Mechanism.KERBEROS, Mechanism.MS_KERBEROS)


def negotiate_token(config: ServerConfig) -> bytes:
    """The NegTokenInit2 of a NEGOTIATE response: which mechanisms there are (MS-SPNG 2.2.1).

    The optional negHints, whose one text asks to be ignored, are left out: tshark takes them for a malformed token.
    """
    kerberos = (Mechanism.MS_KERBEROS, Mechanism.KERBEROS) if config.keytab else ()
    return NegTokenInit((*kerberos, Mechanism.NTLM)).build()


class Acceptor:
    """One authentication, over as many SESSION_SETUPs as it takes."""

    def __init__(self, config: ServerConfig, random: Callable[[int], bytes]) -> None:
        self._config = config
        self._random = random
        self._pending = b""
        self._mechanism: MechanismAcceptor | None = None
        self._bare = False
        self._list = b""  # MechTypeList as the client sent it, which a MIC covers
        self._needs_mic = False
        self._verified = False

    def step(self, buffer: bytes, now: int) -> tuple[bytes, Accepted | None]:
        """The token that answers the client's, and who it is once that is known.

        Raises:
            StatusError: the logon fails, for a malformed token with INVALID_PARAMETER.
        """
        self._pending += buffer
        try:
            if len(self._pending) > spnego.MAX_TOKEN:
                raise ParseError("a token of that size")
            if spnego.missing_bytes(self._pending):
                return b"", None  # more comes with the next request (MS-SPNG 3.1.5.6)
            whole, self._pending = self._pending, b""
            return self._step(whole, now)
        except ParseError:
            raise StatusError(ntstatus.STATUS_INVALID_PARAMETER) from None

    def _step(self, buffer: bytes, now: int) -> tuple[bytes, Accepted | None]:
        match spnego.parse(buffer):
            case NegTokenInit() as first if self._mechanism is None:
                return self._begin(first, now)
            case NegTokenResp() as token if self._mechanism is not None and not self._bare:
                return self._continue(token, now)
            case RawToken(mechanism=mechanism, token=inner):
                return self._step_bare(mechanism, inner, now)
        raise ParseError("a token that does not belong there")

    def _step_bare(self, mechanism: str, inner: bytes, now: int) -> tuple[bytes, Accepted | None]:
        if self._mechanism is None:
            self._bare = True
            self._mechanism = self._acceptor_of(mechanism)
        if self._mechanism is None or not self._bare:
            raise StatusError(ntstatus.STATUS_LOGON_FAILURE)
        return self._mechanism.step(inner, now), self._mechanism.accepted

    def _begin(self, token: NegTokenInit, now: int) -> tuple[bytes, Accepted | None]:
        """Take the client's first mechanism that is known here, and its token if it is for that one."""
        chosen = next((oid for oid in token.mech_types if self._acceptor_of(oid) is not None), None)
        if chosen is None:
            raise StatusError(ntstatus.STATUS_LOGON_FAILURE)
        mechanism = self._mechanism = self._acceptor_of(chosen)
        assert mechanism is not None  # it was found above
        self._list = der.build(der.SEQUENCE, *(der.build_oid(oid) for oid in token.mech_types))
        preferred = token.mech_types[0]
        same = preferred == chosen or (preferred in _KERBEROS and chosen in _KERBEROS)
        self._needs_mic = not same
        if not same or not token.mech_token:
            state = NegState.ACCEPT_INCOMPLETE if same else NegState.REQUEST_MIC
            return NegTokenResp(state, chosen).build(), None
        return self._wrap(mechanism, mechanism.step(token.mech_token, now), token.mech_list_mic, chosen)

    def _continue(self, token: NegTokenResp, now: int) -> tuple[bytes, Accepted | None]:
        mechanism = self._mechanism
        assert mechanism is not None  # `_step` has seen it
        inner = b""
        if token.response_token:
            inner = mechanism.step(token.response_token, now)
        elif mechanism.accepted is None:
            raise ParseError("a token without a token of the mechanism")
        return self._wrap(mechanism, inner, token.mech_list_mic, None)

    def _wrap(
        self, mechanism: MechanismAcceptor, inner: bytes, client_mic: bytes | None, chosen: str | None
    ) -> tuple[bytes, Accepted | None]:
        """The answer in SPNEGO's frame; where the MIC is needed and has not come, one more leg."""
        accepted = mechanism.accepted
        if accepted is None:
            return NegTokenResp(NegState.ACCEPT_INCOMPLETE, chosen, inner or None).build(), None
        if client_mic is not None:
            if not mechanism.verify(self._list, client_mic):
                raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
            self._verified = True
        if self._needs_mic and not self._verified and accepted.session_key is not None:
            mic = mechanism.mic(self._list)
            return NegTokenResp(NegState.ACCEPT_INCOMPLETE, chosen, inner or None, mic).build(), None
        mic = mechanism.mic(self._list) if self._verified else None
        return NegTokenResp(NegState.ACCEPT_COMPLETED, chosen, inner or None, mic).build(), accepted

    def _acceptor_of(self, mechanism: str) -> MechanismAcceptor | None:
        if mechanism in _KERBEROS and self._config.keytab:
            return KerberosAcceptor(self._config, self._random)
        if mechanism == Mechanism.NTLM:
            return NtlmAcceptor(self._config, self._random)
        return None
