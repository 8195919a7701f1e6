import re
import subprocess

import pytest

from parsers.gss.kerberos.names import ErrorCode, Etype, NameType, TicketFlags, etype_name


@pytest.mark.parametrize(
    ("etype", "name"),
    [
        (17, "aes128-cts-hmac-sha1-96"),
        (18, "aes256-cts-hmac-sha1-96"),
        (19, "aes128-cts-hmac-sha256-128"),
        (20, "aes256-cts-hmac-sha384-192"),
        (23, "rc4-hmac"),
        (3, "des-cbc-md5"),
        (99, "etype 99"),
        (-133, "etype -133"),
    ],
)
def test_encryption_types_have_the_names_of_their_rfcs(etype, name):
    assert etype_name(etype) == name


def test_numbers_without_a_name_survive():
    assert Etype(99) == 99
    assert ErrorCode(1234) == 1234
    assert NameType(-200) == -200
    assert int(TicketFlags(0x80000001)) == 0x80000001


@pytest.mark.witness
def test_error_codes_have_the_names_that_wireshark_gives_them(tshark):
    lines = subprocess.run([tshark, "-G", "values"], capture_output=True, text=True, check=True).stdout.splitlines()
    values = [line.split("\t")[1:] for line in lines if line.startswith("V\tkerberos.error_code\t")]
    theirs = {int(number): re.sub("^ERR(OR)?_", "", name.upper().replace("-", "_")) for _, number, name in values}
    ours = {code.value: re.sub("^(KDC|KRB_AP|KRB)_(ERR_)?", "", code.name) for code in ErrorCode}
    assert len(ours.keys() & theirs.keys()) > 60
    different = {number for number in ours.keys() & theirs.keys() if ours[number] != theirs[number]}
    assert different == {23, 65}  # KEY_EXPIRED shortened, and the name that 65 had in a draft of RFC 4556
