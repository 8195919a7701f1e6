"""Keys in words, without the keys."""

from dataclasses import replace

import pytest

from analyzer.tables.entries import described, joined, kind, owner, proofs
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import AnySecret, Credential, DirectionKeys, SessionKey
from parsers.smb2.session import SIGNATURE, TAG, Session, SmbConnection

KEY = b"the secret bytes"
KEYTAB_KEY = KeytabEntry("cifs/srv", "CORPUS.TEST", 7, 18, KEY + KEY, 0, "srv.keytab")
TICKET = CcacheCredential(
    "alice", "CORPUS.TEST", "cifs/srv", "CORPUS.TEST", 23, KEY, None, None, None, None, 0, b"ticket", "krb5cc_0"
)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (Credential("alice", "CORPUS", "a secret", provenance="k line 1"), r"password CORPUS\alice (k line 1)"),
        (Credential("alice", None, "", provenance="k line 1"), "password alice (k line 1)"),
        (Credential("bob", "", nt_hash=KEY, provenance="k line 2"), r"NT hash \bob (k line 2)"),
        (SessionKey(0x281CAC000069, KEY, "k line 3"), "session key 0x0000281cac000069 (k line 3)"),
        (DirectionKeys(1, KEY, None, "k line 4"), "direction keys 0x0000000000000001 (k line 4)"),
        (KEYTAB_KEY, "keytab key cifs/srv@CORPUS.TEST kvno 7 aes256-cts-hmac-sha1-96 (srv.keytab)"),
        (replace(KEYTAB_KEY, etype=99), "keytab key cifs/srv@CORPUS.TEST kvno 7 etype 99 (srv.keytab)"),
        (TICKET, "cached ticket alice@CORPUS.TEST for cifs/srv@CORPUS.TEST (krb5cc_0)"),
    ],
)
def test_a_key_is_described_by_its_kind_owner_and_place(secret: AnySecret, words: str) -> None:
    assert described(secret) == words
    assert words.startswith(f"{kind(secret)} {owner(secret)} (")
    assert "secret" not in words


def test_proofs_of_one_key_are_together() -> None:
    session = Session(0, 1, SmbConnection(0, (0, 445)))
    first, second = SessionKey(1, KEY), SessionKey(1, KEY)  # equal, and not the same
    for source, how in ((first, SIGNATURE), (second, TAG), (first, TAG)):
        session.prove(source, how)
    (one, hows), (other, tag) = proofs(session)
    assert one is first
    assert other is second
    assert (hows, tag) == ("signature, tag", "tag")


def test_nothing_to_join_is_unknown() -> None:
    assert joined([]) is None
    assert joined(["a", "b"]) == "a; b"
