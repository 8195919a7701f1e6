"""Witnesses: tickets of MIT and of Samba with the keytabs and credentials caches that MIT's tools wrote for them."""

from dataclasses import replace

import pytest

from parsers.gss.der import parse as parse_der
from parsers.gss.kerberos import crypto
from parsers.gss.kerberos.messages import ApReq
from parsers.gss.kerberos.names import ApOptions, Etype, KeyUsage, TicketFlags
from parsers.gss.kerberos.opening import OpenedTicket, is_user_to_user, open_ticket, service_principal
from parsers.gss.kerberos.tickets import AuthorizationEntry, EncTicketPart
from parsers.gss.ntlm.exchange import Unproven
from parsers.keys import ccache, keytab
from parsers.verdicts import Decryption, Signature
from tests.parsers.gss.kerberos.parts import request_in
from tests.parsers.gss.kerberos.samples import AD, AD_KEY, MIT_CACHES, MIT_KEYTAB, MIT_MUTUAL, RC4, RC4_KEY, Key

HOUR = 3600 * 10**9
KEYS = keytab.parse(MIT_KEYTAB, "srv.keytab")
OWN = {
    entry.etype: Key(entry.principal, entry.realm, entry.kvno, entry.etype, entry.key, entry.provenance)
    for entry in KEYS
}


MIT = {etype: request_in(sample.ap_req) for etype, sample in MIT_MUTUAL.items()}
CARRIED = request_in(AD.ap_req)


def opened(request: ApReq, keys=(), caches=()) -> OpenedTicket:
    found = open_ticket(request, keys, caches)
    assert isinstance(found, OpenedTicket), found
    return found


@pytest.mark.parametrize("etype", MIT)
def test_the_keytab_opens_the_ticket(etype):
    ticket = opened(MIT[etype], KEYS)
    assert ticket.principal == "alice@KRB.TEST"
    assert ticket.provenance.startswith(f"cifs/srv{etype}.krb.test@KRB.TEST kvno 2 ")
    assert ticket.provenance.endswith(" of srv.keytab")
    assert ticket.authtime is not None
    assert ticket.starttime == ticket.authtime  # which the ticket leaves out
    assert ticket.endtime == ticket.authtime + 10 * HOUR
    assert ticket.flags & TicketFlags.RENEWABLE
    assert ticket.pac_signature is Signature.VALID
    assert "keyvalue" not in repr(ticket)


@pytest.mark.parametrize("etype", MIT)
def test_the_credentials_cache_says_the_same_without_opening_it(etype):
    cached = opened(MIT[etype], (), ccache.parse(MIT_CACHES[etype], "cc"))
    ticket = opened(MIT[etype], KEYS)
    assert cached.provenance == f"cifs/srv{etype}.krb.test@KRB.TEST {ticket.provenance.split()[3]} of cc"
    assert cached.pac is None
    assert cached.pac_signature is Signature.NO_KEY
    for name in ("client", "client_realm", "authtime", "starttime", "endtime", "renew_till", "session_key"):
        assert getattr(cached, name) == getattr(ticket, name)
    assert cached.flags == ticket.flags


def test_a_ticket_opens_with_the_key_of_the_account_behind_its_name():
    assert service_principal(CARRIED) == "cifs/dc1.ad.example.test@AD.EXAMPLE.TEST"
    ticket = opened(CARRIED, [OWN[18], AD_KEY])
    assert ticket.provenance == "DC1$@AD.EXAMPLE.TEST kvno 1 aes256-cts-hmac-sha1-96 of a test"
    assert ticket.pac is not None
    assert ticket.pac_signature is Signature.VALID
    assert ticket.pac_problem is None


def test_what_opened_the_ticket_is_known():
    assert opened(MIT[18], [WRONG, OWN[18]]).source is OWN[18]
    (cached,) = (entry for entry in ccache.parse(MIT_CACHES[18], "cc") if entry.server.startswith("cifs/"))
    assert opened(MIT[18], caches=[cached]).source is cached


