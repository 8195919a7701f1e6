"""Tickets that were made without a KDC, opened with the key of their service."""

from random import Random

import pytest

from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.kerberos import crypto
from parsers.gss.kerberos.names import Etype, KeyUsage, TicketFlags
from parsers.gss.kerberos.pac import find_pac
from parsers.gss.kerberos.tickets import EncTicketPart, Ticket
from parsers.keys import ccache
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from refserver.gss.tickets import ClientTicket, from_ccache, mint
from tests.parsers.gss.kerberos.samples import MIT_CACHES

SECOND = 10**9
NOW = 1_790_000_000 * SECOND
ETYPES = (
    Etype.AES128_CTS_HMAC_SHA1_96,
    Etype.AES256_CTS_HMAC_SHA1_96,
    Etype.AES128_CTS_HMAC_SHA256_128,
    Etype.AES256_CTS_HMAC_SHA384_192,
    Etype.RC4_HMAC,
)


def service(etype: int) -> KeytabEntry:
    return KeytabEntry("cifs/server", "LAB.TEST", 3, etype, bytes(range(crypto.key_size(etype))), 0, "a test")


def opened(ticket: Ticket, key: KeytabEntry) -> EncTicketPart:
    part = ticket.enc_part
    plain = crypto.decrypt(etype=part.etype, key=key.key, usage=KeyUsage.TICKET, data=part.cipher)
    return EncTicketPart.parse(der.parse(plain))


def mint_one(key: KeytabEntry, **more: object) -> ClientTicket:
    return mint(key, client="alice", authtime=NOW, endtime=NOW + 60 * SECOND, random=Random(1).randbytes, **more)


@pytest.mark.parametrize("etype", ETYPES)
def test_the_service_finds_in_it_what_was_said(etype: Etype) -> None:
    key = service(etype)
    ticket = mint_one(key)
    inside = opened(Ticket.parse(der.parse(ticket.ticket.build())), key)
    assert (str(inside.cname), inside.crealm) == ("alice", "LAB.TEST")
    assert (inside.authtime, inside.starttime, inside.endtime) == (NOW, NOW, NOW + 60 * SECOND)
    assert inside.key == ticket.session_key
    assert inside.key.keytype == etype
    assert inside.flags & TicketFlags.PRE_AUTHENT
    assert (str(ticket.ticket.sname), ticket.ticket.realm, ticket.ticket.enc_part.kvno) == (
        "cifs/server",
        "LAB.TEST",
        3,
    )
    assert ticket.session_key.keyvalue.hex() not in repr(ticket)


def test_realm_encryption_type_and_pac_may_be_others() -> None:
    key = service(Etype.AES256_CTS_HMAC_SHA1_96)
    ticket = mint_one(key, realm="OTHER.TEST", etype=Etype.RC4_HMAC, pac=b"bytes of a PAC")
    inside = opened(ticket.ticket, key)
    assert (inside.crealm, ticket.realm) == ("OTHER.TEST", "OTHER.TEST")
    assert inside.key.keytype == Etype.RC4_HMAC
    assert find_pac(inside.authorization_data) == b"bytes of a PAC"


def test_the_same_random_bytes_give_the_same_ticket() -> None:
    key = service(Etype.AES256_CTS_HMAC_SHA1_96)
    assert mint_one(key) == mint_one(key)


def test_an_unknown_encryption_type_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        mint_one(service(Etype.RC4_HMAC), etype=1)


@pytest.mark.parametrize("etype", MIT_CACHES)
def test_a_ticket_of_a_credentials_cache_of_mit_is_taken(etype: int) -> None:
    credential = ccache.parse(MIT_CACHES[etype], "cc")[-1]
    ticket = from_ccache(credential)
    assert ticket.session_key.keyvalue == credential.key
    assert f"{ticket.ticket.sname}@{ticket.ticket.realm}" == f"{credential.server}@{credential.server_realm}"
    assert (ticket.client, ticket.realm, ticket.endtime) == (
        credential.client,
        credential.client_realm,
        credential.endtime,
    )


def test_a_cache_with_a_damaged_ticket_is_refused() -> None:
    damaged = CcacheCredential("a", "R", "s", "R", 18, bytes(32), None, None, None, None, 0, b"\x30\x80", "a test")
    with pytest.raises(ParseError):
        from_ccache(damaged)
