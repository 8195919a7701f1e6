"""Why a key opens nothing; tests/test_keys_check.py asks the same of captures."""

from typing import Any

import pytest

from analyzer.tables.unused import UnusedKeys
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import AnySecret, Credential, DirectionKeys, SessionKey
from parsers.smb2.session import SIGNATURE, SecurityContext, Session, SmbConnection

K16, M16, L16 = bytes(16), bytes(range(16)), bytes(range(16, 32))
SERVICE = "cifs/Srv@CORPUS.TEST"
KEYTAB_KEY = KeytabEntry("cifs/srv", "CORPUS.TEST", 1, 18, bytes(32), 0, "srv.keytab")
OTHER_KEY = KeytabEntry("cifs/srv", "CORPUS.TEST", 2, 18, bytes(32), 0, "srv.keytab")
TICKET = CcacheCredential(
    "alice", "CORPUS.TEST", "cifs/srv", "CORPUS.TEST", 18, bytes(32), None, None, None, None, 0, b"ticket", "krb5cc_0"
)
ALICE = Credential("Alice", "CORPUS", "x", provenance="k line 1")
OPENER = SessionKey(5, M16, "k line 9")


def session(number: int, session_id: int = 5, *, opener: AnySecret | None = None, **members: Any) -> Session:
    made = Session(number, session_id, SmbConnection(0, (0, 445)), **members)
    if opener is not None:
        made.prove(opener, SIGNATURE)
    return made


def why(secret: AnySecret, *sessions: Session, reason: str = "") -> str:
    return UnusedKeys((one, reason) for one in sessions).why(secret)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (ALICE, r"no NTLM logon of CORPUS\Alice is in the capture"),
        (SessionKey(6, K16), "no session 0x0000000000000006 is in the capture"),
        (DirectionKeys(6, K16), "no session 0x0000000000000006 is in the capture"),
        (
            SessionKey(0x0500_0000_0000_0000, K16),
            "no session 0x0500000000000000 is in the capture, but 0x0000000000000005 is, the same bytes in reverse: "
            "give the id as the table of sessions shows it",
        ),
        (KEYTAB_KEY, "no logon with a ticket for cifs/srv@CORPUS.TEST is in the capture"),
        (TICKET, "no logon with a ticket for cifs/srv@CORPUS.TEST is in the capture"),
    ],
)
def test_what_a_key_is_for_may_be_absent(secret: AnySecret, reason: str) -> None:
    bob = session(0, security_context=SecurityContext("bob", "CORPUS"))
    assert why(secret, bob, reason="not asked for") == reason


@pytest.mark.parametrize("user", ["alice", "ALICE", "alice@corpus.test"])
def test_users_are_compared_as_a_logon_compares_them(user: str) -> None:
    found = why(ALICE, session(0, security_context=SecurityContext(user, "CORPUS")), reason="wrong password")
    assert found == "wrong password (session 0x0000000000000005)"


@pytest.mark.parametrize("user", [None, "", "@"])
def test_sessions_of_nobody_are_of_no_user(user: str | None) -> None:
    nobody = Credential("", "", "x")
    assert "no NTLM logon" in why(nobody, session(0, security_context=SecurityContext(user)), session(1))


def test_a_closed_session_has_its_own_reason() -> None:
    assert why(SessionKey(5, K16), session(0), reason="no key given for it fits") == "no key given for it fits"
    kerberos = session(0, service=SERVICE)
    for secret in (KEYTAB_KEY, TICKET):
        assert why(secret, kerberos, reason="kvno") == "kvno (session 0x0000000000000005)"


def test_equal_reasons_are_told_once_and_few_sessions_named() -> None:
    alice = SecurityContext("alice")
    many = [session(number, number + 1, security_context=alice) for number in range(2003)]
    assert why(ALICE, *many, reason="wrong password") == (
        "wrong password (session 0x0000000000000001, 0x0000000000000002, 0x0000000000000003 and 2,000 more)"
    )
    opened = session(1, 2, security_context=alice, opener=OPENER)
    assert why(ALICE, many[0], opened, reason="wrong password") == (
        "wrong password (session 0x0000000000000001); "
        "the session is opened by session key 0x0000000000000005 (k line 9) (session 0x0000000000000002)"
    )


def test_a_password_is_nothing_for_kerberos() -> None:
    kerberos = session(0, service=SERVICE, security_context=SecurityContext("alice"), opener=KEYTAB_KEY)
    assert why(ALICE, kerberos).startswith("a password does not open a Kerberos logon: give the service's keytab")


@pytest.mark.parametrize(
    ("secret", "members", "ending"),
    [
        (SessionKey(5, M16), {"full_session_key": M16}, ", which gives the same key"),
        (SessionKey(5, K16), {"full_session_key": M16}, ", which gives another key"),
        (SessionKey(5, K16), {}, ""),
        (DirectionKeys(5, K16, M16), {"decryption_key": K16, "encryption_key": M16}, ", which gives the same key"),
        (DirectionKeys(5, None, M16), {"decryption_key": K16, "encryption_key": M16}, ", which gives the same key"),
        (DirectionKeys(5, M16, K16), {"decryption_key": K16, "encryption_key": M16}, ", which gives another key"),
        (DirectionKeys(5, K16, L16), {"decryption_key": K16, "encryption_key": M16}, ", which gives another key"),
        (DirectionKeys(5, K16), {}, ""),
    ],
)
def test_a_key_beside_the_one_that_opens_is_compared(secret: AnySecret, members: dict[str, Any], ending: str) -> None:
    opened = session(0, opener=OPENER, **members)
    assert why(secret, opened) == f"the session is opened by session key 0x0000000000000005 (k line 9){ending}"


def test_the_key_that_opened_the_ticket_is_named() -> None:
    found = why(KEYTAB_KEY, session(0, service=SERVICE, opener=OTHER_KEY))
    assert "keytab key cifs/srv@CORPUS.TEST kvno 2 aes256-cts-hmac-sha1-96 (srv.keytab)" in found


def test_one_id_may_name_several_sessions() -> None:
    assert why(SessionKey(5, K16), session(0), session(1), reason="closed") == "closed"
    found = why(SessionKey(5, K16), session(0), session(1, opener=OPENER), reason="closed")
    assert found.startswith("closed; the session is opened by")
