"""The signature that SPNEGO puts over its list of mechanisms, in both directions and all strengths."""

import pytest

from parsers.gss.ntlm.legacy import hmac_md5, md5, rc4
from parsers.gss.ntlm.messages import NegotiateFlags
from refserver.gss.ntlm_signature import first_signature

KEY = bytes.fromhex("55555555555555555555555555555555")  # RandomSessionKey of MS-NLMP 4.2.1
STRONG = NegotiateFlags.NEGOTIATE_128 | NegotiateFlags.KEY_EXCH


def test_signing_and_sealing_keys_are_those_of_the_published_example() -> None:
    # MS-NLMP 4.2.4.4: SignKey 4788dc861b4782f35d43fd98fe1a2d39, SealKey 59f600973cc4960a25480a7c196e4c58, sequence 0,
    # of the client. The MIC of the empty message is RC4(SealKey, HMAC_MD5(SignKey, seq)[0:8]) between version and seq.
    sign = bytes.fromhex("4788dc861b4782f35d43fd98fe1a2d39")
    seal = bytes.fromhex("59f600973cc4960a25480a7c196e4c58")
    expected = b"\x01\0\0\0" + rc4(seal, hmac_md5(sign, bytes(4) + b"message")[:8]) + bytes(4)
    assert first_signature(key=KEY, flags=STRONG, from_server=False, message=b"message") == expected


def test_without_key_exchange_the_checksum_is_not_sealed() -> None:
    signing = md5(KEY + b"session key to server-to-client signing key magic constant\0")
    found = first_signature(key=KEY, flags=NegotiateFlags.NEGOTIATE_128, from_server=True, message=b"m")
    assert found[4:12] == hmac_md5(signing, bytes(4) + b"m")[:8]


@pytest.mark.parametrize(("strength", "size"), [(NegotiateFlags.NEGOTIATE_56, 7), (NegotiateFlags(0), 5)])
def test_weaker_sealing_uses_less_of_the_key(strength: NegotiateFlags, size: int) -> None:
    flags = NegotiateFlags.KEY_EXCH | strength
    signing = md5(KEY + b"session key to client-to-server signing key magic constant\0")
    sealing = md5(KEY[:size] + b"session key to client-to-server sealing key magic constant\0")
    found = first_signature(key=KEY, flags=flags, from_server=False, message=b"m")
    assert found[4:12] == rc4(sealing, hmac_md5(signing, bytes(4) + b"m")[:8])
