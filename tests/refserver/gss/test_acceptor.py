"""SPNEGO on the server's side: which mechanism, how many legs, and the MIC over the list (RFC 4178, MS-SPNG)."""

import pytest

from parsers import ntstatus
from parsers.gss import der, spnego
from parsers.gss.spnego import Mechanism, NegState, NegTokenInit, NegTokenResp
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted
from refserver.gss.acceptor import Acceptor, negotiate_token
from refserver.gss.initiator import Initiator
from refserver.gss.kerberos_initiator import KerberosInitiator
from refserver.gss.ntlm_initiator import NtlmCredential, NtlmInitiator
from refserver.server.config import ServerConfig, UserAccount
from tests.refserver.gss.test_kerberos_acceptor import NOW, Counter, keytab_entry, ticket_for

ENTRY = keytab_entry()


def acceptor(*, kerberos: bool = False) -> Acceptor:
    config = ServerConfig(keytab=(ENTRY,) if kerberos else ())
    config.add_user(UserAccount("alice", "secret"))
    return Acceptor(config, Counter())


def ntlm() -> NtlmInitiator:
    return NtlmCredential("alice", "", "secret").begin(Counter(), NOW)


def response(buffer: bytes) -> NegTokenResp:
    token = spnego.parse(buffer)
    assert isinstance(token, NegTokenResp)
    return token


def mech_list(*mechanisms: str) -> bytes:
    return der.build(der.SEQUENCE, *(der.build_oid(oid) for oid in mechanisms))


def test_the_server_offers_kerberos_only_with_a_keytab() -> None:
    for keytab, expected in (
        ((), (Mechanism.NTLM,)),
        ((ENTRY,), (Mechanism.MS_KERBEROS, Mechanism.KERBEROS, Mechanism.NTLM)),
    ):
        token = spnego.parse(negotiate_token(ServerConfig(keytab=keytab)))
        assert isinstance(token, NegTokenInit)
        assert token.mech_types == expected


def test_ntlm_takes_two_legs_and_ends_with_the_servers_mic() -> None:
    server, mechanism = acceptor(), ntlm()
    client = Initiator(mechanism)
    buffer, accepted = server.step(client.first(), NOW)
    assert accepted is None
    challenge = response(buffer)
    assert (challenge.neg_state, challenge.supported_mech) == (NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM)
    buffer, accepted = server.step(client.answer(buffer), NOW)
    assert accepted is not None
    assert accepted.session_key == client.session_key
    last = response(buffer)
    assert last.neg_state == NegState.ACCEPT_COMPLETED
    assert last.mech_list_mic is not None


def test_kerberos_takes_one_leg() -> None:
    server, random = acceptor(kerberos=True), Counter()
    client = Initiator(KerberosInitiator(ticket_for(ENTRY, random), random, NOW))
    buffer, accepted = server.step(client.first(), NOW)
    client.finish(buffer)
    assert accepted is not None
    assert accepted.session_key == client.session_key
    assert response(buffer).neg_state == NegState.ACCEPT_COMPLETED


def test_both_mechanisms_may_come_without_spnego() -> None:
    server, mechanism = acceptor(), ntlm()
    challenge, _ = server.step(mechanism.step(b""), NOW)
    assert challenge[:8] == b"NTLMSSP\0"
    nothing, accepted = server.step(mechanism.step(challenge), NOW)
    assert nothing == b""
    assert accepted is not None
    random = Counter()
    client = KerberosInitiator(ticket_for(ENTRY, random), random, NOW)
    answer, accepted = acceptor(kerberos=True).step(client.step(b""), NOW)
    client.step(answer)
    assert accepted is not None
    assert accepted.session_key == client.session_key


def first_with(mechanisms: tuple[str, ...], token: bytes | None) -> bytes:
    return NegTokenInit(mechanisms, mech_token=token).build()


