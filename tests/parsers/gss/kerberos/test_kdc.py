"""Witnesses: what tshark shows of the messages of captured KDC exchanges, field by field."""

import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.kerberos import crypto, kdc
from parsers.gss.kerberos.asn1 import build_application, build_fields, build_integer
from parsers.gss.kerberos.kdc import EncKdcRepPart, EtypeInfo, KdcOptions, KdcReply, KdcRequest, PaData
from parsers.gss.kerberos.messages import KrbError
from parsers.gss.kerberos.names import ErrorCode, Etype, KeyUsage, MessageType, PaType, TicketFlags
from tests.parsers.gss.kerberos.captured import kdc_messages
from tests.parsers.gss.kerberos.samples import KDC_MESSAGES

CAPTURES = (
    *(f"samba/krb5_{name}" for name in ("210_signed.pcapng", "aes128_311_enc.pcap", "rc4_311_enc.pcapng")),
    "samba/krb5_torture_expire1e.pcapng",
    *(f"faults/ad_{name}.pcapng" for name in (
        "krb5_bad_password_disabled_unknown", "krb5_expire_smbclient_enc", "krb5_spn_wrong_account",
        "krb5_torture_reauth1", "ntlm_fallback_spn_unknown", "auth_lockout", "auth_heidi",
    )),
    *(f"public/zeek/krb/{name}.pcap" for name in ("kinit", "auth", "optional-service-name")),
    "public/suricata/krb5-kerberoasting/kerberoast.pcap",
    "public/suricata/krb5-request-frag-log/krb5-frag.pcap",
)  # fmt: skip
BETWEEN = "\x1e"


def test_the_messages_of_one_logon_in_order():
    first, refused, second, tgt, request, ticket = map(kdc.parse, KDC_MESSAGES)
    assert isinstance(first, KdcRequest)
    assert (first.msg_type, str(first.cname), str(first.sname)) == (MessageType.AS_REQ, "alice", "krbtgt/EXAMPLE.TEST")
    assert first.tgt is None
    assert isinstance(refused, KrbError)
    assert refused.error_code.name == "KDC_ERR_PREAUTH_REQUIRED"
    assert isinstance(second, KdcRequest)
    assert PaType.ENC_TIMESTAMP in [entry.padata_type for entry in second.padata]
    assert isinstance(tgt, KdcReply)
    assert (tgt.msg_type, tgt.crealm, str(tgt.cname)) == (MessageType.AS_REP, "EXAMPLE.TEST", "alice")
    assert isinstance(request, KdcRequest)
    assert (request.msg_type, str(request.sname)) == (MessageType.TGS_REQ, "cifs/rc4srv.example.test")
    assert request.tgt == tgt.ticket
    assert request.nonce == 2474822885  # written as a negative number
    assert request.kdc_options == KdcOptions.FORWARDABLE | KdcOptions.RENEWABLE
    assert isinstance(ticket, KdcReply)
    assert (ticket.ticket.enc_part.etype, ticket.ticket.enc_part.kvno) == (Etype.RC4_HMAC, 1)
    assert str(ticket.ticket.sname) == "cifs/rc4srv.example.test"


@pytest.mark.parametrize("place", range(len(KDC_MESSAGES)))
def test_no_prefix_of_a_message_is_taken_for_one(place):
    wire = KDC_MESSAGES[place]
    for length in range(len(wire)):
        with pytest.raises(ParseError):
            kdc.parse(wire[:length])
    with pytest.raises(ParseError, match="1 bytes follow"):
        kdc.parse(wire + b"\x00")


def test_a_request_has_the_type_of_its_tag():
    wire = build_application(10, (1, build_integer(5)), (2, build_integer(12)), (4, build_fields()))
    with pytest.raises(ParseError, match="msg-type 12 in a message with the tag of AS_REQ"):
        kdc.parse(wire)


@pytest.mark.parametrize("number", [20, 21, 22])
def test_private_messages_are_not_decoded(number):
    with pytest.raises(UnsupportedError, match="is not decoded"):
        kdc.parse(der.build(der.application(number), b"\x30\x00"))


def test_other_tags_are_no_messages():
    with pytest.raises(ParseError, match="no Kerberos message begins with tag 0x61"):
        kdc.parse(der.build(der.application(1), b"\x30\x00"))


def test_what_a_kdc_tells_the_client_of_a_ticket():
    """The plaintext of a real AS-REP, with the key of the password."""
    reply = kdc.parse(KDC_MESSAGES[3])
    assert isinstance(reply, KdcReply)
    salt = crypto.default_salt(realm="EXAMPLE.TEST", components=("alice",))
    key = crypto.string_to_key(etype=18, password="Passw0rd!", salt=salt)
    plain = crypto.decrypt(etype=18, key=key, usage=KeyUsage.AS_REP, data=reply.enc_part.cipher)
    part = EncKdcRepPart.parse(der.parse(plain))
    request = kdc.parse(KDC_MESSAGES[2])
    assert isinstance(request, KdcRequest)
    assert part.nonce == request.nonce
    assert (part.srealm, str(part.sname)) == ("EXAMPLE.TEST", "krbtgt/EXAMPLE.TEST")
    assert part.endtime - part.authtime == 10 * 3600 * 10**9
    assert TicketFlags.INITIAL in part.flags
    assert plain[0] == der.application(26)
    as_written = der.build(der.application(25), bytes(der.parse(plain).content))
    assert EncKdcRepPart.parse(der.parse(as_written)) == part
    for length in range(len(plain)):
        with pytest.raises(ParseError):
            EncKdcRepPart.parse(der.parse(plain[:length]))


