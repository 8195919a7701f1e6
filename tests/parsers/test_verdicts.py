"""The verdicts are those that were agreed on, in the words that tables and exports print."""

import re

import pytest

from parsers.verdicts import Decryption, Signature

DOCUMENTED = {
    Decryption: ["plaintext", "decrypted", "no_key", "no_handshake", "wrong_key", "damaged", "unsupported"],
    Signature: ["unsigned", "valid", "invalid", "no_key", "not_covered"],
}


@pytest.mark.parametrize("verdict", DOCUMENTED)
def test_the_verdicts_are_the_documented_ones(verdict):
    assert [member.value for member in verdict] == DOCUMENTED[verdict]


@pytest.mark.parametrize("verdict", DOCUMENTED)
def test_the_design_lists_the_same_verdicts(verdict, shared):
    design = (shared / "design.md").read_text()
    listed = re.search(rf"{verdict.__name__}: `([a-z_, ]+)`", design)
    assert listed is not None
    assert listed[1].split(", ") == [member.value for member in verdict]


@pytest.mark.parametrize("member", [member for verdict in DOCUMENTED for member in verdict])
def test_a_verdict_prints_as_its_word(member):
    assert f"{member}" == member.value == member.name.lower()


def test_what_could_not_be_checked_is_not_what_failed():
    assert {Decryption.NO_KEY, Decryption.NO_HANDSHAKE, Decryption.UNSUPPORTED}.isdisjoint(
        {Decryption.WRONG_KEY, Decryption.DAMAGED}
    )
    assert Signature.NO_KEY != Signature.INVALID
    assert Signature("no_key") is Signature.NO_KEY
    with pytest.raises(ValueError, match="failed"):
        Signature("failed")
