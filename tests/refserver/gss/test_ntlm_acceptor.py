"""NTLMv2 logons: who is let in, who is not, and with which status (MS-NLMP 3.2.5)."""

from dataclasses import replace

import pytest

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.gss.ntlm.messages import MIC_OFFSET, Authenticate, AvId, Challenge, NegotiateFlags
from parsers.times import ns_to_filetime
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted
from refserver.gss.ntlm_acceptor import NtlmAcceptor
from refserver.gss.ntlm_initiator import NtlmCredential, NtlmInitiator
from refserver.server.config import ServerConfig, UserAccount

NOW = 1_700_000_000 * 10**9
PASSWORD = "secret"  # of a test's account


def count(size: int) -> bytes:
    return bytes(range(1, size + 1))


def config_with(**settings: object) -> ServerConfig:
    config = ServerConfig()
    account = UserAccount("Alice", PASSWORD)
    for name, value in settings.items():
        setattr(account if hasattr(account, name) else config, name, value)
    config.add_user(account)
    return config


def log_on(config: ServerConfig, credential: NtlmCredential, *, now: int = NOW) -> tuple[NtlmAcceptor, NtlmInitiator]:
    acceptor, initiator = NtlmAcceptor(config, count), credential.begin(count, now)
    challenge = acceptor.step(initiator.step(b""), now)
    assert acceptor.step(initiator.step(challenge), now) == b""
    return acceptor, initiator


def accepted(config: ServerConfig, credential: NtlmCredential) -> Accepted:
    acceptor, _ = log_on(config, credential)
    assert acceptor.accepted is not None
    return acceptor.accepted


def refusal(config: ServerConfig, credential: NtlmCredential | None = None) -> int:
    with pytest.raises(StatusError) as error:
        log_on(config, credential or NtlmCredential("alice", "", PASSWORD, workstation="PC7"))
    return error.value.status


def test_both_sides_have_the_same_key_and_know_who_it_is() -> None:
    acceptor, initiator = log_on(config_with(groups=("S-1-5-32-545",)), NtlmCredential("ALICE", "anything", PASSWORD))
    assert acceptor.accepted is not None
    assert acceptor.accepted.session_key == initiator.session_key
    context = acceptor.accepted.security_context
    assert (context.user, context.domain, context.groups) == ("Alice", "WORKGROUP", ("S-1-5-32-545",))
    assert acceptor.accepted.expiration is None


def test_each_side_can_verify_the_signature_of_the_other() -> None:
    acceptor, initiator = log_on(config_with(), NtlmCredential("alice", "", PASSWORD))
    client_mic = initiator.mic(b"list")
    assert client_mic is not None
    assert acceptor.verify(b"list", client_mic)
    assert not acceptor.verify(b"lisp", client_mic)
    assert acceptor.mic(b"list") not in (None, client_mic)


def test_the_challenge_names_the_server_and_its_time() -> None:
    config = ServerConfig(name="FILES", domain="CORP", dns_domain="corp.example")
    challenge = Challenge.parse(NtlmAcceptor(config, count).step(NtlmCredential("a").begin(count, NOW).step(b""), NOW))
    pairs = {pair.av_id: pair for pair in challenge.target_info}
    assert pairs[AvId.NB_COMPUTER_NAME].text == "FILES"
    assert pairs[AvId.NB_DOMAIN_NAME].text == "CORP"
    assert pairs[AvId.DNS_COMPUTER_NAME].text == "files.corp.example"
    assert int.from_bytes(pairs[AvId.TIMESTAMP].value, "little") == ns_to_filetime(NOW)
    assert challenge.flags & NegotiateFlags.TARGET_INFO


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"disabled": True}, ntstatus.STATUS_ACCOUNT_DISABLED),
        ({"expires": NOW}, ntstatus.STATUS_ACCOUNT_EXPIRED),
        ({"logon_hours_end": NOW - 1}, ntstatus.STATUS_INVALID_LOGON_HOURS),
        ({"workstations": ("PC1", "PC2")}, ntstatus.STATUS_INVALID_WORKSTATION),
        ({"must_change_password": True}, ntstatus.STATUS_PASSWORD_MUST_CHANGE),
        ({"password_expires": NOW}, ntstatus.STATUS_PASSWORD_EXPIRED),
        ({"locked_out": True}, ntstatus.STATUS_ACCOUNT_LOCKED_OUT),
    ],
)
def test_an_account_with_a_restriction(settings: dict[str, object], status: int) -> None:
    assert refusal(config_with(**settings)) == status