def test_a_key_with_a_wrong_number_or_name_is_tried_too_but_later():
    right = OWN[18]
    other = replace(right, principal="host/old.krb.test", kvno=9, provenance="another file")
    assert opened(MIT[18], [other]).provenance.endswith("of another file")
    same_number = replace(right, principal="x", provenance="number")
    for keys in ([other, same_number, right], [right, same_number, other]):
        assert opened(MIT[18], keys).provenance.endswith("of srv.keytab")
    assert opened(MIT[18], [other, same_number]).provenance.endswith("of number")
    assert opened(MIT[18], [replace(right, principal="CIFS/SRV18.krb.test")]).client == "alice"


def test_keys_of_wrong_sizes_are_passed_over():
    assert opened(MIT[18], [replace(OWN[18], key=b"short"), OWN[18]]).client == "alice"


SERVICE = "cifs/srv18.krb.test@KRB.TEST"
WRONG = replace(OWN[18], key=bytes(32))


@pytest.mark.parametrize(
    ("keys", "verdict", "reason"),
    [
        (
            [],
            Decryption.NO_KEY,
            f"Kerberos logon to {SERVICE}: give the service's keytab or the client's credentials cache",
        ),
        (
            [OWN[17], AD_KEY],
            Decryption.NO_KEY,
            f"no key for {SERVICE} in the keytab, and no other one fits",
        ),
        (
            [replace(OWN[17], principal="cifs/srv18.krb.test"), replace(OWN[18], etype=23)],
            Decryption.NO_KEY,
            f"the ticket for {SERVICE} needs a key of aes256-cts-hmac-sha1-96, the keytab has aes128-cts-hmac-sha1-96, "
            "rc4-hmac",
        ),
        (
            [replace(WRONG, kvno=3), replace(WRONG, kvno=1)],
            Decryption.NO_KEY,
            f"the ticket for {SERVICE} has kvno 2, the keytab has 1, 3",
        ),
        (
            [WRONG],
            Decryption.WRONG_KEY,
            f"the key for {SERVICE} with kvno 2 in srv.keytab does not open the ticket: the keytab is of another "
            "account or database, or the service's name is registered on another account",
        ),
    ],
)
def test_why_a_ticket_stays_closed_is_said_in_words(keys, verdict, reason):
    assert open_ticket(MIT[18], keys) == Unproven(verdict, reason)


def test_a_ticket_without_a_number_is_not_blamed_for_it():
    part = replace(MIT[18].ticket.enc_part, kvno=None)
    request = replace(MIT[18], ticket=replace(MIT[18].ticket, enc_part=part))
    assert opened(request, [replace(OWN[18], kvno=77)]).client == "alice"
    found = open_ticket(request, [WRONG])
    assert isinstance(found, Unproven)
    assert found.reason.startswith(f"the key for {SERVICE} in srv.keytab does not open the ticket")


def test_a_cache_with_another_ticket_is_mentioned():
    cached = ccache.parse(MIT_CACHES[18], "cc")
    older = replace(MIT[18].ticket.enc_part, cipher=b"another ticket")
    found = open_ticket(replace(MIT[18], ticket=replace(MIT[18].ticket, enc_part=older)), [], cached)
    assert isinstance(found, Unproven)
    assert found.reason == (
        f"Kerberos logon to {SERVICE}: give the service's keytab; the credentials cache has another ticket for it"
    )
    found = open_ticket(MIT[17], [WRONG], cached)
    assert isinstance(found, Unproven)
    assert found.reason == (
        "no key for cifs/srv17.krb.test@KRB.TEST in the keytab, and no other one fits; "
        "the credentials cache has no ticket for it"
    )


