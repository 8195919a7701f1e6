"""What is inside of the recorded tickets, opened with their own keys."""

from parsers.gss import der
from parsers.gss.kerberos import crypto, token
from parsers.gss.kerberos.messages import ApReq
from parsers.gss.kerberos.names import KeyUsage
from parsers.gss.kerberos.pac import BufferType, Pac, find_pac
from parsers.gss.kerberos.tickets import EncTicketPart, Ticket
from parsers.keys import keytab
from tests.parsers.gss.kerberos.samples import AD, AD_KEY, MIT_KEYTAB, MIT_MUTUAL


def request_in(data: bytes) -> ApReq:
    """The AP-REQ in a token."""
    message = token.parse(data).message()
    assert isinstance(message, ApReq)
    return message


def plaintext(ticket: Ticket, key: bytes) -> bytes:
    """The encrypted part of a ticket."""
    part = ticket.enc_part
    return crypto.decrypt(etype=part.etype, key=key, usage=KeyUsage.TICKET, data=part.cipher)


def pac_of(ticket: Ticket, key: bytes) -> bytes:
    """The PAC in a ticket."""
    data = find_pac(EncTicketPart.parse(der.parse(plaintext(ticket, key))).authorization_data)
    assert data is not None
    return data


def buffer_of(pac: bytes, kind: BufferType) -> memoryview:
    """The bytes of one buffer of a PAC."""
    item = next(item for item in Pac.parse(pac).buffers if item.ul_type == kind)
    return memoryview(pac)[item.offset : item.offset + item.size]


MIT_KEYS = {entry.etype: entry.key for entry in keytab.parse(MIT_KEYTAB, "MIT")}
AD_PAC = pac_of(request_in(AD.ap_req).ticket, AD_KEY.key)
MIT_PACS = {etype: pac_of(request_in(sample.ap_req).ticket, MIT_KEYS[etype]) for etype, sample in MIT_MUTUAL.items()}
