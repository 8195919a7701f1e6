"""Witness: MS-NLMP 4.2, all three of its computations."""

import pytest

from parsers.gss.ntlm import crypto
from parsers.gss.ntlm.messages import NegotiateFlags

unhex = bytes.fromhex
USER, DOMAIN, PASSWORD = "User", "Domain", "Password"
SERVER_CHALLENGE = unhex("0123456789abcdef")
CLIENT_CHALLENGE = b"\xaa" * 8
RANDOM_SESSION_KEY = b"\x55" * 16
NT_HASH = unhex("a4f49c406510bdcab6824ee7c30fd852")
LM_HASH = unhex("e52cac67419a9a224a3b108f3fa6cb6d")
TEMP = unhex(
    "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
    "02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000"
)


def test_one_way_functions():
    assert crypto.nt_owf_v1(password=PASSWORD) == NT_HASH
    assert crypto.lm_owf_v1(password=PASSWORD) == LM_HASH
    owf = crypto.nt_owf_v2(nt_hash=NT_HASH, user=USER, domain=DOMAIN)
    assert owf == unhex("0c868a403bfd7a93a3001ef22ef02e3f")


def test_the_user_counts_without_case_and_the_domain_with_it():
    def owf(user: str, domain: str) -> bytes:
        return crypto.nt_owf_v2(nt_hash=NT_HASH, user=user, domain=domain)

    assert owf("uSeR", "Domain") == owf("User", "Domain")
    assert owf("User", "DOMAIN") != owf("User", "Domain")
    assert owf("straße", "") != owf("STRASSE", "")
    assert owf("müller", "") == owf("MÜLLER", "")


def test_an_empty_password_has_a_hash():
    assert crypto.nt_owf_v1(password="").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"


def test_ntlm_v1():
    found = crypto.response_v1(nt_hash=NT_HASH, lm_hash=LM_HASH, server_challenge=SERVER_CHALLENGE)
    assert found.nt_response == unhex("67c43011f30298a2ad35ece64f16331c44bdbed927841f94")
    assert found.lm_response == unhex("98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13")
    assert found.session_base_key == unhex("d87262b0cde4b1cb7499becccdf10784")


def test_ntlm_v1_without_lm_hash_repeats_the_nt_response():
    found = crypto.response_v1(nt_hash=NT_HASH, server_challenge=SERVER_CHALLENGE)
    assert found.lm_response == found.nt_response


# MS-NLMP 4.2.2.1.4 and 4.2.2.2.3, for the three ways to a key exchange key
V1_KEYS = {
    NegotiateFlags(0): ("d87262b0cde4b1cb7499becccdf10784", "518822b1b3f350c8958682ecbb3e3cb7"),
    NegotiateFlags.LM_KEY: ("b09e379f7fbecb1eaf0afdcb0383c8a0", "4cd7bb57d697ef9b549f02b8f9b37864"),
    NegotiateFlags.REQUEST_NON_NT_SESSION_KEY: (
        "e52cac67419a9a220000000000000000",
        "7452ca55c225a1ca04b48fae32cf56fc",
    ),
}


@pytest.mark.parametrize(("flags", "keys"), V1_KEYS.items())
def test_key_exchange_keys_of_ntlm_v1(flags, keys):
    response = crypto.response_v1(nt_hash=NT_HASH, lm_hash=LM_HASH, server_challenge=SERVER_CHALLENGE)
    key = crypto.key_exchange_key_v1(
        flags=flags,
        session_base_key=response.session_base_key,
        server_challenge=SERVER_CHALLENGE,
        lm_response=response.lm_response,
        lm_hash=LM_HASH,
    )
    assert key == unhex(keys[0])
    encrypted = crypto.encrypt_session_key(key_exchange_key=key, random_session_key=RANDOM_SESSION_KEY)
    assert encrypted == unhex(keys[1])
    exported = crypto.exported_session_key(
        flags=flags | NegotiateFlags.KEY_EXCH, key_exchange_key=key, encrypted_random_session_key=encrypted
    )
    assert exported == RANDOM_SESSION_KEY


@pytest.mark.parametrize("flag", [NegotiateFlags.LM_KEY, NegotiateFlags.REQUEST_NON_NT_SESSION_KEY])
def test_a_key_from_the_lm_hash_needs_the_lm_hash(flag):
    key = crypto.key_exchange_key_v1(
        flags=flag, session_base_key=bytes(16), server_challenge=SERVER_CHALLENGE, lm_response=bytes(24)
    )
    assert key is None


def test_ntlm_v1_with_extended_session_security():
    found = crypto.response_v1(nt_hash=NT_HASH, server_challenge=SERVER_CHALLENGE, client_challenge=CLIENT_CHALLENGE)
    assert found.nt_response == unhex("7537f803ae367128ca458204bde7caf81e97ed2683267232")
    assert found.lm_response == CLIENT_CHALLENGE + bytes(16)
    key = crypto.key_exchange_key_v1(
        flags=NegotiateFlags.EXTENDED_SESSIONSECURITY | NegotiateFlags.LM_KEY,
        session_base_key=found.session_base_key,
        server_challenge=SERVER_CHALLENGE,
        lm_response=found.lm_response,
    )
    assert key == unhex("eb93429a8bd952f8b89c55b87f475edc")


def test_ntlm_v2():
    owf = crypto.nt_owf_v2(nt_hash=NT_HASH, user=USER, domain=DOMAIN)
    found = crypto.response_v2(owf=owf, server_challenge=SERVER_CHALLENGE, temp=TEMP, client_challenge=CLIENT_CHALLENGE)
    assert found.nt_response == unhex("68cd0ab851e51c96aabc927bebef6a1c") + TEMP
    assert found.lm_response == unhex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
    assert found.session_base_key == unhex("8de40ccadbc14a82f15cb0ad0de95ca3")
    encrypted = crypto.encrypt_session_key(
        key_exchange_key=found.session_base_key, random_session_key=RANDOM_SESSION_KEY
    )
    assert encrypted == unhex("c5dad2544fc9799094ce1ce90bc9d03e")


def test_a_published_logon_gives_its_random_session_key():
    # Values of an article by Maveris Labs about the decryption of SMB3: user "test", password "test".
    owf = crypto.nt_owf_v2(nt_hash=crypto.nt_owf_v1(password="test"), user="test", domain="WORKGROUP")
    assert owf == unhex("f31eb9f73fc9d5405f9ae516fb068315")
    key = crypto.session_base_key_v2(owf=owf, proof=unhex("a0e42a75c54bbb0fab814593569faa22"))
    assert key == unhex("fd160d4ed7f2cb38f64262d7617f23b3")
    exported = crypto.exported_session_key(
        flags=NegotiateFlags.KEY_EXCH | NegotiateFlags.SIGN,
        key_exchange_key=key,
        encrypted_random_session_key=unhex("C914ADCEB0F1C32FB7C2548D8D959F01"),
    )
    assert exported == unhex("4462b99bb21423c29dbb4b4a983fde03")


def test_without_key_exchange_the_key_is_used_itself():
    for flags, encrypted in [(NegotiateFlags.SIGN, bytes(16)), (NegotiateFlags.KEY_EXCH, b"")]:
        key = crypto.exported_session_key(
            flags=flags, key_exchange_key=RANDOM_SESSION_KEY, encrypted_random_session_key=encrypted
        )
        assert key == RANDOM_SESSION_KEY


def test_responses_do_not_show_their_key():
    found = crypto.response_v1(nt_hash=NT_HASH, server_challenge=SERVER_CHALLENGE)
    assert "session_base_key" not in repr(found)
    assert repr(found.session_base_key) not in repr(found)
