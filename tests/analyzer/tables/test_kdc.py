"""The table of exchanges with KDCs. Witness: tests/witness/test_kdc.py has every capture against tshark."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.cli import main

DATA = Path(__file__).resolve().parents[2] / "data"
CAPTURE = DATA / "krb5_311_enc_aes-256-ccm.pcapng"
TIMES = ("ticket_start", "ticket_end", "ticket_renew_till")


@pytest.fixture(scope="module")
def closed() -> Analysis:
    return analyze(CAPTURE)


def test_a_logon_is_three_rows(closed: Analysis) -> None:
    table = closed.kdc
    assert table.request_frame.tolist() == [8, 10, 12]
    assert table.response_frame.tolist() == [9, 11, 13]
    assert table.request.tolist() == ["AS", "AS", "TGS"]
    assert table.outcome.tolist() == ["retry", "issued", "issued"]
    assert table.error.tolist()[0] == "KDC_ERR_PREAUTH_REQUIRED"
    assert table.error.isna().tolist() == [False, True, True]
    assert set(table.principal) == {"alice@EXAMPLE.TEST"}
    assert table.service.iloc[2] == table.ticket_service.iloc[2] == "cifs/smbsrv.example.test@EXAMPLE.TEST"
    assert table.client.tolist() == ["10.77.0.2:42643", "10.77.0.2:57676", "10.77.0.2:46558"]
    assert set(table.server) == {"10.77.0.1:88"}
    assert (set(table.client_ip), set(table.server_ip)) == ({"10.77.0.2"}, {"10.77.0.1"})
    assert set(table.transport) == {"udp"}
    assert table.connection.isna().all()
    assert table.ticket_etype.tolist()[1:] == ["aes256-cts-hmac-sha1-96"] * 2
    assert table.requested_etypes.iloc[0].startswith("aes256-cts-hmac-sha1-96, aes128-cts-hmac-sha1-96")
    assert table.options.iloc[0] == "FORWARDABLE|RENEWABLE|CANONICALIZE"
    assert (table.latency == table.response_time - table.request_time).all()  # one datagram each
    assert table.latency.dt.total_seconds().between(0, 0.01).all()


def test_the_service_is_named_as_the_session_s_is(closed: Analysis) -> None:
    assert closed.sessions.service.iloc[0] in set(closed.kdc.service)


def test_lifetimes_need_a_key(closed: Analysis) -> None:
    for name in (*TIMES, "ticket_flags", "key_source"):
        assert closed.kdc[name].isna().all()


@pytest.mark.parametrize(("keytab", "opened"), [("users.keytab", [1]), ("smbsrv.keytab", [2])])
def test_a_keytab_shows_the_lifetime_of_what_it_opens(keytab: str, opened: list[int]) -> None:
    table = analyze(CAPTURE, keytabs=[DATA / keytab]).kdc
    for name in (*TIMES, "ticket_flags", "key_source"):
        assert [row for row, missing in enumerate(table[name].isna()) if not missing] == opened
    row = table.iloc[opened[0]]
    assert row.ticket_end - row.ticket_start <= pd.Timedelta(hours=10)
    assert "RENEWABLE" in row.ticket_flags.split("|")
    assert keytab in row.key_source


def test_a_password_that_is_given_for_somebody_who_asks_a_kdc_is_no_slip() -> None:
    analysis = analyze(CAPTURE, passwords=["alice:Passw0rd!"])
    assert analysis.notes == []
    assert analysis.kdc.ticket_end.notna().tolist() == [False, True, False]
    assert analyze(CAPTURE, passwords=["mallory:x"]).notes != []


def test_every_byte_is_in_the_accounts(closed: Analysis) -> None:
    rows = closed.accounting[closed.accounting.protocol == "kerberos"]
    assert rows.connection.isna().all()
    assert rows.from_client.tolist() == [True, False]
    assert rows.captured.tolist() == rows.decoded.tolist() == [1448, 1768]


def test_a_connection_carries_kerberos(shared: Path) -> None:
    analysis = analyze(shared / "captures/faults/ad_krb5_spn_wrong_account.pcapng")
    assert analysis.kdc.transport.unique().tolist() == ["tcp"]
    protocol = analysis.connections.set_index("connection").protocol
    assert {protocol[number] for number in analysis.kdc.connection} == {"kerberos"}


def test_a_capture_without_a_kdc_has_an_empty_table_of_the_same_columns(mixed: Analysis, closed: Analysis) -> None:
    assert len(mixed.kdc) == 0
    assert mixed.kdc.dtypes.astype(str).tolist() == closed.kdc.dtypes.astype(str).tolist()


def test_the_command_prints_what_came_of_the_requests(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["kdc", str(CAPTURE)]) == 0
    shown = capfd.readouterr().out
    assert "KDC_ERR_PREAUTH_REQUIRED" in shown
    assert shown.endswith("\n3 KDC exchanges: 2 issued, 1 retry\n")
    assert main(["kdc", str(CAPTURE), "--where", "outcome == 'failed'"]) == 0
    assert capfd.readouterr().out.endswith("no KDC exchanges\n")


def test_json_has_the_latency_in_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["kdc", str(CAPTURE), "--format", "json"]) == 0
    records = json.loads(capfd.readouterr().out)
    assert [record["latency"] for record in records] == pytest.approx([0.00027, 0.005719, 0.000434], rel=0.01)


def test_an_unanswered_request_has_no_latency(tmp_path: Path) -> None:
    """The capture without its last answer: the bytes of the TGS-REP are no message any more."""
    data = CAPTURE.read_bytes()
    at = data.index(b"\x6d\x82")
    path = tmp_path / "unanswered.pcapng"
    path.write_bytes(data[:at] + b"\x6f" + data[at + 1 :])
    row = analyze(path).kdc.iloc[-1]
    assert (row.request, row.outcome) == ("TGS", "unanswered")
    assert pd.isna(row.latency)
    assert pd.isna(row.response_time)
    assert pd.isna(row.response_frame)