def test_how_a_password_becomes_a_key_is_told_in_the_answer():
    reply = kdc.parse(KDC_MESSAGES[3])
    assert isinstance(reply, KdcReply)
    assert reply.etype_info == (EtypeInfo(Etype.AES256_CTS_HMAC_SHA1_96, "EXAMPLE.TESTalice", None),)
    assert replace(reply, padata=()).etype_info == ()
    with pytest.raises(ParseError):
        _ = replace(reply, padata=(PaData(PaType.ETYPE_INFO2, b"\x30\x02\x30\x00"),)).etype_info


@given(st.sampled_from(KDC_MESSAGES), st.data())
def test_any_damage_to_a_message_is_a_message_or_a_parse_error(message, data):
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed = kdc.parse(damaged)
        assert not isinstance(parsed, KdcRequest) or parsed.tgt is None or parsed.tgt.realm is not None
    except (ParseError, UnsupportedError):
        return


# ----------------------------------------------------------------------------------------------- tshark

FIELDS = (
    "msg_type", "error_code", "CNameString", "SNameString", "realm", "crealm", "till", "nonce", "ENCTYPE", "etype",
    "kvno", "stime", "susec",
)  # fmt: skip


def shown(tshark: str, capture: Path) -> list[dict[str, list[str]]]:
    """The messages of port 88, values of each field in order of the wire; frames with several are left out."""
    command = [tshark, "-r", str(capture), "-Y", "kerberos && (udp.port == 88 || tcp.port == 88)", "-T", "fields"]
    command += ["-E", f"aggregator={BETWEEN}", "-E", "occurrence=a"]
    command += [part for field in FIELDS for part in ("-e", f"kerberos.{field}")]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\n")
    rows = [
        dict(zip(FIELDS, (cell.split(BETWEEN) if cell else [] for cell in line.split("\t")), strict=True))
        for line in lines
        if line
    ]
    return [row for row in rows if row["msg_type"]]


def as_tshark_shows(message: kdc.Message) -> dict[str, Any]:
    """The fields that are compared, of one message."""
    match message:
        case KdcRequest():
            tgt = message.tgt
            return {
                "msg_type": [str(int(message.msg_type))] + (["14"] if tgt else []),
                "CNameString": list(message.cname.components) if message.cname else [],
                "SNameString": [
                    *(tgt.sname.components if tgt else ()),
                    *(message.sname.components if message.sname else ()),
                ],
                "realm": [*([tgt.realm] if tgt else []), message.realm],
                "nonce": [str(message.nonce)],
                "ENCTYPE": [str(int(etype)) for etype in message.etype],
                "kvno": [str(tgt.enc_part.kvno)] if tgt and tgt.enc_part.kvno is not None else [],
            }
        case KdcReply():
            parts = (message.ticket.enc_part, message.enc_part)
            return {
                "msg_type": [str(int(message.msg_type))],
                "CNameString": list(message.cname.components),
                "SNameString": list(message.ticket.sname.components),
                "realm": [message.ticket.realm],
                "crealm": [message.crealm],
                "etype": [str(int(part.etype)) for part in parts],
                "kvno": [str(part.kvno) for part in parts if part.kvno is not None],
            }
        case KrbError():
            return {
                "msg_type": ["30"],
                "error_code": [str(int(message.error_code))],
                "CNameString": list(message.cname.components) if message.cname else [],
                "SNameString": list(message.sname.components),
                "realm": [message.realm],
                "susec": [str(message.susec)],
            }
    raise AssertionError(message)


def comparable(facts: dict[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((name, tuple(values)) for name, values in facts.items()))


@pytest.mark.witness
@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_shows_the_same_of_every_message(name, shared, tshark):
    capture = shared / "captures" / name
    messages = [kdc.parse(data) for data in kdc_messages(capture)]
    ours = [as_tshark_shows(message) for message in messages]
    assert ours
    theirs = []
    for row in shown(tshark, capture):
        kinds = {kind: facts for facts in ours for kind in facts["msg_type"][:1]}
        fields = kinds[row["msg_type"][0]]
        # Before those of ticket, reply and body stand those of pre-authentication.
        row["etype"] = row["etype"][-2:]
        row["realm"] = row["realm"][-2 if row["msg_type"][0] == "12" else -1 :]
        theirs.append({field: row[field] for field in fields})
    assert Counter(map(comparable, ours)) == Counter(map(comparable, theirs))


@pytest.mark.parametrize(
    ("name", "errors"),
    [
        ("bad_password_disabled_unknown", {25: 2, 24: 1, 18: 1, 6: 1}),
        ("spn_wrong_account", {25: 1}),
    ],
)
def test_the_errors_that_the_capture_was_made_for_are_found(name, errors, shared):
    messages = map(kdc.parse, kdc_messages(shared / "captures" / "faults" / f"ad_krb5_{name}.pcapng"))
    codes = Counter(message.error_code for message in messages if isinstance(message, KrbError))
    assert {code: count for code, count in codes.items() if code != ErrorCode.KRB_ERR_RESPONSE_TOO_BIG} == errors
