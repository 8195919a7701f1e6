"""Witnesses: RFC 3961 A.1, RFC 3962 B, RFC 8009 A, RFC 4757, keys that ktutil of MIT Kerberos 1.20 made, encrypted
parts made with impacket 0.13.1, and a KDC's answer from a capture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UnsupportedError
from parsers.gss.kerberos import crypto, kdc
from parsers.gss.kerberos.crypto import TagError
from parsers.gss.kerberos.names import ChecksumType, Etype, KeyUsage
from tests.parsers.gss.kerberos.samples import KDC_MESSAGES

unhex = bytes.fromhex
SUPPORTED = (17, 18, 19, 20, 23)
RAEBURN = b"ATHENA.MIT.EDUraeburn"
SHA2_SALT = unhex("10DF9DD783E5BC8ACEA1730E74355F61") + RAEBURN
SHA2_KEYS = {
    19: unhex("3705D96080C17728A0E800EAB6E0D23C"),
    20: unhex("6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52"),
}


@pytest.mark.parametrize(
    ("data", "folded"),
    [
        ("012345", "be072631276b1955"),
        ("password", "78a07b6caf85fa"),
        ("Rough Consensus, and Running Code", "bb6ed30870b7f0e0"),
        ("password", "59e4a8ca7c0385c3c37b3f6d2000247cb6e6bd5b3e"),
        ("MASSACHVSETTS INSTITVTE OF TECHNOLOGY", "db3b0d8f0b061e603282b308a50841229ad798fab9540c1b"),
        ("Q", "518a54a215a8452a518a54a215a8452a518a54a215"),
        ("ba", "fb25d531ae8974499f52fd92ea9857c4ba24cf297e"),
        ("kerberos", "6b65726265726f737b9b5b2b93132b93"),
    ],
)
def test_n_fold_gives_the_values_of_rfc_3961(data, folded):
    assert crypto.n_fold(data=data.encode(), size=len(folded) // 2).hex() == folded


@pytest.mark.parametrize(
    ("etype", "iterations", "key"),
    [
        (17, 1, "42263c6e89f4fc28b8df68ee09799f15"),
        (17, 2, "c651bf29e2300ac27fa469d693bdda13"),
        (17, 1200, "4c01cd46d632d01e6dbe230a01ed642a"),
        (18, 1, "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161"),
        (18, 2, "a2e16d16b36069c135d5e9d2e25f896102685618b95914b467c67622225824ff"),
        (18, 1200, "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a"),
    ],
)
def test_keys_of_passwords_are_those_of_rfc_3962(etype, iterations, key):
    found = crypto.string_to_key(etype=etype, password="password", salt=RAEBURN, iterations=iterations)
    assert found.hex() == key


def test_keys_of_passwords_are_those_of_rfc_8009_and_rfc_4757():
    keys = [crypto.string_to_key(etype=etype, password="password", salt=SHA2_SALT).hex() for etype in (19, 20)]
    assert keys[0] == "089bca48b105ea6ea77ca5d2f39dc5e7"
    assert keys[1] == "45bd806dbf6a833a9cffc1c94589a222367a79bc21c413718906e9f578a78467"
    assert crypto.string_to_key(etype=23, password="foo", salt=b"ignored").hex() == "ac8e657f83df82beea5d43bdaf7800cc"


def test_a_key_with_the_default_iterations_is_that_of_ktutil():
    salt = crypto.default_salt(realm="KRB.TEST", components=("svc", "a.krb.test"))
    keys = [crypto.string_to_key(etype=etype, password="Passw0rd!", salt=salt).hex() for etype in (17, 18)]
    assert keys[0] == "1a22ebcbe51a5b106351607ecf063b95"
    assert keys[1] == "d580e82d0d326c96621e820f9df94ad1b34b2d1470a8e9648d57b8e6a02722eb"


def test_the_salt_and_key_of_a_computer_are_those_of_ms_kile_4_4():
    salt = crypto.computer_salt(realm="DOMAIN.COM", account="CLIENT$")
    assert salt == b"DOMAIN.COMhostclient.domain.com"
    key = crypto.string_to_key(etype=17, password="\uffff" * 120, salt=salt, iterations=1000)
    assert key.hex() == "b82ee122531c2d94821ac755bccb5879"


@pytest.mark.parametrize("iterations", [0, -1, crypto.MAX_ITERATIONS + 1])
def test_a_count_of_iterations_out_of_bounds_is_refused(iterations):
    with pytest.raises(ParseError, match="iterations"):
        crypto.string_to_key(etype=18, password="x", salt=b"", iterations=iterations)


@pytest.mark.parametrize(
    ("etype", "purpose", "derived"),
    [
        (19, 0x99, "B31A018A48F54776F403E9A396325DC3"),
        (19, 0xAA, "9B197DD1E8C5609D6E67C3E37C62C72E"),
        (19, 0x55, "9FDA0E56AB2D85E1569A688696C26A6C"),
        (20, 0x99, "EF5718BE86CC84963D8BBB5031E9F5C4BA41F28FAF69E73D"),
        (20, 0xAA, "56AB22BEE63D82D7BC5227F6773F8EA7A5EB1C825160C38312980C442E5C7E49"),
        (20, 0x55, "69B16514E3CD8E56B82010D5C73012B622C4D00FFC23ED1F"),
    ],
)
def test_derived_keys_are_those_of_rfc_8009(etype, purpose, derived):
    assert crypto.derive_key(etype=etype, key=SHA2_KEYS[etype], usage=2, purpose=purpose) == unhex(derived)


RFC_8009 = [
    (19, 0, "7E5895EAF2672435BAD817F545A37148", "EF85FB890BB8472F4DAB20394DCA781DAD877EDA39D50C870C0D5A0A8E48C718"),
    (
        19,
        6,
        "7BCA285E2FD4130FB55B1A5C83BC5B24",
        "84D7F30754ED987BAB0BF3506BEB09CFB55402CEF7E6877CE99E247E52D16ED4421DFDF8976C",
    ),
    (
        19,
        16,
        "56AB21713FF62C0A1457200F6FA9948F",
        "3517D640F50DDC8AD3628722B3569D2AE07493FA8263254080EA65C1008E8FC295FB4852E7D83E1E7C48C37EEBE6B0D3",
    ),
    (
        19,
        21,
        "A7A4E29A4728CE10664FB64E49AD3FAC",
        "720F73B18D9859CD6CCB4346115CD336C70F58EDC0C4437C5573544C31C813BCE1E6D072C186B39A413C2F92CA9B8334A287FFCBFC",
    ),
    (
        20,
        0,
        "F764E9FA15C276478B2C7D0C4E5F58E4",
        "41F53FA5BFE7026D91FAF9BE959195A058707273A96A40F0A01960621AC612748B9BBFBE7EB4CE3C",
    ),
    (
        20,
        6,
        "B80D3251C1F6471494256FFE712D0B9A",
        "4ED7B37C2BCAC8F74F23C1CF07E62BC7B75FB3F637B9F559C7F664F69EAB7B6092237526EA0D1F61CB20D69D10F2",
    ),
    (
        20,
        16,
        "53BF8A0D105265D4E276428624CE5E63",
        "BC47FFEC7998EB91E8115CF8D19DAC4BBBE2E163E87DD37F49BECA92027764F68CF51F14D798C2273F35DF574D1F932E"
        "40C4FF255B36A266",
    ),
    (
        20,
        21,
        "763E65367E864F02F55153C7E3B58AF1",
        "40013E2DF58E8751957D2878BCD2D6FE101CCFD556CB1EAE79DB3C3EE86429F2B2A602AC86FEF6ECB647D6295FAE077A"
        "1FEB517508D2C16B4192E01F62",
    ),
]  # plaintexts are 00 01 02 ...


@pytest.mark.parametrize(("etype", "size", "confounder", "cipher"), RFC_8009)
def test_encryption_gives_the_samples_of_rfc_8009(etype, size, confounder, cipher):
    plaintext, key = bytes(range(size)), SHA2_KEYS[etype]
    made = crypto.encrypt(etype=etype, key=key, usage=2, plaintext=plaintext, confounder=unhex(confounder))
    assert made == unhex(cipher)
    assert crypto.decrypt(etype=etype, key=key, usage=2, data=made) == plaintext


@pytest.mark.parametrize(
    ("size", "cipher"),
    [
        (17, "c6353568f2bf8cb4d8a580362da7ff7f97"),
        (31, "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5"),
        (32, "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"),
        (47, "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5"),
        (48, "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8"),
    ],
)
def test_ciphertext_stealing_gives_the_samples_of_rfc_3962(size, cipher):
    text = b"I would like the General Gau's Chicken, please, and wonton soup."[:size]
    assert crypto._cts_encrypt(b"chicken teriyaki", text) == unhex(cipher)
    assert crypto._cts_decrypt(b"chicken teriyaki", unhex(cipher)) == text


IMPACKET = [
    (17, 2, 0, "767d339e2019359c4854127ea76cd7e246fa75890b61edc307242268"),
    (
        17,
        11,
        40,
        "39249ad69b614f68ad4cfb9930f6d1a5e5543908a02999de6dda7d4de78a6afdaa72d6721efcbc87fc45e84e9c27b005a4250661691a7c6c8837512f23a41b70a39030aa",
    ),
    (17, 12, 15, "6f47a38f646b9af3fa010e5398555268bc9ccddb70dbeb2b4bc55958a3673d876f3d05b57a16d047f6b8fb"),
    (17, 3, 16, "75c5f1c2e84ec84e2c989636f3416b242347c8b8fe3686e96c22049492ce5721ba4d3186ecdf02fee3c714ff"),
    (18, 2, 0, "731b962e216a86ea13854fd6b7fbf7ca5d5eb9c9935e988f96336b03"),
    (
        18,
        11,
        40,
        "56d20cf379e2e2921a22ef1b11e6cae485763980cbb0b5c5a11e07ce6aa38f47f85773a76d2a153c55310e807f7562151558dbb62d5324aa50004f745c8e1117da0e20cb",
    ),
    (18, 12, 15, "ef91b2fc407cf4195acef9b856a6c4806fae052ecfb6eeaf75374843d352c8638472a10a5d3a637e3c31fc"),
    (18, 3, 16, "62ec076843655438f868ced7df47f16391f563950f29a2eed9f2b82b9a337ba1c3402d60355018b019142ec2"),
    (23, 2, 0, "104eec668700be3dbf2ceb5435af861cbf7c36daf885e231"),
    (
        23,
        11,
        40,
        "4f85ff2cda460b4b0adb2bd763b9ec519e24fab9d8445179922b36e7a4be9e3b23b0cd852158d2dfdd4498426396d11911db500f53439e1abcfa90094f7cb9d3",
    ),
    (23, 12, 15, "2f7afcbbb4dc226d3e8114d654d3ed7ec1882f242963ea6d94dab40e88c71e9452f28ed12949bb"),
    (23, 3, 16, "926409520c0d099750ee49bd32af68026d7a730f629276253d97671fe355b60e17e777e6a5160f5f"),
]


@pytest.mark.parametrize(("etype", "usage", "size", "cipher"), IMPACKET)
def test_what_impacket_encrypted_is_decrypted(etype, usage, size, cipher):
    key = bytes(range(crypto.key_size(etype)))
    assert crypto.decrypt(etype=etype, key=key, usage=usage, data=unhex(cipher)) == bytes(range(size))


@pytest.mark.parametrize(
    ("checksum_type", "key_size", "value"),
    [
        (15, 16, "715b7ac7f2ad4f5d6256a285"),
        (16, 32, "4f6091383723231b89f767b3"),
        (-138, 16, "64b95b97270ae481d4ae342a3f9fa107"),
    ],
)
def test_checksums_are_those_of_impacket(checksum_type, key_size, value):
    key = bytes(range(key_size))
    usage = KeyUsage.PAC_SIGNATURE
    assert crypto.checksum(checksum_type=checksum_type, key=key, usage=usage, data=b"a PAC").hex() == value


@pytest.mark.parametrize(
    ("checksum_type", "value"),
    [
        (ChecksumType.HMAC_SHA256_128_AES128, "D78367186643D67B411CBA9139FC1DEE"),
        (ChecksumType.HMAC_SHA384_192_AES256, "45EE791567EEFCA37F4AC1E0222DE80D43C3BFA06699672A"),
    ],
)
def test_checksums_are_those_of_rfc_8009(checksum_type, value):
    key = SHA2_KEYS[checksum_type]
    assert crypto.checksum(checksum_type=checksum_type, key=key, usage=2, data=bytes(range(21))) == unhex(value)
    assert crypto.checksum_size(checksum_type) == len(value) // 2


def test_a_password_opens_the_answer_of_a_kdc():
    reply = next(message for message in map(kdc.parse, KDC_MESSAGES) if isinstance(message, kdc.KdcReply))
    part = reply.enc_part
    salt = crypto.default_salt(realm=reply.crealm, components=reply.cname.components)
    key = crypto.string_to_key(etype=part.etype, password="Passw0rd!", salt=salt)
    plaintext = crypto.decrypt(etype=part.etype, key=key, usage=KeyUsage.AS_REP, data=part.cipher)
    assert plaintext[0] == 0x7A  # [APPLICATION 26], which MIT writes in place of 25
    other = crypto.string_to_key(etype=part.etype, password="Passw0rd", salt=salt)
    with pytest.raises(TagError):
        crypto.decrypt(etype=part.etype, key=other, usage=KeyUsage.AS_REP, data=part.cipher)


@given(st.sampled_from(SUPPORTED), st.integers(1, 1024), st.binary(max_size=100), st.data())
def test_encryption_round_trips_and_any_flipped_bit_is_found(etype, usage, plaintext, data):
    key = bytes(range(crypto.key_size(etype)))
    confounder = data.draw(st.binary(min_size=crypto.confounder_size(etype), max_size=crypto.confounder_size(etype)))
    cipher = crypto.encrypt(etype=etype, key=key, usage=usage, plaintext=plaintext, confounder=confounder)
    assert crypto.decrypt(etype=etype, key=key, usage=usage, data=cipher) == plaintext
    damaged = bytearray(cipher)
    damaged[data.draw(st.integers(0, len(cipher) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TagError):
        crypto.decrypt(etype=etype, key=key, usage=usage, data=bytes(damaged))
    with pytest.raises(TagError):
        crypto.decrypt(etype=etype, key=key, usage=usage + 10, data=cipher)


@given(st.sampled_from(SUPPORTED), st.binary(max_size=80))
def test_any_bytes_are_refused_as_bad_or_as_not_fitting(etype, data):
    with pytest.raises((ParseError, TagError)):
        crypto.decrypt(etype=etype, key=bytes(crypto.key_size(etype)), usage=2, data=data)


@pytest.mark.parametrize("etype", SUPPORTED)
def test_what_is_too_short_and_keys_of_a_wrong_size_are_refused(etype):
    key = bytes(crypto.key_size(etype))
    shortest = crypto.encrypt(
        etype=etype, key=key, usage=2, plaintext=b"", confounder=bytes(crypto.confounder_size(etype))
    )
    for length in range(len(shortest)):
        with pytest.raises(ParseError, match="too short"):
            crypto.decrypt(etype=etype, key=key, usage=2, data=shortest[:length])
    for wrong in (key[1:], key + b"\x00", b""):
        with pytest.raises(ParseError, match="a key for"):
            crypto.decrypt(etype=etype, key=wrong, usage=2, data=shortest)


@pytest.mark.parametrize("etype", [1, 3, 16, 24, 25, 26, 0, -1, 99])
def test_other_encryption_types_are_not_supported(etype):
    assert not crypto.is_supported(etype)
    with pytest.raises(UnsupportedError, match="not supported"):
        crypto.decrypt(etype=etype, key=bytes(16), usage=2, data=bytes(64))


def test_the_supported_types_are_known_as_such():
    assert [etype for etype in map(int, Etype) if crypto.is_supported(etype)] == list(SUPPORTED)


def test_other_checksums_are_not_supported():
    assert crypto.checksum_size(7) is None
    with pytest.raises(UnsupportedError, match="checksum type 7"):
        crypto.checksum(checksum_type=7, key=bytes(16), usage=17, data=b"")
    with pytest.raises(ParseError, match="a key for"):
        crypto.checksum(checksum_type=ChecksumType.HMAC_SHA1_96_AES256, key=bytes(16), usage=17, data=b"")