def logged_on_by_ntlm_second(
    *, mic: bytes | None = None, leave_out: bool = False
) -> tuple[bytes, Accepted | None, Acceptor, NtlmInitiator]:
    """A client whose first choice, Kerberos, is not known here; the token that came with it is not looked at."""
    server, mechanism = acceptor(), ntlm()
    mechanisms = (Mechanism.KERBEROS, Mechanism.NTLM)
    buffer, accepted = server.step(first_with(mechanisms, b"a token of another mechanism"), NOW)
    assert accepted is None
    assert response(buffer) == NegTokenResp(NegState.REQUEST_MIC, Mechanism.NTLM)
    buffer, _ = server.step(NegTokenResp(response_token=mechanism.step(b"")).build(), NOW)
    inner = mechanism.step(response(buffer).response_token or b"")
    signature = None if leave_out else mic or mechanism.mic(mech_list(*mechanisms))
    buffer, accepted = server.step(NegTokenResp(response_token=inner, mech_list_mic=signature).build(), NOW)
    return buffer, accepted, server, mechanism


def test_a_second_choice_needs_the_mics_of_both_sides() -> None:
    buffer, accepted, _, _ = logged_on_by_ntlm_second()
    assert accepted is not None
    assert response(buffer).mech_list_mic is not None


def test_a_wrong_mic_fails_the_logon() -> None:
    with pytest.raises(StatusError) as error:
        logged_on_by_ntlm_second(mic=bytes(16))
    assert error.value.status == ntstatus.STATUS_INVALID_PARAMETER


def test_a_mic_that_is_needed_may_come_in_a_leg_of_its_own() -> None:
    buffer, accepted, server, mechanism = logged_on_by_ntlm_second(leave_out=True)
    assert accepted is None
    assert response(buffer).neg_state == NegState.ACCEPT_INCOMPLETE
    mic = mechanism.mic(mech_list(Mechanism.KERBEROS, Mechanism.NTLM))
    buffer, accepted = server.step(NegTokenResp(mech_list_mic=mic).build(), NOW)
    assert accepted is not None
    assert response(buffer).neg_state == NegState.ACCEPT_COMPLETED


def test_the_two_names_of_kerberos_are_one_mechanism() -> None:
    random = Counter()
    client = KerberosInitiator(ticket_for(ENTRY, random), random, NOW)
    first = first_with((Mechanism.MS_KERBEROS, Mechanism.KERBEROS, Mechanism.NTLM), client.step(b""))
    buffer, accepted = acceptor(kerberos=True).step(first, NOW)
    assert accepted is not None
    assert response(buffer).supported_mech == Mechanism.MS_KERBEROS


def test_a_list_without_a_token_is_answered_with_the_choice() -> None:
    buffer, accepted = acceptor().step(first_with((Mechanism.NTLM,), None), NOW)
    assert accepted is None
    assert response(buffer) == NegTokenResp(NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM)


def test_a_token_in_pieces_is_put_together() -> None:
    server, mechanism = acceptor(), ntlm()
    whole = Initiator(mechanism).first()
    assert server.step(whole[:20], NOW) == (b"", None)
    buffer, _ = server.step(whole[20:], NOW)
    assert response(buffer).supported_mech == Mechanism.NTLM


@pytest.mark.parametrize(
    ("buffer", "status"),
    [
        (b"", ntstatus.STATUS_INVALID_PARAMETER),
        (b"\x04\x01x", ntstatus.STATUS_INVALID_PARAMETER),
        (NegTokenResp(NegState.ACCEPT_INCOMPLETE).build(), ntstatus.STATUS_INVALID_PARAMETER),
        (first_with((Mechanism.NEGOEX,), b"x"), ntstatus.STATUS_LOGON_FAILURE),
        (first_with((Mechanism.KERBEROS,), b"x"), ntstatus.STATUS_LOGON_FAILURE),
        (first_with((Mechanism.NTLM,), b"x"), ntstatus.STATUS_INVALID_PARAMETER),
        (b"\x60\x84\xff\xff\xff\xff" + bytes(1 << 20), ntstatus.STATUS_INVALID_PARAMETER),
    ],
)
def test_what_is_no_logon(buffer: bytes, status: int) -> None:
    with pytest.raises(StatusError) as error:
        acceptor().step(buffer, NOW)
    assert error.value.status == status
