"""The table `kdc` of every shared capture against tshark, field by field; other captures have no row."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analyzer import analyze
from parsers.gss.kerberos.names import ErrorCode, Etype
from tests.witness.decoding import captures, run, title

# Exchanges of each capture: all in which tshark shows traffic of a KDC.
EXCHANGES = {
    "faults/ad_auth_heidi.pcapng": 4,
    "faults/ad_auth_lockout.pcapng": 2,
    "faults/ad_krb5_bad_password_disabled_unknown.pcapng": 5,
    "faults/ad_krb5_expire_smbclient_enc.pcapng": 10,
    "faults/ad_krb5_pac_enc_aes128gcm.pcapng": 4,
    "faults/ad_krb5_spn_wrong_account.pcapng": 3,
    "faults/ad_krb5_torture_expire1s.pcapng": 15,
    "faults/ad_krb5_torture_expire2e.pcapng": 5,
    "faults/ad_krb5_torture_reauth1.pcapng": 7,
    "faults/ad_ntlm_fallback_spn_unknown.pcapng": 7,
    "public/suricata/krb5-kerberoasting/kerberoast.pcap": 1,
    "public/suricata/krb5-request-frag-log/krb5-frag.pcap": 3,
    "public/zeek/krb/auth.pcap": 1,
    "public/zeek/krb/kinit.pcap": 94,
    "public/zeek/krb/optional-service-name.pcap": 1,
    "samba/krb5_210_signed.pcapng": 3,
    "samba/krb5_311_enc_aes-256-ccm.pcapng": 3,
    "samba/krb5_aes128_311_enc.pcap": 3,
    "samba/krb5_nt1_signed.pcapng": 3,
    "samba/krb5_rc4_311_enc.pcapng": 3,
    "samba/krb5_torture_bind.pcapng": 3,
    "samba/krb5_torture_expire1e.pcapng": 9,
    "samba/krb5_torture_expire1n.pcapng": 9,
    "samba/krb5_torture_expire2s.pcapng": 3,
    "samba/krb5_torture_reauth.pcapng": 3,
}
REQUESTS, ANSWERS, ERROR = {"10": "AS", "12": "TGS"}, {"11": "AS", "13": "TGS"}, "30"
FIELDS = (
    "frame.number", "frame.time_epoch", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport",
    "kerberos.msg_type", "kerberos.error_code", "kerberos.CNameString", "kerberos.SNameString", "kerberos.realm",
    "kerberos.crealm", "kerberos.till", "kerberos.ENCTYPE", "kerberos.etype", "kerberos.e_text",
)  # fmt: skip
BETWEEN = "\x1e"
Shown = dict[str, list[str]]


def shown(tshark: str, capture: Path) -> list[Shown]:
    """The frames with traffic of a KDC, each with the values of each field in order of the wire."""
    command = [tshark, "-r", str(capture), "-Y", "kerberos.msg_type && (udp.port == 88 || tcp.port == 88)"]
    command += ["-T", "fields", "-E", f"aggregator={BETWEEN}"]
    command += [part for field in FIELDS for part in ("-e", field)]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\n")
    rows = ([cell.split(BETWEEN) if cell else [] for cell in line.split("\t")] for line in lines if line)
    return [dict(zip(FIELDS, row, strict=True)) for row in rows]


def number(frame: Shown) -> int:
    return int(frame["frame.number"][0])


def ends(frame: Shown) -> list[str]:
    ports = frame["udp.srcport"] + frame["udp.dstport"] or frame["tcp.srcport"] + frame["tcp.dstport"]
    return [f"{address}:{port}" for address, port in zip(frame["ip.src"] + frame["ip.dst"], ports, strict=True)]


def request_facts(frame: Shown) -> dict[str, Any]:
    """What a row must say of the request in this frame. A TGT, which comes first, has names of its own."""
    kind = REQUESTS[frame["kerberos.msg_type"][0]]
    names = frame["kerberos.SNameString"][2 if kind == "TGS" else 0 :]
    client, server = ends(frame)
    realm = frame["kerberos.realm"][-1]
    end = datetime.strptime(frame["kerberos.till"][-1][:21], "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
    facts = {
        "client": client,
        "server": server,
        "transport": "udp" if frame["udp.srcport"] else "tcp",
        "request": kind,
        "realm": realm,
        "service": f"{'/'.join(names)}@{realm}" if names else None,
        "requested_etypes": tuple(map(int, frame["kerberos.ENCTYPE"])),
        "requested_end": end if end.year > 1970 else None,
    }
    if kind == "AS":
        names = frame["kerberos.CNameString"]
        facts["principal"] = f"{'/'.join(names)}@{realm}" if names else None
    return facts


def answer_facts(frame: Shown) -> dict[str, Any]:
    """The same of an answer."""
    kind = frame["kerberos.msg_type"][0]
    server, client = ends(frame)
    facts: dict[str, Any] = {"client": client, "server": server, "response_time": frame["frame.time_epoch"][0]}
    if kind == ERROR:
        (code,) = frame["kerberos.error_code"]
        text = frame["kerberos.e_text"]
        return facts | {"error": ErrorCode(int(code)).name, "error_text": text[0] if text else None}
    ticket, reply = frame["kerberos.etype"][-2:]
    service = "/".join(frame["kerberos.SNameString"])
    return facts | {
        "request": ANSWERS[kind],
        "error": None,
        "ticket_etype": int(ticket),
        "reply_etype": int(reply),
        "ticket_service": f"{service}@{frame['kerberos.realm'][-1]}",
    }


def told(row: Any, names: set[str]) -> dict[str, Any]:
    """The same of a row of the table."""
    values = {name: None if pd.isna(getattr(row, name)) else getattr(row, name) for name in names}
    for name in names & {"ticket_etype", "reply_etype"}:
        values[name] = etype(values[name])
    if "requested_etypes" in names:
        values["requested_etypes"] = tuple(map(etype, values["requested_etypes"].split(", ")))
    if "response_time" in names:
        values["response_time"] = f"{row.response_time.value // 10**9}.{row.response_time.value % 10**9:09}"
    return values


def etype(name: str) -> int:
    """`aes128-cts-hmac-sha1-96` -> 17, "etype 3" -> 3."""
    return int(name[6:]) if name.startswith("etype ") else int(Etype[name.upper().replace("-", "_")])


@pytest.mark.witness
@pytest.mark.parametrize("name", EXCHANGES)
def test_every_request_and_every_answer_is_told_as_tshark_tells_it(name: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / name
    table = analyze(capture).kdc
    requests = {row.request_frame: row for row in table.itertuples() if not pd.isna(row.request_frame)}
    answers = {row.response_frame: row for row in table.itertuples() if not pd.isna(row.response_frame)}
    frames = shown(tshark, capture)
    asked = {number(frame): frame for frame in frames if frame["kerberos.msg_type"][0] in REQUESTS}
    answered = {number(frame): frame for frame in frames if frame["kerberos.msg_type"][0] in {*ANSWERS, ERROR}}
    assert len(asked) + len(answered) == len(frames)
    assert (requests.keys(), answers.keys()) == (asked.keys(), answered.keys())
    for place, frame in asked.items():
        facts = request_facts(frame)
        assert told(requests[place], set(facts)) == facts
    for place, frame in answered.items():
        facts = answer_facts(frame)
        assert told(answers[place], set(facts)) == facts
    assert len(table) == EXCHANGES[name]


@pytest.mark.parametrize("capture", captures(), ids=title)
def test_no_other_capture_has_an_exchange_with_a_kdc(capture: Path) -> None:
    assert len(run(capture).decoded.kdc.exchanges.rows) == EXCHANGES.get(title(capture), 0)


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("bad_password_disabled_unknown", {
            ("carol", "retry", "KDC_ERR_PREAUTH_REQUIRED"), ("carol", "failed", "KDC_ERR_PREAUTH_FAILED"),
            ("erin", "retry", "KDC_ERR_PREAUTH_REQUIRED"), ("erin", "failed", "KDC_ERR_CLIENT_REVOKED"),
            ("nobody1", "failed", "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
        }),
        ("torture_expire2e", {
            ("carol", "retry", "KDC_ERR_PREAUTH_REQUIRED"), ("carol", "retry", "KRB_ERR_RESPONSE_TOO_BIG"),
            ("carol", "issued", None),
        }),
    ],
)  # fmt: skip
def test_what_a_capture_was_made_for_shows(name: str, outcomes: set[tuple[str | None, ...]], shared: Path) -> None:
    table = analyze(shared / "captures" / "faults" / f"ad_krb5_{name}.pcapng").kdc
    found = {
        (row.principal.removesuffix("@AD.EXAMPLE.TEST"), row.outcome, None if pd.isna(row.error) else row.error)
        for row in table.itertuples()
    }
    assert found == outcomes


def test_a_ticket_of_seconds_shows_its_end_with_the_service_s_key(shared: Path) -> None:
    """The capture was made with tickets of four seconds; the session logged on twice again."""
    folder = shared / "captures" / "faults"
    analysis = analyze(folder / "ad_krb5_torture_expire1s.pcapng", keytabs=[folder / "krb" / "ad.keytab"])
    tickets = analysis.kdc[analysis.kdc.service.str.startswith("cifs/")]
    assert len(tickets) == 3
    assert ((tickets.ticket_end - tickets.response_time).dt.total_seconds().between(3, 4)).all()
    assert analysis.sessions.reauthentications.tolist() == [2]
    assert analysis.sessions.expiration_time.tolist() == [tickets.ticket_end.max()]
