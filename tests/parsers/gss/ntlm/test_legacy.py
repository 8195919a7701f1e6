import pytest

from parsers.gss.ntlm.legacy import des, hmac_md5, md4, md5, rc4

# RFC 1320 A.5
MD4 = {
    "": "31d6cfe0d16ae931b73c59d7e0c089c0",
    "a": "bde52cb31de33e46245e05fbdbd6fb24",
    "abc": "a448017aaf21d8525fc10ae87aa6729d",
    "message digest": "d9130a8164549fe818874806e1c7014b",
    "abcdefghijklmnopqrstuvwxyz": "d79e1c308aa5bbcdeea8ed63df412da9",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789": "043f8582f241db351ce627e153e7f0e4",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890": (
        "e33b4ddc9c38f2199c3e7b164fcc0536"
    ),
}


@pytest.mark.parametrize(("text", "digest"), MD4.items(), ids=range(len(MD4)))
def test_md4_gives_the_digests_of_rfc_1320(text, digest):
    assert md4(text.encode()).hex() == digest


def test_md4_pads_every_length():
    assert len({md4(bytes(length)) for length in range(130)}) == 130


def test_md5_and_its_hmac():
    # RFC 1321 A.5, RFC 2202 2
    assert md5(b"abc").hex() == "900150983cd24fb0d6963f7d28e17f72"
    assert hmac_md5(b"Jefe", b"what do ya want for nothing?").hex() == "750c783e6ab0b503eaa86e310a5db738"


def test_rc4_gives_the_stream_of_rfc_6229():
    assert rc4(bytes.fromhex("0102030405060708090a0b0c0d0e0f10"), bytes(16)).hex() == "9ac7cc9a609d1ef7b2932899cde41b97"


def test_des_hashes_the_lm_constant():
    # MS-NLMP 4.2.2.1.1: LMOWFv1 of "Password", in its two halves
    assert des(b"PASSWOR", b"KGS!@#$%").hex() == "e52cac67419a9a22"
    assert des(b"D" + bytes(6), b"KGS!@#$%").hex() == "4a3b108f3fa6cb6d"
