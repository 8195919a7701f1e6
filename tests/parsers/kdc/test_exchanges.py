"""Requests and answers: which belong together, what came of them, and who asked."""

from dataclasses import replace

import pytest

from parsers.gss.kerberos import kdc
from parsers.gss.kerberos.asn1 import PrincipalName
from parsers.gss.kerberos.kdc import KdcOptions
from parsers.gss.kerberos.names import ErrorCode, Etype, NameType
from parsers.kdc.exchanges import Exchanges, KdcExchange, Outcome, Path
from parsers.kdc.lifetimes import LifetimeReader
from parsers.keys.store import KeyStore
from parsers.transport.connections import Endpoint
from tests.parsers.kdc.conversation import (
    AS_REP,
    AS_REQ,
    AS_REQ_AGAIN,
    PREAUTH_REQUIRED,
    STEP,
    TGS_REP,
    TGS_REQ,
    record,
)

UDP = Path(None, Endpoint(1, 50_000), Endpoint(2, 88))
TCP = Path(0, Endpoint(1, 50_000), Endpoint(2, 88))
ALICE, RC4SRV, KRBTGT = (
    "alice@EXAMPLE.TEST",
    "cifs/rc4srv.example.test@EXAMPLE.TEST",
    "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST",
)
paths = pytest.mark.parametrize("path", [UDP, TCP], ids=["UDP", "TCP"])


def talk(path: Path, *messages: bytes) -> list[KdcExchange]:
    """Messages in frames 1, 2, ..."""
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    for frame, data in enumerate(messages, 1):
        exchanges.add(path, record(data, frame), kdc.parse(data))
    exchanges.finish()
    return exchanges.rows


def frames(rows: list[KdcExchange]) -> list[tuple[int | None, int | None]]:
    return [(row.request_frame, row.response_frame) for row in rows]


@paths
def test_a_logon_is_three_exchanges(path):
    rows = talk(path, AS_REQ, PREAUTH_REQUIRED, AS_REQ_AGAIN, AS_REP, TGS_REQ, TGS_REP)
    assert frames(rows) == [(1, 2), (3, 4), (5, 6)]
    assert [row.kind for row in rows] == ["AS", "AS", "TGS"]
    assert [row.outcome for row in rows] == [Outcome.RETRY, Outcome.ISSUED, Outcome.ISSUED]
    assert [row.principal for row in rows] == [ALICE] * 3
    assert [row.service for row in rows] == [KRBTGT, KRBTGT, RC4SRV]
    assert [row.ticket_service for row in rows] == [None, KRBTGT, RC4SRV]
    assert [row.realm for row in rows] == ["EXAMPLE.TEST"] * 3
    assert [(row.ticket_etype, row.reply_etype) for row in rows[1:]] == [(18, 18), (Etype.RC4_HMAC, 18)]
    assert rows[0].error is ErrorCode.KDC_ERR_PREAUTH_REQUIRED
    assert rows[0].error_text == "NEEDED_PREAUTH"
    assert (rows[0].request_complete, rows[0].response_time) == (STEP, 2 * STEP)
    assert rows[2].options == KdcOptions.FORWARDABLE | KdcOptions.RENEWABLE
    assert rows[2].etypes == (Etype.RC4_HMAC, Etype.AES256_CTS_HMAC_SHA1_96)
    assert [row.repeats for row in rows] == [0, 0, 0]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (ErrorCode.KDC_ERR_PREAUTH_REQUIRED, Outcome.RETRY),
        (ErrorCode.KDC_ERR_MORE_PREAUTH_DATA_REQUIRED, Outcome.RETRY),
        (ErrorCode.KRB_ERR_RESPONSE_TOO_BIG, Outcome.RETRY),
        (ErrorCode.KDC_ERR_WRONG_REALM, Outcome.RETRY),
        (ErrorCode.KDC_ERR_PREAUTH_FAILED, Outcome.FAILED),
        (ErrorCode.KDC_ERR_CLIENT_REVOKED, Outcome.FAILED),
        (ErrorCode.KRB_AP_ERR_SKEW, Outcome.FAILED),
        (ErrorCode(4711), Outcome.FAILED),
    ],
)
def test_an_error_that_asks_for_another_way_is_no_failure(code, outcome):
    refused = replace(kdc.parse(PREAUTH_REQUIRED), error_code=code).build()
    (row,) = talk(TCP, AS_REQ, refused)
    assert (row.error, row.outcome) == (code, outcome)


@paths
def test_a_request_without_an_answer_is_a_row(path):
    (row,) = talk(path, TGS_REQ)
    assert (row.outcome, row.response_frame, row.principal, row.service) == (Outcome.UNANSWERED, None, None, RC4SRV)


@paths
def test_an_answer_without_a_request_is_a_row_that_says_what_it_can(path):
    rows = talk(path, TGS_REP, PREAUTH_REQUIRED)
    assert frames(rows) == [(None, 1), (None, 2)]
    assert [row.kind for row in rows] == ["TGS", None]
    assert [row.realm for row in rows] == ["EXAMPLE.TEST"] * 2
    assert rows[0].ticket_service == RC4SRV
    assert (rows[1].service, rows[1].principal) == (KRBTGT, ALICE)


