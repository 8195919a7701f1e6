"""NTLM logons of the client, opened by the code that opens captured ones."""

from random import Random

import pytest

from parsers.errors import ParseError
from parsers.gss.ntlm.crypto import nt_owf_v1
from parsers.gss.ntlm.exchange import NtlmExchange, Proven
from parsers.gss.ntlm.messages import (
    Authenticate,
    AvFlags,
    AvId,
    AvPair,
    Challenge,
    NegotiateFlags,
    NtlmV2Response,
)
from parsers.keys.store import Credential
from parsers.times import ns_to_filetime
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.gss.ntlm_signature import first_signature

NOW = 1_790_000_000 * 10**9
ALICE = NtlmCredential("alice", "CORPUS", "Passw0rd!", workstation="DESK", target_name="cifs/server")
FLAGS = (
    NegotiateFlags.UNICODE
    | NegotiateFlags.SIGN
    | NegotiateFlags.EXTENDED_SESSIONSECURITY
    | NegotiateFlags.TARGET_INFO
    | NegotiateFlags.NEGOTIATE_128
)
DOMAIN = AvPair(AvId.NB_DOMAIN_NAME, "CORPUS".encode("utf-16-le"))
TIME = AvPair(AvId.TIMESTAMP, ns_to_filetime(NOW + 5).to_bytes(8, "little"))


def log_on(
    credential: NtlmCredential, flags: NegotiateFlags, pairs: tuple[AvPair, ...] = (DOMAIN,)
) -> tuple[list[bytes], bytes | None]:
    """The three messages, and the key as the client has it."""
    initiator = credential.begin(Random(1).randbytes, NOW)
    negotiate = initiator.step(b"")
    challenge = Challenge(flags, b"8 bytes!", "CORPUS", pairs).build()
    return [negotiate, challenge, initiator.step(challenge)], initiator.session_key


@pytest.mark.parametrize("pairs", [(DOMAIN,), (DOMAIN, TIME)], ids=["no time", "the server's time"])
@pytest.mark.parametrize("exchange", [NegotiateFlags.KEY_EXCH, NegotiateFlags(0)], ids=["key exchange", "no exchange"])
@pytest.mark.parametrize("secret", ["password", "hash"])
def test_the_key_is_the_one_that_the_password_proves(
    secret: str, exchange: NegotiateFlags, pairs: tuple[AvPair, ...]
) -> None:
    credential = ALICE
    if secret == "hash":
        credential = NtlmCredential(
            "alice", "CORPUS", nt_hash=nt_owf_v1(password="Passw0rd!"), target_name="cifs/server"
        )
    messages, key = log_on(credential, FLAGS | exchange, pairs)
    found = NtlmExchange.from_tokens(messages)
    assert found is not None
    proven = found.session_key([Credential("alice", "CORPUS", "Passw0rd!")])
    assert isinstance(proven, Proven)
    assert proven.key == key
    assert "MIC" in proven.proof
    assert key is not None
    assert key.hex() not in repr(credential)


def test_the_response_carries_the_servers_names_its_time_and_the_target() -> None:
    messages, _ = log_on(ALICE, FLAGS, (DOMAIN, TIME))
    authenticate = Authenticate.parse(messages[2])
    response = NtlmV2Response.parse(authenticate.nt_response)
    assert response.flags == AvFlags.MIC_PRESENT
    assert response.time_stamp == int.from_bytes(TIME.value, "little")
    assert {pair.av_id: pair.text for pair in response.av_pairs}[AvId.TARGET_NAME] == "cifs/server"
    assert DOMAIN in response.av_pairs
    assert authenticate.lm_response == bytes(24)
    assert (authenticate.domain, authenticate.user, authenticate.workstation) == ("CORPUS", "alice", "DESK")


def test_without_the_servers_time_the_clients_own_counts_and_an_lm_response_is_sent() -> None:
    messages, _ = log_on(ALICE, FLAGS)
    authenticate = Authenticate.parse(messages[2])
    assert NtlmV2Response.parse(authenticate.nt_response).time_stamp == ns_to_filetime(NOW)
    assert len(authenticate.lm_response) == 24
    assert authenticate.lm_response != bytes(24)


def test_a_wrong_password_proves_nothing() -> None:
    messages, _ = log_on(NtlmCredential("alice", "CORPUS", "wrong"), FLAGS)
    found = NtlmExchange.from_tokens(messages)
    assert found is not None
    assert not isinstance(found.session_key([Credential("alice", "CORPUS", "Passw0rd!")]), Proven)


def test_nobody_sends_no_response_and_has_no_key() -> None:
    messages, key = log_on(NtlmCredential(), FLAGS | NegotiateFlags.KEY_EXCH)
    authenticate = Authenticate.parse(messages[2])
    assert authenticate.flags & NegotiateFlags.ANONYMOUS
    assert (authenticate.nt_response, authenticate.lm_response, authenticate.user) == (b"", b"\x00", "")
    assert key is None


def test_the_list_of_mechanisms_is_signed_once_there_is_a_key() -> None:
    initiator = ALICE.begin(Random(1).randbytes, NOW)
    initiator.step(b"")
    assert initiator.mic(b"a list") is None
    initiator.step(Challenge(FLAGS, b"8 bytes!", "CORPUS", (DOMAIN,)).build())
    assert initiator.session_key is not None
    assert initiator.mic(b"a list") == first_signature(
        key=initiator.session_key,
        flags=FLAGS & ~NegotiateFlags.TARGET_INFO,
        from_server=False,
        message=b"a list",
    )


def test_a_server_without_extended_session_security_is_refused() -> None:
    with pytest.raises(ParseError, match="too old"):
        log_on(ALICE, FLAGS & ~NegotiateFlags.EXTENDED_SESSIONSECURITY)


def test_the_same_random_bytes_give_the_same_messages() -> None:
    assert log_on(ALICE, FLAGS) == log_on(ALICE, FLAGS)