def test_a_ticket_that_is_empty_is_in_no_cache():
    empty = replace(MIT[18].ticket, enc_part=replace(MIT[18].ticket.enc_part, cipher=b""))
    found = open_ticket(replace(MIT[18], ticket=empty), [], ccache.parse(MIT_CACHES[18], "cc"))
    assert isinstance(found, Unproven)


def test_user_to_user_needs_the_clients_cache():
    request = replace(MIT[18], ap_options=MIT[18].ap_options | ApOptions.USE_SESSION_KEY)
    assert is_user_to_user(request)
    assert not is_user_to_user(MIT[18])
    assert open_ticket(request, KEYS) == Unproven(
        Decryption.NO_KEY,
        f"user-to-user ticket for {SERVICE}: no keytab opens it; give the client's credentials cache",
    )
    assert opened(request, KEYS, ccache.parse(MIT_CACHES[18], "cc")).client == "alice"


def test_an_encryption_type_that_is_not_supported_is_named():
    part = replace(MIT[18].ticket.enc_part, etype=Etype.DES_CBC_MD5)
    found = open_ticket(replace(MIT[18], ticket=replace(MIT[18].ticket, enc_part=part)), KEYS)
    reason = f"the ticket for {SERVICE} is encrypted with des-cbc-md5, which is not supported"
    assert found == Unproven(Decryption.UNSUPPORTED, reason)


def resealed(request: ApReq, key: Key, plain: bytes) -> ApReq:
    """The request with a ticket of this content."""
    cipher = crypto.encrypt(
        etype=key.etype,
        key=key.key,
        usage=KeyUsage.TICKET,
        plaintext=plain,
        confounder=bytes(crypto.confounder_size(key.etype)),
    )
    return replace(request, ticket=replace(request.ticket, enc_part=replace(request.ticket.enc_part, cipher=cipher)))


def test_a_ticket_that_opens_but_says_nothing_is_damaged():
    found = open_ticket(resealed(MIT[18], OWN[18], b"no ticket"), [OWN[18]])
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.DAMAGED
    assert found.reason.startswith(f"the ticket for {SERVICE} cannot be read: ")


def test_a_cipher_that_is_cut_off_is_damaged():
    request = replace(
        MIT[18], ticket=replace(MIT[18].ticket, enc_part=replace(MIT[18].ticket.enc_part, cipher=b"short"))
    )
    found = open_ticket(request, [OWN[18]])
    assert isinstance(found, Unproven)
    assert "too short" in found.reason


def test_a_pac_that_cannot_be_read_does_not_close_the_ticket():
    plain = crypto.decrypt(
        etype=23, key=RC4_KEY.key, usage=KeyUsage.TICKET, data=request_in(RC4.ap_req).ticket.enc_part.cipher
    )
    part = EncTicketPart.parse(parse_der(plain))
    broken = replace(part, authorization_data=(AuthorizationEntry(128, b"no PAC"),))  # type: ignore[arg-type]
    ticket = opened(resealed(request_in(RC4.ap_req), RC4_KEY, broken.build()), [RC4_KEY])
    assert ticket.pac is None
    assert ticket.pac_problem is not None
    assert ticket.pac_problem.startswith("the PAC cannot be read: ")
    assert ticket.session_key == part.key


def test_a_ticket_without_pac_has_none():
    ticket = opened(request_in(RC4.ap_req), [RC4_KEY])
    assert (ticket.pac, ticket.pac_problem, ticket.pac_signature) == (None, None, Signature.UNSIGNED)


def test_a_damaged_ticket_is_not_opened():
    wire = MIT[18].ticket.enc_part.cipher
    for place in range(0, len(wire), 16):
        damaged = bytearray(wire)
        damaged[place] ^= 0x80
        request = replace(
            MIT[18], ticket=replace(MIT[18].ticket, enc_part=replace(MIT[18].ticket.enc_part, cipher=bytes(damaged)))
        )
        found = open_ticket(request, KEYS)
        assert isinstance(found, Unproven)
        assert found.verdict is Decryption.WRONG_KEY
