"""Who logs on with the tokens of a SESSION_SETUP run, and with which key."""

from dataclasses import dataclass
from itertools import chain

from parsers.errors import ParseError
from parsers.gss.kerberos.exchange import KerberosExchange
from parsers.gss.kerberos.opening import OpenedTicket
from parsers.gss.ntlm.exchange import NtlmExchange, Proven, Unproven
from parsers.gss.spnego import Mechanism, mechanism_name, mechanism_of, mechanism_tokens
from parsers.keys.store import KeyStore
from parsers.smb2.session import Authentication, SecurityContext
from parsers.verdicts import Decryption

__all__ = ["Logon"]


@dataclass(frozen=True, slots=True)
class Logon:
    """What the tokens show, and what the user's keys show of them.

    `key` is the session key with its proof, or why there is none. `who` is None where no token shows it: Kerberos hides
    the user in the ticket. `ticket` is there if a key opened it, `service` (`cifs/server@REALM`) without any.
    """

    mechanism: str | None
    key: Proven | Unproven
    who: SecurityContext | None = None
    service: str | None = None
    ticket: OpenedTicket | None = None

    @classmethod
    def of(cls, authentication: Authentication, store: KeyStore) -> "Logon":
        """Read the GSS tokens of one authentication (MS-SMB2 3.3.5.5.3, MS-SPNG)."""
        client, server = authentication.client_tokens, authentication.server_tokens
        try:
            mechanism = mechanism_of(client, server)
            tokens = [*chain(mechanism_tokens(client), mechanism_tokens(server))]
            ntlm = NtlmExchange.from_tokens(tokens)
            kerberos = None if ntlm is not None else KerberosExchange.from_tokens(tokens)
        except ParseError as error:
            problem = f"the logon's tokens cannot be read: {error.reason}"
            return cls(None, Unproven(Decryption.DAMAGED, problem))
        if ntlm is not None:
            who = SecurityContext(ntlm.user, ntlm.domain, ntlm.workstation)
            return cls(ntlm.version, ntlm.session_key(store.credentials), who)
        name = None if mechanism is None else mechanism_name(mechanism)
        if kerberos is not None:
            return cls._of_kerberos(name, kerberos, store)
        if name in _READ:
            return cls(name, Unproven(Decryption.NO_HANDSHAKE, "the logon is not whole in the capture"))
        return cls(name, Unproven(Decryption.UNSUPPORTED, f"{name} logon: give its session key"))

    @classmethod
    def _of_kerberos(cls, name: str | None, exchange: KerberosExchange, store: KeyStore) -> "Logon":
        opened = exchange.open_ticket(store.keytab, store.ccache)
        if isinstance(opened, Unproven):
            return cls(name, opened, service=exchange.service_principal)
        return cls(name, exchange.session_key_of(opened), _who(opened), exchange.service_principal, opened)


def _who(ticket: OpenedTicket) -> SecurityContext:
    """The client of a ticket; domain and groups as the domain controller wrote them, if it did (MS-PAC 2.5)."""
    pac = ticket.pac
    if pac is None or pac.logon_info is None:
        return SecurityContext(ticket.client, ticket.client_realm)
    logon = pac.logon_info
    return SecurityContext(
        ticket.client, logon.logon_domain_name, groups=tuple(map(str, logon.group_sids)), user_sid=str(logon.user_sid)
    )


# Of these mechanisms every logon that is whole can be read.
_READ = (None, *(mechanism_name(m) for m in (Mechanism.NTLM, Mechanism.KERBEROS, Mechanism.MS_KERBEROS)))
