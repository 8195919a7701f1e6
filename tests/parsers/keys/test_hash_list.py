r"""Lists of hashes in the forms of pwdump, secretsdump and pdbedit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import UsageError
from parsers.keys.hash_list import MARKER, parse
from parsers.keys.store import Credential

NO_LM = "aad3b435b51404eeaad3b435b51404ee"
ALICE, BOB = "fc525c9683e8fe067095ba2ddc971889", "7cb40a23ee5118bafe1c12f51327bc26"  # "Passw0rd!", "B0bPass#"
NO_SECRET = "NO PASSWORD*********************"

# secretsdump of impacket 0.13 against a domain controller; the hashes were replaced
SECRETSDUMP = rf"""Impacket v0.13.0 - Copyright Fortra, LLC and its affiliated companies

[*] Target system bootKey: 0x2c1fbd35a4c4a7ae63d86fd7de1a6bd5
[*] Dumping local SAM hashes (uid:rid:lmhash:nthash)
Administrator:500:{NO_LM}:{ALICE}:::
[*] Dumping cached domain logon information (domain/username:hash)
CORPUS.EXAMPLE/alice:$DCC2$10240#alice#fc525c9683e8fe067095ba2ddc971889: (2026-11-20 11:07:41)
[*] $MACHINE.ACC
CORPUS\WS1$:aes256-cts-hmac-sha1-96:b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2
CORPUS\WS1$:plain_password_hex:5300650063007200
CORPUS\WS1$:{NO_LM}:{BOB}:::
[*] DPAPI_SYSTEM
dpapi_machinekey:0x1111111111111111111111111111111111111111
[*] NL$KM
 0000   2B 47 60 1C 9E 3F 10 22  33 44 55 66 77 88 99 AA   +G`..?."3DUfw...
NL$KM:2b47601c9e3f1022334455667788
[*] Dumping Domain Credentials (domain\uid:rid:lmhash:nthash)
corpus.example\alice:1103:{NO_LM}:{ALICE}::: (status=Enabled)
corpus.example\alice_history0:1103:{NO_LM}:{BOB}:::
[*] Kerberos keys grabbed
corpus.example\alice:aes128-cts-hmac-sha1-96:b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3
[*] Cleaning up...
"""


def credential(user: str, domain: str | None, digits: str, line: int) -> Credential:
    return Credential(user, domain, None, bytes.fromhex(digits), f"list line {line}")


@pytest.mark.parametrize(
    ("line", "user", "domain", "digits"),
    [
        (f"alice:1000:{NO_LM}:{ALICE}:::", "alice", None, ALICE),
        (f"alice:1000::{ALICE}:::", "alice", None, ALICE),
        (f"alice:1000:{NO_SECRET}:{ALICE.upper()}:comment:home:", "alice", None, ALICE),
        (rf"CORPUS\alice:1103:{NO_LM}:{ALICE}:::", "alice", "CORPUS", ALICE),
        (rf"CORPUS\WS1$:{NO_LM}:{ALICE}:::", "WS1$", "CORPUS", ALICE),
        (f"bob:1001:{'X' * 32}:{BOB.upper()}:[U          ]:LCT-6553F100:", "bob", None, BOB),
        (f"John Doe:1002:{NO_LM}:{BOB}:::", "John Doe", None, BOB),
        (f"bob:{BOB}", "bob", None, BOB),
        (rf"CORPUS\bob:{BOB}", "bob", "CORPUS", BOB),
        (f"bob@corpus.example:{BOB}", "bob", "corpus.example", BOB),
        (f"  bob:{BOB}  \r", "bob", None, BOB),
        (rf"CORPUS\alice_history12:1103:{NO_LM}:{BOB}:::", "alice", "CORPUS", BOB),
    ],
)
def test_every_form_is_read(line, user, domain, digits):
    assert parse(["# accounts", "", line], "list").credentials == (credential(user, domain, digits, 3),)
    assert MARKER.match(line.strip())


def test_the_output_of_secretsdump_is_read_and_its_other_secrets_passed_over():
    assert parse(SECRETSDUMP.split("\n"), "list").credentials == (
        credential("Administrator", None, ALICE, 5),
        credential("WS1$", "CORPUS", BOB, 11),
        credential("alice", "corpus.example", ALICE, 18),
        credential("alice", "corpus.example", BOB, 19),
    )
    marked = [line for line in SECRETSDUMP.split("\n") if MARKER.match(line)]
    assert marked[0].startswith("Administrator:500")


@pytest.mark.parametrize(
    "line", [f"guest:501:{NO_SECRET}:{NO_SECRET}:::", f"nobody:1003:{'X' * 32}:{'X' * 32}:[DU ]:LCT-0:", "x:1:::::"]
)
def test_an_account_without_a_hash_is_passed_over(line):
    assert list(parse([line], "list")) == []


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        "alice:Passw0rd!",
        f"alice:{ALICE[:-1]}",
        f"alice:{ALICE}0",
        f"alice:1000:{ALICE}",
        f":{ALICE}",
        f"alice::CORPUS:0123456789abcdef:{ALICE}:0101",  # a NetNTLMv2 response, as Responder writes it
        "[+] something else",
    ],
)
def test_what_is_no_account_is_a_mistake_with_its_line(line):
    with pytest.raises(UsageError) as raised:
        parse([f"bob:{BOB}", line], "list")
    assert str(raised.value) == (
        "list line 2: an account is written user:rid:lmhash:nthash::: or user:nthash, with DOMAIN\\ before the user "
        "where it is known"
    )


@given(st.text(st.sampled_from("alice\\:*X0123456789abcdef[]# \n"), max_size=120))
def test_any_text_is_hashes_or_a_usage_error(text):
    with suppress(UsageError):
        for found in parse(text.split("\n"), "list").credentials:
            assert found.nt_hash is not None
            assert found.nt_hash.hex() in text
