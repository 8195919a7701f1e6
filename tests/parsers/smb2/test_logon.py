"""Who logs on, and with which key: what tokens tell without secrets, and with them."""

from dataclasses import replace

import pytest

from parsers.gss.ntlm.exchange import Proven, Unproven
from parsers.gss.ntlm.messages import NegotiateFlags
from parsers.gss.spnego import Mechanism, NegTokenInit
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import Credential, KeyStore
from parsers.smb2.logon import Logon
from parsers.smb2.session import Authentication, SecurityContext
from parsers.verdicts import Decryption
from tests.parsers.gss.kerberos.samples import DATA
from tests.parsers.smb2.dialogue import ALICE, NOBODY, PASSWORDS, Authenticate

TOKENS = ALICE.tokens()


def logon(client: list[bytes], server: list[bytes], *secrets: object) -> Logon:
    """What these tokens show to somebody who has the secrets."""
    store = KeyStore()
    for secret in secrets:
        store.add(secret)
    return Logon.of(Authentication(b"", 0, client_tokens=client, server_tokens=server), store)


def whole(*secrets: object) -> Logon:
    """A logon of alice of which nothing is missing."""
    return logon([TOKENS.negotiate, TOKENS.authenticate], [TOKENS.challenge, TOKENS.accept], *secrets)


def kerberos(*secrets: object) -> Logon:
    """A recorded logon of carol with a ticket of a domain controller, and the answer to it."""
    ad = DATA["ad"]
    return logon([bytes.fromhex(ad["ap_req"])], [bytes.fromhex(ad["ap_rep"])], *secrets)


def service_key(**changes: object) -> KeytabEntry:
    """The key of the service, as its keytab has it."""
    ad = DATA["ad"]
    entry = KeytabEntry(ad["principal"], ad["realm"], ad["kvno"], ad["etype"], bytes.fromhex(ad["key"]), 0, "a test")
    return replace(entry, **changes)


def test_a_ticket_without_a_key_shows_the_service_only():
    found = kerberos()
    assert (found.mechanism, found.who, found.ticket) == ("Kerberos", None, None)
    assert found.service == "cifs/dc1.ad.example.test@AD.EXAMPLE.TEST"
    assert isinstance(found.key, Unproven)
    assert found.key.verdict is Decryption.NO_KEY
    assert "keytab" in found.key.reason


def test_the_services_key_opens_the_ticket():
    found = kerberos(service_key())
    assert isinstance(found.key, Proven)
    assert found.key.key == bytes.fromhex(DATA["ad"]["session_key"])
    assert found.who.user == "carol"
    assert found.who.domain == "ADEX"
    assert found.who.user_sid.startswith("S-1-5-21-")
    assert any(sid.endswith("-513") for sid in found.who.groups)  # Domain Users
    assert found.ticket.endtime > found.ticket.authtime


def test_another_key_is_a_reason_in_words():
    found = kerberos(service_key(key=bytes(32)))
    assert isinstance(found.key, Unproven)
    assert found.service in found.key.reason


def test_the_tokens_tell_who_logs_on_and_how():
    assert whole().who == SecurityContext("alice", "CORPUS", "DESK")
    assert whole().mechanism == "NTLMv2"


def test_the_right_password_gives_the_session_key():
    found = whole(*PASSWORDS).key
    assert isinstance(found, Proven)
    assert found.key == ALICE.key
    assert found.proof == "NTProofStr and MIC"


@pytest.mark.parametrize(
    ("credentials", "verdict", "reason"),
    [
        ((), Decryption.NO_KEY, r"no credential for CORPUS\alice"),
        (
            (Credential("bob", None, "x"),),
            Decryption.NO_KEY,
            r"no credential for CORPUS\alice; those given are for bob",
        ),
        (
            (Credential("alice", None, "x"),),
            Decryption.WRONG_KEY,
            r"wrong password for CORPUS\alice: the client used another one",
        ),
    ],
)
def test_without_the_right_password_there_is_a_reason(credentials, verdict, reason):
    assert whole(*credentials).key == Unproven(verdict, reason)


def test_tokens_that_come_in_pieces_are_joined():
    """MS-SPNG 3.1.5.6."""
    pieces = [TOKENS.negotiate, TOKENS.authenticate[:100], TOKENS.authenticate[100:]]
    assert isinstance(logon(pieces, [TOKENS.challenge], *PASSWORDS).key, Proven)


def test_an_anonymous_logon_has_no_key():
    tokens = NOBODY.tokens()
    found = logon([tokens.negotiate, tokens.authenticate], [tokens.challenge, tokens.accept], *PASSWORDS)
    assert (found.mechanism, found.who.user) == ("anonymous", "")
    assert found.key == Unproven(Decryption.NO_KEY, "anonymous logon: there is no session key")


@pytest.mark.parametrize(
    ("client", "server", "mechanism"),
    [
        ([], [], None),
        ([], [TOKENS.accept], None),
        ([TOKENS.negotiate], [], "NTLM"),
        ([TOKENS.negotiate], [TOKENS.challenge], "NTLM"),
        ([NegTokenInit((Mechanism.KERBEROS,)).build()], [], "Kerberos"),
    ],
)
def test_half_of_a_logon_is_no_handshake(client, server, mechanism):
    half = logon(client, server, *PASSWORDS)
    assert (half.mechanism, half.who) == (mechanism, None)
    assert half.key == Unproven(Decryption.NO_HANDSHAKE, "the logon is not whole in the capture")


def test_without_the_challenge_nothing_is_proved():
    found = logon([TOKENS.authenticate], [], *PASSWORDS).key
    assert found == Unproven(Decryption.NO_HANDSHAKE, r"the challenge to CORPUS\alice is not in the capture")


def test_another_mechanism_is_named_and_not_supported():
    client = NegTokenInit((Mechanism.NEGOEX,), mech_token=b"NEGOEXTS").build()
    found = logon([client], [], *PASSWORDS)
    assert found.mechanism == "NegoEx"
    assert found.key == Unproven(Decryption.UNSUPPORTED, "NegoEx logon: give its session key")


@pytest.mark.parametrize(
    "bad", [b"\xff" * 20, b"NTLMSSP\x00\x03\x00\x00\x00", b"\xa1\x02\x30\x05", b"\x60\x88" + b"\xff" * 9]
)
def test_tokens_that_cannot_be_read_are_a_problem_in_words(bad):
    found = logon([TOKENS.negotiate, bad], [TOKENS.challenge], *PASSWORDS).key
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.DAMAGED
    assert found.reason.startswith("the logon's tokens cannot be read: ")


def test_a_token_that_ends_too_early_leaves_the_logon_unfinished():
    found = logon([TOKENS.negotiate, TOKENS.authenticate[:-1]], [TOKENS.challenge], *PASSWORDS).key
    assert found == Unproven(Decryption.NO_HANDSHAKE, "the logon is not whole in the capture")


def test_ntlm_without_spnego_is_read():
    raw = Authenticate(NegotiateFlags.UNICODE, b"", bytes(24), "CORPUS", "carol", "DESK").build()
    found = logon([raw], [])
    assert (found.mechanism, found.who.user) == ("NTLMv1", "carol")
