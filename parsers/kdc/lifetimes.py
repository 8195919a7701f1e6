"""How long the tickets that a KDC gives are valid, where a key shows it.

Nothing of that is in the clear. The ticket opens with a key of its service or a credentials cache, and the part for the
client of an AS-REP with a key of the client: from a keytab, a password, or for RC4 an NT hash.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import crypto
from parsers.gss.kerberos.crypto import TagError
from parsers.gss.kerberos.kdc import EncKdcRepPart, KdcReply
from parsers.gss.kerberos.names import Etype, KeyUsage, MessageType, TicketFlags, etype_name
from parsers.gss.kerberos.opening import find_ticket
from parsers.gss.kerberos.tickets import Ticket
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import Credential, KeyStore
from parsers.secret import Secret

__all__ = ["Lifetime", "LifetimeReader"]

_MAX_ALIASES = 16  # keys of other names that are tried on a ticket: accounts have aliases
_ITERATIONS = 1 << 24  # of PBKDF2 for a whole capture, which says itself how many a password takes: about ten seconds
_DEFAULT_ITERATIONS = 1 << 15  # the larger default (RFC 8009 4)


class Lifetime(NamedTuple):
    """What a key showed of a ticket. Times in nanoseconds; `source` says in words which key."""

    client: str
    client_realm: str
    flags: TicketFlags
    start: int | None
    end: int | None
    renew_till: int | None
    source: str


class LifetimeReader(Secret):
    """Opens what is in answers of KDCs with the keys of a store; it proves nothing else, and keeps no key."""

    def __init__(self, keys: KeyStore) -> None:
        self._ccache = keys.ccache
        self._credentials = keys.credentials
        self._iterations = _ITERATIONS
        self._derived: dict[tuple[int, str, bytes, int | None], bytes] = {}
        self._named: dict[tuple[str, int], list[KeytabEntry]] = {}
        self._aliases: dict[int, list[KeytabEntry]] = {}
        for entry in keys.keytab:
            name = f"{entry.principal}@{entry.realm}".casefold()
            self._named.setdefault((name, entry.etype), []).append(entry)
            self._aliases.setdefault(entry.etype, []).append(entry)

    def read(self, reply: KdcReply) -> Lifetime | None:
        """What is known of the ticket in an answer; None if no key fits, or what one opens is malformed."""
        try:
            return self._of_ticket(reply.ticket) or self._for_client(reply)
        except ParseError:
            return None

    def _of_ticket(self, ticket: Ticket) -> Lifetime | None:
        etype = ticket.enc_part.etype
        keys: Sequence[KeytabEntry] = self._keys_of(f"{ticket.sname}@{ticket.realm}", etype)
        opened = find_ticket(ticket, [*keys, *self._aliases.get(etype, [])[:_MAX_ALIASES]], self._ccache)
        if opened is None:
            return None
        start = opened.starttime or opened.authtime
        return Lifetime(
            opened.client, opened.client_realm, opened.flags, start, opened.endtime, opened.renew_till,
            opened.provenance,
        )  # fmt: skip

    def _for_client(self, reply: KdcReply) -> Lifetime | None:
        if reply.msg_type != MessageType.AS_REP or not crypto.is_supported(reply.enc_part.etype):
            return None
        part = reply.enc_part
        for key, source in self._keys_of_client(reply):
            try:
                plain = crypto.decrypt(etype=part.etype, key=key, usage=KeyUsage.AS_REP, data=part.cipher)
            except TagError:
                continue
            found = EncKdcRepPart.parse(der.parse(plain))
            start = found.authtime if found.starttime is None else found.starttime
            return Lifetime(str(reply.cname), reply.crealm, found.flags, start, found.endtime, found.renew_till, source)
        return None

    def _keys_of_client(self, reply: KdcReply) -> Iterator[tuple[bytes, str]]:
        etype, name = reply.enc_part.etype, str(reply.cname)
        for entry in self._keys_of(f"{name}@{reply.crealm}", etype):
            if len(entry.key) == crypto.key_size(etype):
                whose = f"{entry.principal}@{entry.realm} kvno {entry.kvno}"
                yield entry.key, f"{whose} {etype_name(etype)} of {entry.provenance}"
        for credential in self._credentials:
            if credential.user.casefold() == name.casefold():
                key = self._key_of(credential, reply)
                if key is not None:
                    yield key, f"{credential.account} of {credential.provenance}"

    def _keys_of(self, principal: str, etype: int) -> list[KeytabEntry]:
        return self._named.get((principal.casefold(), etype), [])

    def _key_of(self, credential: Credential, reply: KdcReply) -> bytes | None:
        """The user's key of the answer's encryption type; None if it cannot be made of what is known."""
        etype = reply.enc_part.etype
        if credential.password is None:
            return credential.nt_hash if etype == Etype.RC4_HMAC else None
        info = next((entry for entry in reply.etype_info if entry.etype == etype), None)
        salt = crypto.default_salt(realm=reply.crealm, components=reply.cname.components)
        if info is not None and info.salt is not None:
            salt = info.salt.encode()
        # RFC 3962 4: the count in four bytes.
        count = int.from_bytes(info.s2kparams, "big") if info is not None and info.s2kparams else None
        return self._derive(etype, credential.password, salt, count)

    def _derive(self, etype: int, password: str, salt: bytes, count: int | None) -> bytes | None:
        wanted = (etype, password, salt, count)
        if wanted not in self._derived:
            cost = _DEFAULT_ITERATIONS if count is None else count
            if cost > self._iterations:
                return None
            key = crypto.string_to_key(etype=etype, password=password, salt=salt, iterations=count)
            self._iterations -= cost
            self._derived[wanted] = key
        return self._derived[wanted]
