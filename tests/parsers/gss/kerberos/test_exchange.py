"""Witnesses: GSS contexts of MIT Kerberos with the key that its API gave, logons of captures with the key that the
server logged, and the acceptor subkey that a signature of a Windows client proves."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from parsers.errors import ParseError
from parsers.gss.kerberos import crypto, token
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey, PrincipalName
from parsers.gss.kerberos.exchange import KerberosExchange
from parsers.gss.kerberos.messages import ApRep, Authenticator, EncApRepPart, KrbError
from parsers.gss.kerberos.names import ErrorCode, Etype, KeyUsage, NameType
from parsers.gss.kerberos.opening import OpenedTicket
from parsers.gss.ntlm.exchange import Proven, Unproven
from parsers.gss.spnego import Mechanism
from parsers.keys import ccache, keytab
from parsers.verdicts import Decryption, Signature
from tests.parsers.gss.kerberos.captured import exchanges
from tests.parsers.gss.kerberos.samples import (
    AD,
    AD_KEY,
    MIT_CACHES,
    MIT_KEYTAB,
    MIT_MUTUAL,
    MIT_ONE_SIDED,
    RC4,
    RC4_KEY,
)

KEYS = [*keytab.parse(MIT_KEYTAB, "srv.keytab"), AD_KEY, RC4_KEY]
LATER = 1795174500 * 10**9


def exchange_of(tokens: list[bytes]) -> KerberosExchange:
    exchange = KerberosExchange.from_tokens(tokens)
    assert exchange is not None
    return exchange


@pytest.mark.parametrize("sample", [*MIT_MUTUAL.values(), AD, RC4])
def test_the_key_of_the_context_is_found_with_a_keytab(sample):
    found = exchange_of(sample.tokens).session_key(KEYS)
    assert isinstance(found, Proven)
    assert found.key == sample.session_key
    assert found.proof == "authenticator and AP-REP"
    assert found.provenance.endswith(" (AP-REP subkey)")
    assert sample.session_key.hex() not in repr(found)


@pytest.mark.parametrize("etype", MIT_MUTUAL)
@pytest.mark.parametrize("samples", [MIT_MUTUAL, MIT_ONE_SIDED])
def test_the_key_of_the_context_is_found_with_a_credentials_cache(etype, samples):
    found = exchange_of(samples[etype].tokens).session_key([], ccache.parse(MIT_CACHES[etype], "cc"))
    assert isinstance(found, Proven)
    assert found.key == samples[etype].session_key


@pytest.mark.parametrize("sample", MIT_ONE_SIDED.values())
def test_without_mutual_authentication_the_client_chooses_the_key(sample):
    found = exchange_of(sample.tokens).session_key(KEYS)
    assert isinstance(found, Proven)
    assert found.key == sample.session_key
    assert found.proof == "authenticator"
    assert found.provenance.endswith(" (authenticator subkey)")


def test_the_provenance_names_client_service_key_and_file():
    found = exchange_of(MIT_MUTUAL[20].tokens).session_key(KEYS)
    assert isinstance(found, Proven)
    assert found.provenance == (
        "Kerberos logon of alice@KRB.TEST to cifs/srv20.krb.test@KRB.TEST with cifs/srv20.krb.test@KRB.TEST kvno 2 "
        "aes256-cts-hmac-sha384-192 of srv.keytab (AP-REP subkey)"
    )


def test_what_shows_without_any_key():
    exchange = exchange_of(MIT_MUTUAL[18].tokens)
    assert (exchange.service, exchange.realm) == ("cifs/srv18.krb.test", "KRB.TEST")
    assert exchange.service_principal == "cifs/srv18.krb.test@KRB.TEST"
    assert (exchange.etype, exchange.kvno) == (Etype.AES256_CTS_HMAC_SHA1_96, 2)
    assert exchange.mechanism == Mechanism.KERBEROS
    assert not exchange.is_user_to_user
    assert exchange.error is None


def test_tokens_of_others_are_passed_over():
    ntlm = b"NTLMSSP\x00\x01\x00\x00\x00" + bytes(24)
    assert KerberosExchange.from_tokens([]) is None
    assert KerberosExchange.from_tokens([ntlm, b"NEGOEXTS", AD.ap_rep]) is None
    found = exchange_of([ntlm, *AD.tokens]).session_key(KEYS)
    assert isinstance(found, Proven)
    assert found.key == AD.session_key


def test_a_malformed_token_is_refused():
    with pytest.raises(ParseError):
        KerberosExchange.from_tokens([AD.ap_req[:-1]])


def test_messages_without_a_frame_are_understood():
    bare = [token.parse(data).content for data in AD.tokens]
    exchange = exchange_of(bare)
    assert exchange.mechanism is None
    found = exchange.session_key(KEYS)
    assert isinstance(found, Proven)
    assert found.key == AD.session_key


# ----------------------------------------------------------------------------------------------- without the answer


def test_without_the_answer_a_key_of_aes_is_not_known():
    found = exchange_of([AD.ap_req]).session_key(KEYS)
    assert found == Unproven(
        Decryption.NO_HANDSHAKE,
        "the server's AP-REP to carol@AD.EXAMPLE.TEST, which has its part of the key, is not in the capture",
    )


def test_without_the_answer_the_ticket_still_says_who_it_is():
    ticket = exchange_of([AD.ap_req]).open_ticket(KEYS)
    assert isinstance(ticket, OpenedTicket)
    assert ticket.principal == "carol@AD.EXAMPLE.TEST"


def test_without_the_answer_a_key_of_rc4_is_the_clients():
    # MS-KILE 3.1.1.2: with RC4 the server repeats the client's subkey.
    exchange = remade(exchange_of(MIT_MUTUAL[18].tokens), subkey=EncryptionKey(Etype.RC4_HMAC, b"sixteen bytes ok"))
    found = KerberosExchange(exchange.ap_req).session_key(KEYS)
    assert isinstance(found, Proven)
    assert found.key == b"sixteen bytes ok"
    assert found.provenance.endswith(" (authenticator subkey)")


# ----------------------------------------------------------------------------------------------- what was sealed anew


def seal(key: EncryptionKey, usage: KeyUsage, plain: bytes) -> EncryptedData:
    confounder = bytes(crypto.confounder_size(key.keytype))
    cipher = crypto.encrypt(etype=key.keytype, key=key.keyvalue, usage=usage, plaintext=plain, confounder=confounder)
    return EncryptedData(key.keytype, None, cipher)


def remade(
    exchange: KerberosExchange,
    *,
    subkey: EncryptionKey | None = None,
    reply_subkey: EncryptionKey | None = None,
    late: int = 0,
) -> KerberosExchange:
    """The exchange with these subkeys; `late` microseconds are added to the time that the answer repeats."""
    ticket = exchange.open_ticket(KEYS)
    assert isinstance(ticket, OpenedTicket)
    name = PrincipalName(NameType.PRINCIPAL, ("alice",))
    authenticator = Authenticator("KRB.TEST", name, None, 7, LATER, subkey)
    request = replace(
        exchange.ap_req,
        authenticator=seal(ticket.session_key, KeyUsage.AP_REQ_AUTHENTICATOR, authenticator.build()),
    )
    reply = EncApRepPart(LATER, 7 + late, reply_subkey)
    return KerberosExchange(request, ApRep(seal(ticket.session_key, KeyUsage.AP_REP, reply.build())))


FIRST = EncryptionKey(Etype.AES128_CTS_HMAC_SHA1_96, b"the first key..!")
SECOND = EncryptionKey(Etype.AES256_CTS_HMAC_SHA1_96, b"the second key, of 32 bytes....!")


@pytest.mark.parametrize(
    ("subkey", "reply_subkey", "chosen"),
    [(FIRST, SECOND, "AP-REP subkey"), (FIRST, None, "authenticator subkey"), (None, None, "ticket session key")],
)
def test_the_answers_key_goes_before_the_clients_and_that_before_the_tickets(subkey, reply_subkey, chosen):
    exchange = remade(exchange_of(MIT_MUTUAL[18].tokens), subkey=subkey, reply_subkey=reply_subkey)
    ticket = exchange.open_ticket(KEYS)
    assert isinstance(ticket, OpenedTicket)
    found = exchange.session_key_of(ticket)
    assert isinstance(found, Proven)
    assert found.key == (reply_subkey or subkey or ticket.session_key).keyvalue
    assert found.provenance.endswith(f" ({chosen})")


def test_an_answer_to_another_request_is_found():
    found = remade(exchange_of(MIT_MUTUAL[18].tokens), subkey=FIRST, late=1).session_key(KEYS)
    assert found == Unproven(
        Decryption.DAMAGED, "the ticket of alice@KRB.TEST is open, but the AP-REP answers another AP-REQ"
    )


def test_the_answer_of_another_exchange_is_found():
    found = exchange_of([MIT_MUTUAL[18].ap_req, AD.ap_rep]).session_key(KEYS)
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.DAMAGED
    assert found.reason.endswith("its session key does not open the AP-REP")


def test_a_damaged_authenticator_is_found():
    exchange = exchange_of(MIT_MUTUAL[18].tokens)
    part = exchange.ap_req.authenticator
    changed = replace(part, cipher=part.cipher[:-1] + bytes((part.cipher[-1] ^ 1,)))
    found = KerberosExchange(replace(exchange.ap_req, authenticator=changed), exchange.answer).session_key(KEYS)
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.DAMAGED
    assert found.reason.endswith("its session key does not open the authenticator")


def test_a_key_of_another_size_is_refused():
    found = remade(
        exchange_of(MIT_MUTUAL[18].tokens), subkey=EncryptionKey(Etype.DES_CBC_MD5, b"8 bytes!")
    ).session_key(KEYS)
    assert isinstance(found, Unproven)
    assert found.reason.endswith("the authenticator subkey has 8 bytes")


def test_a_session_key_that_is_not_supported_is_named():
    exchange = exchange_of(MIT_MUTUAL[18].tokens)
    part = replace(exchange.ap_req.authenticator, etype=Etype.DES_CBC_MD5)
    found = KerberosExchange(replace(exchange.ap_req, authenticator=part), exchange.answer).session_key(KEYS)
    assert found == Unproven(
        Decryption.UNSUPPORTED, "the Kerberos logon of alice@KRB.TEST: des-cbc-md5 is not supported"
    )


def test_a_closed_ticket_says_why():
    found = exchange_of(AD.tokens).session_key([])
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.NO_KEY
    assert found.reason.startswith(
        "Kerberos logon to cifs/dc1.ad.example.test@AD.EXAMPLE.TEST: give the service's keytab"
    )


# ----------------------------------------------------------------------------------------------- refusals


def refusal(code: ErrorCode) -> bytes:
    name = PrincipalName(NameType.SRV_INST, ("cifs", "srv18.krb.test"))
    return token.build(KrbError(LATER, 0, code, "KRB.TEST", name))


def test_a_refusal_is_shown():
    exchange = exchange_of([MIT_MUTUAL[18].ap_req, refusal(ErrorCode.KRB_AP_ERR_MODIFIED)])
    assert exchange.error is not None
    assert exchange.error.error_code is ErrorCode.KRB_AP_ERR_MODIFIED
    assert exchange.session_key(KEYS) == Unproven(
        Decryption.NO_HANDSHAKE, "the server refused the ticket of alice@KRB.TEST: KRB_AP_ERR_MODIFIED"
    )


def test_after_a_refusal_the_second_request_counts():
    # MS-KILE 3.2.5.8: the client corrects its clock and sends another AP-REQ.
    first, second = MIT_ONE_SIDED[18], MIT_MUTUAL[18]
    tokens = [first.ap_req, second.ap_req, refusal(ErrorCode.KRB_AP_ERR_SKEW), second.ap_rep]
    for order in (tokens, [*tokens[:2], tokens[3], tokens[2]]):
        exchange = exchange_of(order)
        assert exchange.error is None
        found = exchange.session_key(KEYS)
        assert isinstance(found, Proven)
        assert found.key == second.session_key


# ----------------------------------------------------------------------------------------------- captures

SAMBA = (
    "krb5_210_signed.pcapng", "krb5_311_enc_aes-256-ccm.pcapng", "krb5_aes128_311_enc.pcap", "krb5_rc4_311_enc.pcapng",
    "krb5_torture_bind.pcapng", "krb5_torture_expire1e.pcapng", "krb5_torture_expire1n.pcapng",
    "krb5_torture_expire2s.pcapng", "krb5_torture_reauth.pcapng",
)  # fmt: skip
FAULTS = ("expire_smbclient_enc", "pac_enc_aes128gcm", "torture_expire1s", "torture_expire2e", "torture_reauth1")


def facts_of(capture: Path) -> dict:
    return json.loads(capture.with_suffix(".json").read_text())


def check_capture(capture: Path, keys: list[keytab.KeytabEntry]) -> list[OpenedTicket]:
    """Every logon is opened; the first of each session has the key which the server logged for it."""
    facts = facts_of(capture)
    logged = {int(row["session_id"], 16): row["session_key"] for row in facts["debug_encryption_session_keys"]}
    found: dict[int, list[str]] = {}
    tickets = []
    for setup, exchange in exchanges(capture):
        ticket = exchange.open_ticket(keys)
        assert isinstance(ticket, OpenedTicket), ticket
        key = exchange.session_key_of(ticket)
        assert isinstance(key, Proven), key
        tickets.append(ticket)
        found.setdefault(setup.session_id, []).append(key.key.hex())
    assert found
    assert all(logged[session] in found[session] for session in logged)
    return tickets


@pytest.mark.parametrize("name", SAMBA)
def test_the_keys_which_samba_logged_are_found(name, shared):
    folder = shared / "captures" / "samba"
    tickets = check_capture(folder / name, keytab.load(folder / "krb" / "smbsrv.keytab"))
    assert {ticket.principal for ticket in tickets} == {"alice@EXAMPLE.TEST"}
    assert {ticket.pac for ticket in tickets} == {None}  # the KDC was told to make none


@pytest.mark.parametrize("name", FAULTS)
def test_the_keys_and_the_groups_of_a_domain_controller_are_found(name, shared):
    folder = shared / "captures" / "faults"
    capture = folder / f"ad_krb5_{name}.pcapng"
    expected = facts_of(capture)["expected_pac"]
    groups = {sid for group, sid in expected["all_group_sids"].items() if group != "Helpdesk"}  # carol is in all others
    for ticket in check_capture(capture, keytab.load(folder / "krb" / "ad.keytab")):
        assert ticket.principal == f"carol@{expected['realm']}"
        assert ticket.pac is not None
        assert ticket.pac_signature is Signature.VALID
        assert ticket.pac.logon_info is not None
        assert ticket.pac.logon_info.user_sid == expected["user_sid"]
        assert ticket.pac.logon_info.logon_domain_name == expected["domain"]
        assert {group.sid for group in ticket.pac.logon_info.groups} == groups


def test_a_ticket_of_twenty_seconds_ends_after_twenty_seconds(shared):
    folder = shared / "captures" / "faults"
    keys = keytab.load(folder / "krb" / "ad.keytab")
    first, *_ = check_capture(folder / "ad_krb5_expire_smbclient_enc.pcapng", keys)
    assert first.endtime is not None
    assert first.starttime is not None
    assert first.endtime - first.starttime == 20 * 10**9


def test_a_ticket_for_the_wrong_account_shows_whose_key_opens_it(shared):
    folder = shared / "captures" / "faults"
    _, exchange = next(exchanges(folder / "ad_krb5_spn_wrong_account.pcapng"))
    entries = keytab.load(folder / "krb" / "ad.keytab")
    ticket = exchange.open_ticket(entries)
    assert isinstance(ticket, OpenedTicket)
    assert exchange.service == "cifs/files.ad.example.test"
    assert ticket.provenance.startswith("frank@AD.EXAMPLE.TEST kvno 2 rc4-hmac of ")
    without_frank = [entry for entry in entries if entry.principal != "frank"]
    assert exchange.session_key(without_frank) == Unproven(
        Decryption.NO_KEY, "no key for cifs/files.ad.example.test@AD.EXAMPLE.TEST in the keytab, and no other one fits"
    )


def test_the_key_of_an_smb1_session_is_found(shared):
    folder = shared / "captures" / "samba"
    _, exchange = next(exchanges(folder / "krb5_nt1_signed.pcapng"))
    found = exchange.session_key(keytab.load(folder / "krb" / "smbsrv.keytab"))
    assert isinstance(found, Proven)
    # The sidecar has it from tshark, and 51 SMB1 signatures were verified with it.
    computed = facts_of(folder / "krb5_nt1_signed.pcapng")["ntlm_auth_and_session_keys_computed_from_nt_hash"]
    assert found.key.hex() == computed[0]["exported_session_key"]


def test_the_key_of_a_windows_client_is_the_published_one(shared):
    folder = shared / "captures" / "public"
    with (folder / "keys" / "smb_known_keys.tsv").open() as file:
        known = {row["capture"]: row["session_key"] for row in csv.DictReader(file, delimiter="\t")}
    _, exchange = next(exchanges(folder / "zeek" / "krb" / "smb2_krb.pcap"))
    found = exchange.session_key(keytab.load(folder / "zeek" / "krb" / "smb2_krb.keytab"))
    assert isinstance(found, Proven)
    assert len(found.key) == 32
    assert found.key[:16].hex() == known["public/zeek/krb/smb2_krb.pcap"]


@pytest.mark.parametrize(
    ("name", "service", "mechanism"),
    [
        ("zeek/krb/smb_gssapi.pcap", "cifs/EDISK03A.housing.hksarg@HOUSING.HKSARG", Mechanism.KERBEROS),
        ("zeek/dce-rpc/kerberos445_auth.pcapng", "cifs/BLACKCLOVER-DC@SRT-AD.LOCAL", Mechanism.KERBEROS),
        ("suricata/smb-filename/input.pcap", "cifs/podtronics-dc.podtronics.org@PODTRONICS.ORG", Mechanism.KERBEROS),
        (
            "suricata/smb-length-5786/input.pcap",
            "cifs/localhost@LKDC:SHA1.EE7C7BEB5178985C880BF8C24587E67DB363FC66",
            Mechanism.IAKERB,
        ),
    ],
)
def test_logons_of_other_peers_show_their_service(name, service, mechanism, shared):
    found = [exchange for _, exchange in exchanges(shared / "captures" / "public" / name)]
    assert {exchange.service_principal for exchange in found} == {service}
    assert {exchange.mechanism for exchange in found} == {mechanism}
    assert all(isinstance(exchange.answer, ApRep) for exchange in found)
    assert all(isinstance(exchange.session_key([]), Unproven) for exchange in found)
