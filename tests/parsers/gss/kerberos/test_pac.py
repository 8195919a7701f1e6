"""Witnesses: PACs of Samba's, of MIT's and of Windows' KDC, whose signatures are recomputed."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.kerberos import crypto, kdc
from parsers.gss.kerberos.asn1 import EncryptionKey
from parsers.gss.kerberos.names import AdType, Etype, KeyUsage
from parsers.gss.kerberos.pac import MAX_BUFFERS, BufferType, ClientInfo, Pac, UpnDnsInfo, UpnFlags, build, find_pac
from parsers.gss.kerberos.tickets import AuthorizationEntry, EncTicketPart, build_authorization_data
from parsers.keys import keytab
from parsers.verdicts import Signature
from tests.parsers.gss.kerberos.captured import exchanges, kdc_messages
from tests.parsers.gss.kerberos.parts import AD_PAC, MIT_KEYS, MIT_PACS, pac_of, plaintext, request_in
from tests.parsers.gss.kerberos.samples import AD, AD_KEY


def test_the_pac_of_a_domain_controller():
    pac = Pac.parse(AD_PAC)
    assert [item.ul_type for item in pac.buffers] == [
        BufferType.LOGON_INFO,
        BufferType.CLIENT_INFO,
        BufferType.UPN_DNS_INFO,
        BufferType.SERVER_CHECKSUM,
        BufferType.KDC_CHECKSUM,
        BufferType.TICKET_CHECKSUM,
        BufferType.FULL_CHECKSUM,
    ]
    assert pac.logon_info is not None
    sid = "S-1-5-21-2065874780-428014534-2331666465-1103"
    assert pac.logon_info.user_sid == sid
    authtime = EncTicketPart.parse(der.parse(plaintext(request_in(AD.ap_req).ticket, AD_KEY.key))).authtime
    assert pac.client_info == ClientInfo(authtime, "carol")
    assert pac.upn_dns_info == UpnDnsInfo("carol@ad.example.test", "AD.EXAMPLE.TEST", UpnFlags.EXTENDED, "carol", sid)
    assert pac.requestor_sid is None


def test_a_pac_without_logon_information():
    # MIT's KDC signs a PAC for accounts that are not of Active Directory as well.
    pac = Pac.parse(MIT_PACS[18])
    assert pac.logon_info is None
    assert pac.client_info is not None
    assert pac.client_info.name == "alice"


@pytest.mark.parametrize(
    ("pac", "key"), [(AD_PAC, AD_KEY.key), *((MIT_PACS[etype], MIT_KEYS[etype]) for etype in MIT_PACS)]
)
def test_the_servers_key_made_the_signature(pac, key):
    assert Pac.parse(pac).server_signature(key) is Signature.VALID
    assert Pac.parse(pac).server_signature(bytes(len(key))) is Signature.INVALID


@pytest.mark.parametrize("kind", [BufferType.CLIENT_INFO, BufferType.UPN_DNS_INFO, BufferType.FULL_CHECKSUM])
def test_a_changed_pac_is_found(kind):
    item = next(item for item in Pac.parse(AD_PAC).buffers if item.ul_type == kind)
    damaged = bytearray(AD_PAC)
    damaged[item.offset + item.size - 1] ^= 1
    assert Pac.parse(bytes(damaged)).server_signature(AD_KEY.key) is Signature.INVALID


def test_a_signature_that_cannot_be_checked_is_not_invalid():
    pac = Pac.parse(AD_PAC)
    assert pac.server_signature(bytes(16)) is Signature.NO_KEY
    server = next(item for item in pac.buffers if item.ul_type == BufferType.SERVER_CHECKSUM)
    unknown = bytearray(AD_PAC)
    unknown[server.offset : server.offset + 4] = (7).to_bytes(4, "little")
    assert Pac.parse(bytes(unknown)).server_signature(AD_KEY.key) is Signature.NO_KEY
    for size in (0, 3, 15):
        short = tuple(item._replace(size=size) if item is server else item for item in pac.buffers)
        assert replace(pac, buffers=short).server_signature(AD_KEY.key) is Signature.NO_KEY
    none = tuple(item for item in pac.buffers if item is not server)
    assert replace(pac, buffers=none).server_signature(AD_KEY.key) is Signature.UNSIGNED


def test_a_signature_of_hmac_md5_takes_any_key():
    # Type -138, as Windows signs for accounts with RC4 (MS-PAC 2.8); made here, for want of a recorded one.
    client = ClientInfo(None, "bob")
    blank = make_pac(
        (0x0A, bytes(8) + b"\x06\x00" + "bob".encode("utf-16-le")), (6, signed(bytes(16))), (7, signed(bytes(16)))
    )
    made = crypto.checksum(checksum_type=-138, key=b"any key", usage=KeyUsage.PAC_SIGNATURE, data=blank)
    pac = Pac.parse(blank.replace(signed(bytes(16)), signed(made), 1))
    assert pac.client_info == client
    assert pac.server_signature(b"any key") is Signature.VALID
    assert pac.server_signature(b"other key") is Signature.INVALID


def signed(value: bytes) -> bytes:
    return (-138).to_bytes(4, "little", signed=True) + value


def make_pac(*buffers: tuple[int, bytes]) -> bytes:
    """PACTYPE with these buffers, each at a multiple of 8 (MS-PAC 2.3)."""
    head, body = len(buffers).to_bytes(4, "little") + bytes(4), b""
    start = 8 + 16 * len(buffers)
    for kind, data in buffers:
        head += b"".join(
            part.to_bytes(size, "little") for part, size in ((kind, 4), (len(data), 4), (start + len(body), 8))
        )
        body += data + bytes(-len(data) % 8)
    return head + body


@pytest.mark.parametrize("pac", [AD_PAC, MIT_PACS[17]])
def test_no_prefix_of_a_pac_is_taken_for_one(pac):
    end = max(item.offset + item.size for item in Pac.parse(pac).buffers)
    for length in range(end):
        with pytest.raises(ParseError):
            Pac.parse(pac[:length])


def test_the_first_of_two_buffers_of_a_kind_counts():
    name = (0x0A, bytes(8) + b"\x02\x00a\x00")
    assert Pac.parse(make_pac(name, (0x0A, bytes(8) + b"\x02\x00b\x00"))).client_info == ClientInfo(None, "a")


def test_unknown_buffers_are_kept():
    pac = Pac.parse(make_pac((0x7777, b"whatever")))
    assert [(item.ul_type, item.size) for item in pac.buffers] == [(0x7777, 8)]
    assert pac.logon_info is pac.client_info is pac.upn_dns_info is pac.requestor_sid is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes.fromhex("0000000001000000"), "PAC of version 1"),
        ((MAX_BUFFERS + 1).to_bytes(8, "little"), f"with {MAX_BUFFERS + 1} buffers"),
        (make_pac((1, b"x" * 8))[:8] + bytes.fromhex("0100000008000000ffffffffffffffff"), "leaves the"),
        (make_pac((0x0A, bytes(8) + b"\xff\xff")), "PAC_CLIENT_INFO name needs 65535 bytes"),
        (make_pac((0x0C, bytes.fromhex("0200ffff000000000000000000"))), "UPN at 65535"),
        (make_pac((0x0C, bytes.fromhex("000000000000000002000000"))), "UpnDnsExtension needs 8 bytes"),
        (make_pac((0x12, b"\x01\x05")), "SID"),
    ],
)
def test_malformed_pacs_are_refused(data, reason):
    with pytest.raises(ParseError, match=reason):
        Pac.parse(data)


def test_the_pac_is_found_in_its_wrapping():
    entry = AuthorizationEntry(AdType.WIN2K_PAC, b"pac")
    wrapped = AuthorizationEntry(AdType.IF_RELEVANT, build_authorization_data((entry,)))
    other = AuthorizationEntry(AdType.ETYPE_NEGOTIATION, b"x")
    assert find_pac((other, wrapped)) == find_pac((entry, other)) == b"pac"
    assert find_pac((other,)) is None
    with pytest.raises(ParseError):
        find_pac((AuthorizationEntry(AdType.IF_RELEVANT, b"\x30\x05"),))


@given(st.sampled_from([AD_PAC, MIT_PACS[20]]), st.data())
def test_any_damage_is_a_pac_or_a_parse_error(pac, data):
    damaged = bytearray(pac)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, min(len(pac) - 1, 200)))] = data.draw(st.integers(0, 255))
    try:
        Pac.parse(bytes(damaged)).server_signature(AD_KEY.key)
    except ParseError:
        return


def test_the_signature_of_windows_is_recomputed(shared):
    folder = shared / "captures" / "public" / "zeek" / "krb"
    _, exchange = next(exchanges(folder / "smb2_krb.pcap"))
    entry = next(entry for entry in keytab.load(folder / "smb2_krb.keytab") if entry.etype == exchange.etype)
    pac = Pac.parse(pac_of(exchange.ap_req.ticket, entry.key))
    assert pac.server_signature(entry.key) is Signature.VALID
    assert pac.upn_dns_info == UpnDnsInfo("wallior@ds.susq.com", "DS.SUSQ.COM", UpnFlags(0))
    assert pac.logon_info is not None
    assert len(pac.logon_info.groups) == 126


def test_the_ticket_of_the_ticket_service_names_who_asked_for_it(shared):
    folder = shared / "captures" / "faults"
    messages = map(kdc.parse, kdc_messages(folder / "ad_krb5_pac_enc_aes128gcm.pcapng"))
    ticket = next(message.ticket for message in messages if isinstance(message, kdc.KdcReply))
    entries = keytab.load(folder / "krb" / "ad.keytab")
    key = next(entry.key for entry in entries if entry.principal == "krbtgt" and entry.etype == ticket.enc_part.etype)
    pac = Pac.parse(pac_of(ticket, key))
    assert pac.requestor_sid == "S-1-5-21-2065874780-428014534-2331666465-1103"
    assert pac.server_signature(key) is Signature.VALID


@pytest.mark.parametrize("etype", [17, 18, 19, 20, 23])
def test_a_pac_that_is_built_is_signed_and_read_again(etype):
    found = Pac.parse(AD_PAC)
    assert found.logon_info is not None
    key = EncryptionKey(Etype(etype), bytes(range(crypto.key_size(etype))))
    client = ClientInfo(1_790_000_000 * 10**9, "carol")
    pac = Pac.parse(build(found.logon_info, client, service_key=key, kdc_key=EncryptionKey(Etype.RC4_HMAC, bytes(16))))
    assert (pac.logon_info, pac.client_info) == (found.logon_info, client)
    assert pac.server_signature(key.keyvalue) is Signature.VALID
    assert pac.server_signature(bytes(len(key.keyvalue))) is Signature.INVALID
    assert all(item.offset % 8 == 0 for item in pac.buffers)


@pytest.mark.witness
def test_samba_reads_a_pac_that_is_built(tmp_path):
    program = shutil.which("ndrdump")
    if program is None:
        pytest.skip("needs ndrdump, which is not installed")
    found = Pac.parse(AD_PAC)
    assert found.logon_info is not None
    key = EncryptionKey(Etype.AES256_CTS_HMAC_SHA1_96, bytes(32))
    path = tmp_path / "pac"
    path.write_bytes(build(found.logon_info, ClientInfo(1_790_000_000 * 10**9, "carol"), service_key=key, kdc_key=key))
    command = [program, "krb5pac", "PAC_DATA", "struct", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "dump OK" in text
    for expected in ("account_name             : 'carol'", "rid                      : 0x0000044f (1103)", "S-1-18-1"):
        assert expected in text


def test_a_key_that_signs_no_pac_is_refused():
    found = Pac.parse(AD_PAC)
    assert found.logon_info is not None
    key = EncryptionKey(Etype.DES_CBC_MD5, bytes(8))
    with pytest.raises(UnsupportedError, match="no checksum of a PAC"):
        build(found.logon_info, ClientInfo(None, ""), service_key=key, kdc_key=key)
