"""Witnesses: tickets that the KDCs of MIT and of Samba made, whose plaintexts are rebuilt byte for byte."""

from dataclasses import replace

import pytest

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos.names import AdType, Etype, TicketFlags
from parsers.gss.kerberos.tickets import AuthorizationEntry, EncTicketPart, Ticket, build_authorization_data, flatten
from tests.parsers.gss.kerberos.parts import MIT_KEYS, plaintext, request_in
from tests.parsers.gss.kerberos.samples import AD, AD_KEY, MIT_MUTUAL, RC4, RC4_KEY

HOUR = 3600 * 10**9


OPENED = [
    (request_in(AD.ap_req).ticket, AD_KEY.key),
    (request_in(RC4.ap_req).ticket, RC4_KEY.key),
    *((request_in(sample.ap_req).ticket, MIT_KEYS[etype]) for etype, sample in MIT_MUTUAL.items()),
]


@pytest.mark.parametrize("place", range(len(OPENED)))
def test_recorded_tickets_are_rebuilt_byte_for_byte(place):
    ticket, key = OPENED[place]
    wire = plaintext(ticket, key)
    assert Ticket.parse(der.parse(ticket.build())) == ticket
    assert EncTicketPart.parse(der.parse(wire)).build() == wire


@pytest.mark.parametrize("place", range(2))
def test_no_prefix_of_a_ticket_is_taken_for_one(place):
    ticket, key = OPENED[place]
    for wire, kind in ((ticket.build(), Ticket), (plaintext(ticket, key), EncTicketPart)):
        for length in range(len(wire)):
            with pytest.raises(ParseError):
                kind.parse(der.parse(wire[:length]))


def test_what_klist_shows_of_a_ticket_is_in_it():
    # klist -ef of the cache that it came from: valid 11/20/26 11:30:27 to 21:30:27, renew until 11/21/26 11:30:27, RT
    ticket, key = request_in(MIT_MUTUAL[20].ap_req).ticket, MIT_KEYS[20]
    part = EncTicketPart.parse(der.parse(plaintext(ticket, key)))
    assert (ticket.realm, str(ticket.sname)) == ("KRB.TEST", "cifs/srv20.krb.test")
    assert (ticket.enc_part.etype, ticket.enc_part.kvno) == (Etype.AES256_CTS_HMAC_SHA384_192, 2)
    assert (part.crealm, str(part.cname)) == ("KRB.TEST", "alice")
    assert part.starttime is None  # which means authtime (RFC 4120 5.3)
    assert part.authtime == 1795174227 * 10**9
    assert part.endtime == part.authtime + 10 * HOUR
    assert part.renew_till == part.authtime + 24 * HOUR
    shown = TicketFlags.RENEWABLE | TicketFlags.TRANSITED_POLICY_CHECKED
    assert part.flags == shown | TicketFlags.ENC_PA_REP  # for which klist has no letter
    assert len(part.key.keyvalue) == 32


def test_optional_fields_are_left_out():
    ticket, key = OPENED[0]
    part = EncTicketPart.parse(der.parse(plaintext(ticket, key)))
    bare = replace(part, starttime=None, renew_till=None, caddr=None, authorization_data=())
    assert EncTicketPart.parse(der.parse(bare.build())) == bare
    full = replace(part, caddr=b"\x30\x00")
    assert EncTicketPart.parse(der.parse(full.build())) == full


def wrapped(*entries: AuthorizationEntry) -> AuthorizationEntry:
    return AuthorizationEntry(AdType.IF_RELEVANT, build_authorization_data(entries))


def test_authorization_data_is_flattened_in_order():
    one, two, three = (AuthorizationEntry(AdType(number), b"data") for number in (128, 141, 999))
    assert flatten((one, wrapped(two, wrapped(three)), one)) == [one, two, three, one]


def test_authorization_data_is_not_flattened_without_end():
    entry = AuthorizationEntry(AdType.WIN2K_PAC, b"")
    for _ in range(5):
        entry = wrapped(entry)
    with pytest.raises(ParseError, match="nested deeper"):
        flatten((entry,))


def test_a_sequence_that_is_none_is_refused():
    ticket, key = OPENED[1]
    wire = plaintext(ticket, key)
    transited = wire.index(b"\xa4\x0b\x30") + 2
    with pytest.raises(ParseError, match="a SEQUENCE is expected"):
        EncTicketPart.parse(der.parse(wire[:transited] + b"\x31" + wire[transited + 1 :]))
