"""Until when tickets are valid, by every kind of key. Witness: tshark, which decrypts with the same keytab."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parsers.capture.open import open_captures
from parsers.gss import der
from parsers.gss.kerberos import crypto, kdc
from parsers.gss.kerberos.asn1 import build_fields, build_integer, build_list, build_octets, build_text
from parsers.gss.kerberos.kdc import KdcReply, PaData
from parsers.gss.kerberos.names import Etype, KeyUsage, PaType, TicketFlags
from parsers.gss.ntlm import crypto as ntlm
from parsers.kdc import lifetimes
from parsers.kdc.lifetimes import LifetimeReader
from parsers.keys import ccache, keytab
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import Credential, KeyStore
from parsers.pipeline import decode
from parsers.times import NANOSECONDS
from tests.parsers.gss.kerberos.samples import MIT_CACHES, RC4_KEY
from tests.parsers.kdc.conversation import AS_REP, TGS_REP

LOGON = kdc.parse(AS_REP)
SERVICE = kdc.parse(TGS_REP)
PASSWORD = Credential("Alice", None, password="Passw0rd!")
FLAGS = TicketFlags.FORWARDABLE | TicketFlags.RENEWABLE | TicketFlags.INITIAL | TicketFlags.PRE_AUTHENT
HOUR = 3600 * NANOSECONDS


def store(*secrets: object) -> KeyStore:
    keys = KeyStore()
    for secret in secrets:
        keys.add(secret)
    return keys


def service_key(entry: object = RC4_KEY, **changes: object) -> KeytabEntry:
    fields = {"principal": entry.principal, "realm": entry.realm, "kvno": entry.kvno, "etype": entry.etype}
    return KeytabEntry(**(fields | {"key": entry.key, "timestamp": 0, "provenance": "a keytab"} | changes))


def client_key(password: str = "Passw0rd!", name: str = "alice", etype: int = 18) -> KeytabEntry:
    salt = crypto.default_salt(realm="EXAMPLE.TEST", components=("alice",))
    key = crypto.string_to_key(etype=etype, password=password, salt=salt)
    return KeytabEntry(name, "EXAMPLE.TEST", 1, etype, key, 0, "a keytab")


def with_etype_info(salt: str | None, count: int | None) -> KdcReply:
    """The answer to a logon with another PA-ETYPE-INFO2 (RFC 4120 5.2.7.5)."""
    entry = build_fields(
        (0, build_integer(18)),
        (1, None if salt is None else build_text(salt)),
        (2, None if count is None else build_octets(count.to_bytes(4, "big"))),
    )
    return replace(LOGON, padata=(PaData(PaType.ETYPE_INFO2, build_list(entry)),))


def test_without_a_key_nothing_is_known():
    assert LifetimeReader(KeyStore()).read(LOGON) is None
    assert LifetimeReader(KeyStore()).read(SERVICE) is None


@pytest.mark.parametrize("key", [PASSWORD, client_key()], ids=["password", "keytab"])
def test_a_key_of_the_client_opens_the_answer_to_a_logon(key):
    found = LifetimeReader(store(key)).read(LOGON)
    assert (found.client, found.client_realm) == ("alice", "EXAMPLE.TEST")
    assert found.flags & FLAGS == FLAGS
    assert found.end - found.start == 10 * HOUR
    assert found.renew_till - found.start == 168 * HOUR
    assert "alice" in found.source.casefold()
    assert "Passw0rd" not in repr(found)


@pytest.mark.parametrize(
    "key",
    [
        replace(PASSWORD, password="Passw0rd"),
        replace(PASSWORD, user="bob"),
        Credential("alice", None, nt_hash=ntlm.nt_owf_v1(password="Passw0rd!")),  # opens RC4 alone
        client_key("another"),
        client_key(name="bob"),
        client_key(etype=17),
        replace(client_key(), key=b"short"),
    ],
)
def test_no_other_key_opens_it(key):
    assert LifetimeReader(store(key)).read(LOGON) is None


@pytest.mark.parametrize(
    "other",
    [replace(client_key(), key=b"short"), Credential("alice", None, nt_hash=ntlm.nt_owf_v1(password="Passw0rd!"))],
)
def test_a_key_that_cannot_be_right_does_not_stand_in_the_way(other):
    assert LifetimeReader(store(other, PASSWORD)).read(LOGON) is not None
    assert LifetimeReader(store(other, client_key())).read(LOGON) is not None


@pytest.mark.parametrize("password", [True, False], ids=["password", "NT hash"])
def test_an_rc4_answer_opens_with_the_nt_hash(password):
    nt_hash = ntlm.nt_owf_v1(password="Passw0rd!")
    part = LOGON.enc_part
    plain = crypto.decrypt(etype=18, key=client_key().key, usage=KeyUsage.AS_REP, data=part.cipher)
    cipher = crypto.encrypt(etype=23, key=nt_hash, usage=KeyUsage.AS_REP, plaintext=plain, confounder=bytes(8))
    reply = replace(LOGON, enc_part=replace(part, etype=Etype.RC4_HMAC, cipher=cipher))
    key = PASSWORD if password else Credential("ALICE", "CORPUS", nt_hash=nt_hash)
    assert LifetimeReader(store(key)).read(reply).end == LifetimeReader(store(PASSWORD)).read(LOGON).end
    assert LifetimeReader(store(replace(PASSWORD, password="x"))).read(reply) is None


def test_a_key_of_the_service_opens_the_ticket():
    found = LifetimeReader(store(service_key())).read(SERVICE)
    assert (found.client, found.end - found.start) == ("alice", 10 * HOUR)
    assert found.source.endswith("kvno 1 rc4-hmac of a keytab")
    assert not found.flags & TicketFlags.INITIAL
    assert LifetimeReader(store(service_key())).read(LOGON) is None


def test_a_key_of_the_client_opens_no_ticket_of_a_service():
    assert LifetimeReader(store(PASSWORD, client_key())).read(SERVICE) is None


def test_accounts_have_aliases_but_not_any_number():
    alias = service_key(principal="RC4SRV$")
    others = [service_key(principal=f"host{number}", key=bytes([number]) * 16) for number in range(16)]
    assert LifetimeReader(store(*others[:15], alias)).read(SERVICE).client == "alice"
    assert LifetimeReader(store(*others, alias)).read(SERVICE) is None
    assert LifetimeReader(store(*others, service_key())).read(SERVICE).client == "alice"  # by its name


def test_a_cached_ticket_is_known_by_its_bytes():
    entry = next(found for found in ccache.parse(MIT_CACHES[18], "a cache") if found.endtime and found.ticket)
    ticket = kdc.Ticket.parse(der.parse(entry.ticket))
    found = LifetimeReader(store(entry)).read(replace(SERVICE, ticket=ticket))
    assert (found.end, found.client) == (entry.endtime, entry.client)
    assert LifetimeReader(store(entry)).read(SERVICE) is None


@pytest.mark.parametrize(("salt", "count"), [("EXAMPLE.TESTalice", None), (None, 4096), ("EXAMPLE.TESTalice", 4096)])
def test_salt_and_count_are_those_that_the_kdc_says(salt, count):
    assert LifetimeReader(store(PASSWORD)).read(with_etype_info(salt, count)) is not None


@pytest.mark.parametrize(
    ("salt", "count"), [("EXAMPLE.TESTbob", None), (None, 4095), (None, 0), (None, 0xFFFF_FFFF), (None, 1 << 20)]
)
def test_another_salt_or_count_gives_another_key_or_none(salt, count):
    assert LifetimeReader(store(PASSWORD)).read(with_etype_info(salt, count)) is None


def test_the_work_that_a_capture_can_ask_for_is_bounded(monkeypatch):
    derived = []
    monkeypatch.setattr(crypto, "string_to_key", lambda **how: derived.append(how["iterations"]) or bytes(32))
    reader = LifetimeReader(store(PASSWORD))
    for number in range(1000):
        assert reader.read(with_etype_info(f"salt {number}", crypto.MAX_ITERATIONS)) is None
    assert sum(derived) <= lifetimes._ITERATIONS
    assert len(derived) == 16
    before = len(derived)
    reader.read(with_etype_info("salt 0", crypto.MAX_ITERATIONS))
    assert len(derived) == before  # the same again costs nothing


def test_padata_that_cannot_be_read_is_no_key():
    assert LifetimeReader(store(PASSWORD)).read(replace(LOGON, padata=(PaData(PaType.ETYPE_INFO2, b"\x30"),))) is None


@pytest.mark.parametrize("etype", [1, 16, 25, 99])
def test_what_is_encrypted_in_a_way_that_is_not_supported_stays_closed(etype):
    part = replace(LOGON.enc_part, etype=Etype(etype))
    reply = replace(LOGON, enc_part=part, ticket=replace(LOGON.ticket, enc_part=part))
    assert LifetimeReader(store(PASSWORD, client_key())).read(reply) is None


def test_the_reader_is_a_secret():
    with pytest.raises(TypeError, match="holds secrets"):
        LifetimeReader(store(PASSWORD)).__reduce_ex__(2)
    assert "Passw0rd" not in repr(vars(LifetimeReader(store(PASSWORD))))


# ----------------------------------------------------------------------------------------------- tshark

CAPTURES = {
    "samba/krb5_311_enc_aes-256-ccm.pcapng": "samba/krb/users.keytab",
    "samba/krb5_aes128_311_enc.pcap": "samba/krb/users.keytab",
    "samba/krb5_torture_expire1e.pcapng": "samba/krb/users.keytab",
    "faults/ad_krb5_pac_enc_aes128gcm.pcapng": "faults/krb/ad.keytab",
    "faults/ad_krb5_torture_expire1s.pcapng": "faults/krb/ad.keytab",
    "faults/ad_krb5_expire_smbclient_enc.pcapng": "faults/krb/ad.keytab",
}


@pytest.mark.witness
@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_decrypts_the_same_times(name: str, shared: Path, tshark: str) -> None:
    capture, keys = shared / "captures" / name, shared / "captures" / CAPTURES[name]
    command = [tshark, "-r", str(capture), "-K", str(keys), "-o", "kerberos.decrypt:TRUE", "-T", "fields"]
    command += ["-Y", "(kerberos.msg_type == 11 || kerberos.msg_type == 13) && !smb2", "-E", "aggregator=;"]
    command += [part for field in ("frame.number", "kerberos.endtime") for part in ("-e", field)]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    lines = (line.split("\t") for line in shown.splitlines())
    theirs = {int(frame): ends.split(";") for frame, ends in lines}
    loaded = store(*keytab.load(keys))
    rows = decode(open_captures(capture), loaded).kdc.exchanges.rows
    ours = {row.response_frame: row.lifetime.end for row in rows if row.lifetime is not None}
    for frame, end in ours.items():
        assert shown_time(end) in theirs[frame]
    # With the client's key tshark follows the session key of the TGT to other tickets; here those need the service's.
    opened = [row.response_frame for row in rows if row.outcome == "issued" and (row.kind == "AS" or "ad_" in name)]
    assert list(ours) == opened
    assert opened


def shown_time(nanoseconds: int) -> str:
    """As tshark writes times: `Nov 20, 2026 19:41:47.000000000 UTC`."""
    moment = datetime.fromtimestamp(nanoseconds // NANOSECONDS, UTC)
    return f"{moment:%b} {moment.day:2}, {moment:%Y %H:%M:%S}.000000000 UTC"