def test_a_restriction_is_told_only_to_who_knows_the_password() -> None:
    wrong = NtlmCredential("alice", "", "wrong")
    assert refusal(config_with(disabled=True), wrong) == ntstatus.STATUS_LOGON_FAILURE
    assert refusal(config_with(locked_out=True), wrong) == ntstatus.STATUS_ACCOUNT_LOCKED_OUT


def test_restrictions_that_do_not_apply_let_the_user_in() -> None:
    config = config_with(expires=NOW + 1, logon_hours_end=NOW + 1, workstations=("pc7",), password_expires=NOW + 1)
    found = accepted(config, NtlmCredential("alice", "", PASSWORD, workstation="PC7"))
    assert found.security_context.logon_hours_end == NOW + 1


def test_bad_passwords_lock_the_account_at_the_threshold_and_a_good_one_counts_anew() -> None:
    config = config_with(lockout_threshold=3)
    wrong, right = NtlmCredential("alice", "", "wrong"), NtlmCredential("alice", "", PASSWORD)
    for _ in range(2):
        assert refusal(config, wrong) == ntstatus.STATUS_LOGON_FAILURE
    accepted(config, right)
    for _ in range(3):
        assert refusal(config, wrong) == ntstatus.STATUS_LOGON_FAILURE
    assert refusal(config, right) == ntstatus.STATUS_ACCOUNT_LOCKED_OUT


def test_a_stranger_is_refused_or_a_guest() -> None:
    stranger = NtlmCredential("mallory", "", "x")
    assert refusal(config_with(), stranger) == ntstatus.STATUS_LOGON_FAILURE
    found = accepted(config_with(guest=True), stranger)
    assert (found.is_guest, found.session_key) == (True, None)
    assert refusal(config_with(guest=True), NtlmCredential("alice", "", "wrong")) == ntstatus.STATUS_LOGON_FAILURE


def test_nobody_is_refused_or_anonymous() -> None:
    assert refusal(config_with(), NtlmCredential()) == ntstatus.STATUS_ACCESS_DENIED
    found = accepted(config_with(anonymous=True), NtlmCredential())
    assert (found.is_anonymous, found.session_key) == (True, None)


def tampered(change: str) -> int:
    config = config_with()
    acceptor, initiator = NtlmAcceptor(config, count), NtlmCredential("alice", "", PASSWORD).begin(count, NOW)
    token = bytearray(initiator.step(acceptor.step(initiator.step(b""), NOW)))
    if change == "mic":
        token[MIC_OFFSET] ^= 1
    elif change == "flags":
        token[60] ^= NegotiateFlags.SIGN
    else:
        message = Authenticate.parse(token)
        token = bytearray(replace(message, nt_response=bytes(24), mic=None).build())
    with pytest.raises(StatusError) as error:
        acceptor.step(bytes(token), NOW)
    return error.value.status


def test_a_message_that_was_changed_on_its_way_is_found_by_its_mic() -> None:
    assert tampered("mic") == ntstatus.STATUS_INVALID_PARAMETER
    assert tampered("flags") == ntstatus.STATUS_INVALID_PARAMETER


def test_ntlmv1_is_refused() -> None:
    assert tampered("v1") == ntstatus.STATUS_LOGON_FAILURE


def test_messages_out_of_order_are_malformed() -> None:
    acceptor = NtlmAcceptor(config_with(), count)
    with pytest.raises(ParseError):
        acceptor.step(Challenge(NegotiateFlags.UNICODE, bytes(8)).build(), NOW)