def test_what_the_request_leaves_out_is_not_taken_from_the_error():
    request = replace(kdc.parse(AS_REQ), sname=None, cname=None)
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    exchanges.add(TCP, record(AS_REQ, 1), request)
    exchanges.add(TCP, record(PREAUTH_REQUIRED, 2), kdc.parse(PREAUTH_REQUIRED))
    (row,) = exchanges.rows
    assert (row.service, row.principal, row.realm) == (None, None, "EXAMPLE.TEST")


@paths
def test_the_same_bytes_again_are_the_same_request(path):
    rows = talk(path, AS_REQ, AS_REQ, PREAUTH_REQUIRED, AS_REQ, PREAUTH_REQUIRED, PREAUTH_REQUIRED)
    assert frames(rows) == [(1, 3)]
    assert rows[0].repeats == 2


def test_more_answers_than_requests_are_rows_of_their_own():
    assert frames(talk(UDP, AS_REQ, PREAUTH_REQUIRED, PREAUTH_REQUIRED)) == [(1, 2), (None, 3)]


@paths
def test_answers_to_a_repeated_request_are_not_waited_for_any_more_when_another_is_made(path):
    rows = talk(path, AS_REQ, AS_REQ, PREAUTH_REQUIRED, AS_REQ_AGAIN, AS_REP, AS_REP)
    assert frames(rows) == [(1, 3), (4, 5), (None, 6)]


@paths
def test_a_new_try_with_the_nonce_of_the_first_is_another_request(path):
    assert kdc.parse(AS_REQ).nonce == kdc.parse(AS_REQ_AGAIN).nonce
    assert frames(talk(path, AS_REQ, PREAUTH_REQUIRED, AS_REQ_AGAIN, AS_REP)) == [(1, 2), (3, 4)]


def test_over_tcp_the_first_request_that_waits_is_answered():
    assert frames(talk(TCP, AS_REQ, AS_REQ_AGAIN, PREAUTH_REQUIRED, AS_REP)) == [(1, 3), (2, 4)]


def test_over_udp_the_last_request_that_waits_is_answered():
    """The client has one at a time, and gave the one before up."""
    assert frames(talk(UDP, AS_REQ, AS_REQ_AGAIN, AS_REP)) == [(1, None), (2, 3)]


@paths
def test_a_ticket_answers_only_a_request_of_its_kind(path):
    assert frames(talk(path, TGS_REQ, AS_REP, TGS_REP)) == [(1, 3), (None, 2)]


def test_answers_stay_on_their_path():
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    for frame, (path, data) in enumerate([(UDP, AS_REQ), (TCP, PREAUTH_REQUIRED), (TCP, AS_REQ)], 1):
        exchanges.add(path, record(data, frame), kdc.parse(data))
    assert frames(exchanges.rows) == [(1, None), (None, 2), (3, None)]


def test_rows_are_in_order_of_frames_however_they_came():
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    exchanges.add(TCP, record(AS_REQ, 7), kdc.parse(AS_REQ))
    exchanges.add(UDP, record(AS_REQ_AGAIN, 3), kdc.parse(AS_REQ_AGAIN))
    exchanges.finish()
    assert [row.request_frame for row in exchanges.rows] == [3, 7]


def test_who_asks_for_a_service_is_known_from_the_ticket_that_is_shown():
    """A TGS-REQ does not name the client, and FAST hides the name in the answer."""
    answer = kdc.parse(TGS_REP)
    assert answer.cname == PrincipalName(NameType.WELLKNOWN, ("WELLKNOWN", "ANONYMOUS"))
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    for frame, data in enumerate([AS_REQ_AGAIN, AS_REP, TGS_REQ], 1):
        exchanges.add(TCP, record(data, frame), kdc.parse(data))
    assert exchanges.rows[-1].principal == ALICE
    exchanges.add(TCP, record(TGS_REP, 4), answer)
    assert exchanges.rows[-1].principal == ALICE
    assert talk(TCP, TGS_REQ)[0].principal is None
    assert talk(TCP, TGS_REP)[0].principal == "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS"


def test_requests_that_are_never_answered_do_not_pile_up():
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    for number in range(200):
        exchanges.add(TCP, record(AS_REQ + bytes([number]), number + 1), kdc.parse(AS_REQ))
    exchanges.add(TCP, record(PREAUTH_REQUIRED, 300), kdc.parse(PREAUTH_REQUIRED))
    assert len(exchanges.rows) == 200
    assert [row.request_frame for row in exchanges.rows if row.response_frame] == [137]  # the first of the last 64


def test_a_request_that_offers_without_end_keeps_little():
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    exchanges.add(TCP, record(AS_REQ, 1), replace(kdc.parse(AS_REQ), etype=tuple(map(Etype, range(100_000)))))
    assert exchanges.rows[0].etypes == tuple(range(64))


def test_a_request_with_a_ticket_that_cannot_be_read_is_a_request():
    request = kdc.parse(TGS_REQ)
    padata = tuple(replace(entry, padata_value=b"\x6e\x00") for entry in request.padata)
    exchanges = Exchanges(LifetimeReader(KeyStore()))
    exchanges.add(TCP, record(TGS_REQ, 1), replace(request, padata=padata))
    assert (exchanges.rows[0].principal, exchanges.rows[0].service) == (None, RC4SRV)
