import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import UsageError
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey

HASH = "7cb40a23ee5118bafe1c12f51327bc26"


@pytest.mark.parametrize(
    ("text", "user", "domain", "password"),
    [
        (r"CORPUS\alice:Passw0rd!", "alice", "CORPUS", "Passw0rd!"),
        ("alice:Passw0rd!", "alice", None, "Passw0rd!"),
        ("alice@corp.example:Passw0rd!", "alice", "corp.example", "Passw0rd!"),
        ("alice:", "alice", None, ""),
        (r"alice:a:b@c\d e ", "alice", None, r"a:b@c\d e "),
        (r"CORPUS\alice@corp.example:x", "alice@corp.example", "CORPUS", "x"),
        (r"BUILDER\:", "", "BUILDER", ""),
    ],
)
def test_passwords_are_taken_in_every_form(text, user, domain, password):
    store = KeyStore()
    store.add_password(text)
    (found,) = store.credentials
    assert (found.user, found.domain, found.password, found.nt_hash) == (user, domain, password, None)
    assert found.provenance == "given on the command line"


def test_nt_hashes_are_taken():
    store = KeyStore()
    store.add_nt_hash(rf"CORPUS\bob:{HASH}", "a test")
    assert store.credentials == (Credential("bob", "CORPUS", None, bytes.fromhex(HASH), "a test"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice", r"a password is given as DOMAIN\user:password; there is no colon"),
        (":secret", r"a password is given as DOMAIN\user:password; there is no user before the colon"),
    ],
)
def test_a_malformed_password_is_explained(text, message):
    with pytest.raises(UsageError) as raised:
        KeyStore().add_password(text)
    assert str(raised.value) == message


@pytest.mark.parametrize("digits", ["", "00", HASH + "0", HASH[:-1] + "g", "secret"])
def test_a_malformed_hash_is_explained_without_showing_it(digits):
    with pytest.raises(UsageError) as raised:
        KeyStore().add_nt_hash(f"bob:{digits}")
    assert str(raised.value) == "the NT hash of user bob must have 32 hexadecimal digits"


def test_keys_are_found_by_their_session():
    store = KeyStore()
    first, second = SessionKey(5, bytes(16), "a"), SessionKey(5, bytes(32), "b")
    directions = DirectionKeys(6, b"c" * 32, None, "c")
    for secret in (first, directions, second):
        store.add(secret)
    assert store.session_keys_for(5) == (first, second)
    assert store.direction_keys_for(6) == (directions,)
    assert store.session_keys_for(6) == ()
    assert store.direction_keys_for(5) == ()


def test_an_empty_store_is_false():
    store = KeyStore()
    assert not store
    store.add_password("alice:")
    assert store


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Credential("bob", None), "user bob needs either a password or an NT hash"),
        (lambda: Credential("bob", None, "x", bytes(16)), "user bob needs either a password or an NT hash"),
        (lambda: Credential("bob", None, None, bytes(4)), "the NT hash of user bob has 4 bytes; it must have 16"),
        (lambda: SessionKey(0, bytes(16)), "0x0 is no session id: it must be positive and below 0xffffffffffffffff"),
        (lambda: SessionKey(1, bytes(17)), "key of session 0x0000000000000001 has 17 bytes; it must have 16 or 32"),
        (
            lambda: DirectionKeys(1, None, bytes(8)),
            "server_to_client of session 0x0000000000000001 has 8 bytes; it must have 16 or 32",
        ),
        (
            lambda: DirectionKeys(1, bytes(16), bytes(32)),
            "the two direction keys of session 0x0000000000000001 have different sizes",
        ),
        (lambda: DirectionKeys(1), "session 0x0000000000000001 needs client_to_server, server_to_client or both"),
        (
            lambda: DirectionKeys(2**64 - 1, bytes(16)),
            "0xffffffffffffffff is no session id: it must be positive and below 0xffffffffffffffff",
        ),
    ],
)
def test_mistakes_are_one_sentence(make, message):
    with pytest.raises(UsageError) as raised:
        make()
    assert str(raised.value) == message


SECRETS = [
    Credential("alice", "CORPUS", "S3cretPassword", None, "a test"),
    Credential("bob", None, None, b"S3cretPasswordXX", "a test"),
    SessionKey(7, b"S3cretPasswordXX", "a test"),
    DirectionKeys(7, b"S3cretPasswordXX", b"S3cretPasswordYY", "a test"),
    KeytabEntry("cifs/server", "REALM", 1, 18, b"S3cretPasswordXXS3cretPasswordYY", 0, "a test"),
]


def full_store() -> KeyStore:
    store = KeyStore()
    for secret in SECRETS:
        store.add(secret)
    return store


def test_no_secret_shows():
    for thing in (*SECRETS, full_store()):
        for shown in (repr(thing), str(thing), f"{thing}"):
            assert "S3cret" not in shown
            assert b"S3cret".hex() not in shown
    assert repr(full_store()) == (
        "KeyStore(2 credentials, 1 sessions with keys, 1 sessions with direction keys, 1 keys of keytabs, "
        "0 cached tickets, 0 secrets of TLS, 0 RSA keys)"
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_can_be_pickled_or_copied(protocol):
    for thing in (*SECRETS, full_store()):
        with pytest.raises(TypeError, match="holds secrets and is not pickled"):
            pickle.dumps(thing, protocol)
        with pytest.raises(TypeError):
            copy.deepcopy(thing)


@given(st.text(max_size=30))
def test_any_text_is_a_password_or_a_usage_error(text):
    store = KeyStore()
    for add in (store.add_password, store.add_nt_hash):
        try:
            add(text)
        except UsageError:
            continue
        assert store.credentials[-1].user in text


def test_stores_are_merged_in_order():
    store, other = full_store(), KeyStore()
    other.add(SessionKey(7, bytes(16), "another"))
    other.add_password("carol:x")
    store.merge(other)
    assert [credential.user for credential in store.credentials] == ["alice", "bob", "carol"]
    assert [key.provenance for key in store.session_keys_for(7)] == ["a test", "another"]
    assert list(other) == [Credential("carol", None, "x"), SessionKey(7, bytes(16), "another")]
    assert len(list(store)) == 7


def test_a_store_merged_with_itself_has_everything_twice():
    store = full_store()
    store.merge(store)
    assert sorted(secret.provenance for secret in store) == ["a test"] * 10


def test_an_account_has_its_domain_where_one_was_given():
    assert Credential("alice", "CORPUS", "x").account == r"CORPUS\alice"
    assert Credential("alice", "", "x").account == r"\alice"
    assert Credential("alice", None, "x").account == "alice"
