import pytest

from parsers.gss.ntlm.exchange import Proven, Unproven
from parsers.gss.ntlm.messages import NegotiateFlags
from parsers.gss.spnego import Mechanism, NegState, NegTokenInit, NegTokenResp
from parsers.keys.store import Credential
from parsers.smb2.logon import Logon
from parsers.smb2.session import Authentication
from parsers.verdicts import Decryption
from tests.parsers.smb2.dialogue import ALICE, NOBODY, PASSWORDS, Authenticate

TOKENS = ALICE.tokens()


def logon(client: list[bytes], server: list[bytes]) -> Logon:
    """What these tokens show."""
    return Logon.of(Authentication(b"", 0, client_tokens=client, server_tokens=server))


WHOLE = logon([TOKENS.negotiate, TOKENS.authenticate], [TOKENS.challenge, TOKENS.accept])


def test_the_tokens_tell_who_logs_on_and_how():
    assert (WHOLE.user, WHOLE.domain, WHOLE.workstation) == ("alice", "CORPUS", "DESK")
    assert WHOLE.mechanism == "NTLMv2"
    assert WHOLE.problem is None


def test_the_right_password_gives_the_session_key():
    found = WHOLE.session_key(PASSWORDS)
    assert isinstance(found, Proven)
    assert found.key == ALICE.key
    assert found.proof == "NTProofStr and MIC"


@pytest.mark.parametrize(
    ("credentials", "verdict", "reason"),
    [
        ((), Decryption.NO_KEY, r"no credential for CORPUS\alice"),
        ((Credential("bob", None, "x"),), Decryption.NO_KEY, r"no credential for CORPUS\alice"),
        (
            (Credential("alice", None, "x"),),
            Decryption.WRONG_KEY,
            r"wrong password for CORPUS\alice: the client used another one",
        ),
    ],
)
def test_without_the_right_password_there_is_a_reason(credentials, verdict, reason):
    assert WHOLE.session_key(credentials) == Unproven(verdict, reason)


def test_tokens_that_come_in_pieces_are_joined():
    """MS-SPNG 3.1.5.6."""
    pieces = [TOKENS.negotiate, TOKENS.authenticate[:100], TOKENS.authenticate[100:]]
    found = logon(pieces, [TOKENS.challenge]).session_key(PASSWORDS)
    assert isinstance(found, Proven)


def test_an_anonymous_logon_has_no_key():
    tokens = NOBODY.tokens()
    found = logon([tokens.negotiate, tokens.authenticate], [tokens.challenge, tokens.accept])
    assert (found.mechanism, found.user) == ("anonymous", "")
    assert found.session_key(PASSWORDS) == Unproven(Decryption.NO_KEY, "anonymous logon: there is no session key")


@pytest.mark.parametrize(
    ("client", "server", "mechanism"),
    [
        ([], [], None),
        ([], [TOKENS.accept], None),
        ([TOKENS.negotiate], [], "NTLM"),
        ([TOKENS.negotiate], [TOKENS.challenge], "NTLM"),
    ],
)
def test_half_of_a_logon_is_no_handshake(client, server, mechanism):
    half = logon(client, server)
    assert (half.mechanism, half.user) == (mechanism, None)
    found = half.session_key(PASSWORDS)
    assert found == Unproven(Decryption.NO_HANDSHAKE, "the logon is not whole in the capture")


def test_without_the_challenge_nothing_is_proved():
    found = logon([TOKENS.authenticate], []).session_key(PASSWORDS)
    assert found == Unproven(Decryption.NO_HANDSHAKE, r"the challenge to CORPUS\alice is not in the capture")


@pytest.mark.parametrize("mechanism", [Mechanism.KERBEROS, Mechanism.MS_KERBEROS, Mechanism.IAKERB])
def test_a_kerberos_logon_asks_for_its_session_key(mechanism):
    client = NegTokenInit((mechanism,), mech_token=b"\x6e\x03\x02\x01\x05").build()
    server = NegTokenResp(NegState.ACCEPT_COMPLETED, mechanism).build()
    found = logon([client], [server])
    assert "erberos" in (found.mechanism or "") or found.mechanism == "IAKERB"
    answer = found.session_key(PASSWORDS)
    assert isinstance(answer, Unproven)
    assert answer.verdict is Decryption.NO_KEY
    assert "give its session key" in answer.reason


def test_another_mechanism_is_named_and_not_supported():
    client = NegTokenInit((Mechanism.NEGOEX,), mech_token=b"NEGOEXTS").build()
    found = logon([client], [])
    assert found.mechanism == "NegoEx"
    assert found.session_key(PASSWORDS) == Unproven(Decryption.UNSUPPORTED, "NegoEx logon: give its session key")


@pytest.mark.parametrize(
    "bad", [b"\xff" * 20, b"NTLMSSP\x00\x03\x00\x00\x00", b"\xa1\x02\x30\x05", b"\x60\x88" + b"\xff" * 9]
)
def test_tokens_that_cannot_be_read_are_a_problem_in_words(bad):
    found = logon([TOKENS.negotiate, bad], [TOKENS.challenge])
    assert found.problem is not None
    assert found.problem.startswith("the logon's tokens cannot be read: ")
    assert found.session_key(PASSWORDS) == Unproven(Decryption.DAMAGED, found.problem)


def test_a_token_that_ends_too_early_leaves_the_logon_unfinished():
    found = logon([TOKENS.negotiate, TOKENS.authenticate[:-1]], [TOKENS.challenge])
    assert found.problem is None
    assert found.session_key(PASSWORDS) == Unproven(Decryption.NO_HANDSHAKE, "the logon is not whole in the capture")


def test_ntlm_without_spnego_is_read():
    raw = Authenticate(NegotiateFlags.UNICODE, b"", bytes(24), "CORPUS", "carol", "DESK").build()
    found = logon([raw], [])
    assert (found.mechanism, found.user) == ("NTLMv1", "carol")
