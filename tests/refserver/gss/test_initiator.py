"""SPNEGO as a client speaks it, around a mechanism that writes down what it is given."""

import pytest

from parsers.errors import ParseError
from parsers.gss import der, spnego
from parsers.gss.spnego import Mechanism, NegState, NegTokenInit, NegTokenResp
from refserver.gss.initiator import Initiator


class Recorder:
    """A mechanism whose tokens are numbered."""

    oid = Mechanism.NTLM
    session_key = b"a key"

    def __init__(self, signature: bytes | None = None) -> None:
        self.taken: list[bytes] = []
        self.signed: list[bytes] = []
        self._signature = signature

    def step(self, token: bytes) -> bytes:
        self.taken.append(token)
        return b"token %d" % len(self.taken)

    def mic(self, message: bytes) -> bytes | None:
        self.signed.append(message)
        return self._signature


def test_the_first_token_offers_the_one_mechanism_with_its_token() -> None:
    mechanism = Recorder()
    first = spnego.parse(Initiator(mechanism).first())
    assert first == NegTokenInit((Mechanism.NTLM,), mech_token=b"token 1")
    assert mechanism.taken == [b""]


def test_the_servers_token_goes_to_the_mechanism_and_its_answer_back_with_the_signature_of_the_list() -> None:
    mechanism = Recorder(b"a signature")
    initiator = Initiator(mechanism)
    initiator.first()
    more = NegTokenResp(NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM, b"challenge").build()
    answer = spnego.parse(initiator.answer(more))
    assert answer == NegTokenResp(response_token=b"token 2", mech_list_mic=b"a signature")
    assert mechanism.taken[1:] == [b"challenge"]
    assert mechanism.signed == [der.build(der.SEQUENCE, der.build_oid(Mechanism.NTLM))]


def test_a_server_that_wants_more_without_a_token_gets_an_empty_answer() -> None:
    initiator = Initiator(Recorder())
    initiator.first()
    assert spnego.parse(initiator.answer(NegTokenResp(NegState.ACCEPT_INCOMPLETE).build())) == NegTokenResp()


@pytest.mark.parametrize(
    ("buffer", "taken"),
    [
        (b"", []),
        (NegTokenResp(NegState.ACCEPT_COMPLETED).build(), []),
        (NegTokenResp(NegState.ACCEPT_COMPLETED, response_token=b"last").build(), [b"last"]),
        (b"NTLMSSP\x00 and more", [b"NTLMSSP\x00 and more"]),
    ],
    ids=["nothing", "no token", "a token", "a bare token"],
)
def test_what_comes_with_success_is_given_to_the_mechanism(buffer: bytes, taken: list[bytes]) -> None:
    mechanism = Recorder()
    initiator = Initiator(mechanism)
    initiator.first()
    initiator.finish(buffer)
    assert mechanism.taken[1:] == taken
    assert initiator.session_key == b"a key"


def test_bytes_that_are_no_token_are_refused() -> None:
    initiator = Initiator(Recorder())
    initiator.first()
    with pytest.raises(ParseError):
        initiator.answer(b"\x00\x01\x02")
