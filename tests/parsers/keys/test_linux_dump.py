"""The Linux client's key dumps: the kernel's log, and smbinfo in both its forms."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import UsageError
from parsers.keys.linux_dump import MARKER, parse
from parsers.keys.store import DirectionKeys, SessionKey
from tests.parsers.keys.dumps import check, kernel_log, known_sessions

# The session of zeek's smb311.pcap, whose keys are published
NUMBER = 0x281CAC000069
KEY = "b2 5a 13 5f c3 dc 14 26 9f 20 d7 cb c8 71 6b 6b"
IN = "f8 c1 a6 b5 44 e8 22 6f 98 ee 44 77 8e af 31 6b"
OUT = "39 40 71 f1 a2 1d b5 ba 68 3e fa 86 8c 36 ae df"

# fs/smb/client/smb2transport.c; kernels before 5.7 wrote "CIFS VFS: " in front and no cipher
KERNEL = f"""\
[  162.700101] CIFS: Attempting to mount //10.77.0.1/share
[  162.712003] CIFS: VFS: generate_smb3signingkey: dumping generated AES session keys
[  162.712009] CIFS: VFS: Session Id    69 00 00 ac 1c 28 00 00
[  162.712014] CIFS: VFS: Cipher type   1
[  162.712020] CIFS: VFS: Session Key   {KEY}
[  162.712026] CIFS: VFS: Signing Key   16 d0 3a 8f 8e b9 56 0c b2 a8 48 50 7d 4b c8 3b
[  162.712031] CIFS: VFS: ServerIn Key  {IN}
[  162.712037] CIFS: VFS: ServerOut Key {OUT}
[  163.000000] usb 1-1: new device
"""
SMBINFO = f"""\
Session Id: 69 00 00 ac 1c 28 00 00
Cipher: 0x00000001 (AES-128-CCM)
Session Key: {KEY}
ServerIn  Key: {IN}
ServerOut key: {OUT}
"""
OLD_SMBINFO = f"""\
Session Id: 69 00 00 ac 1c 28 00 00
Cipher: 0x00000001 (AES-128-CCM)
Session Key: {KEY}
Encryption key: {IN}
Decryption key: {OUT}
"""


@pytest.mark.parametrize(
    ("text", "key_line", "in_line"),
    [(KERNEL, 5, 7), (SMBINFO, 3, 4), (OLD_SMBINFO, 3, 4)],
    ids=["kernel", "new", "old"],
)
def test_every_form_gives_the_keys(text, key_line, in_line):
    assert list(parse(text.split("\n"), "log")) == [
        SessionKey(NUMBER, bytes.fromhex(KEY), f"log line {key_line}"),
        DirectionKeys(NUMBER, bytes.fromhex(IN), bytes.fromhex(OUT), f"log line {in_line}"),
    ]
    assert MARKER.search(next(line for line in text.split("\n") if "attempting" not in line.lower()))


@pytest.mark.parametrize(
    ("old", "new"),
    [("CIFS: VFS: ", "CIFS VFS: "), ("[  162.", "Nov 20 11:07:41 host kernel: [  162."), ("] ", "] \r")],
)
def test_prefixes_do_not_matter(old, new):
    assert len(list(parse(KERNEL.replace(old, new).split("\n"), "log"))) == 2


def test_keys_of_32_bytes_are_read():
    text = SMBINFO.replace(KEY, f"{KEY} {KEY}").replace(IN, f"{IN} {IN}").replace(OUT, f"{OUT} {OUT}")
    (key, directions) = parse(text.split("\n"), "out")
    assert key.key == bytes.fromhex(KEY) * 2
    assert directions.client_to_server == bytes.fromhex(IN) * 2
    assert directions.server_to_client == bytes.fromhex(OUT) * 2


@pytest.mark.parametrize(
    "name", ["ntlm_311_mixed_sessions", "ntlm_300_enc", "krb5_311_enc_aes-256-ccm", "torture_session_bind"]
)
def test_the_keys_of_a_real_capture_come_back(shared, name):
    sessions = known_sessions(shared / "captures/samba" / f"{name}.json")
    check(parse(kernel_log(sessions).split("\n"), name), sessions)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (KEY, KEY[:-1], "log line 5: Session Key must be pairs of hexadecimal digits"),
        (KEY, "(____ptrval____)", "log line 5: Session Key must be pairs of hexadecimal digits"),
        (KEY, KEY[:23], "log line 5: key of session 0x0000281cac000069 has 8 bytes; it must have 16 or 32"),
        (IN, IN + " 00", "log line 7: client_to_server of session 0x0000281cac000069 has 17 bytes"),
        ("Session Id    69", "Session Id   ", "log line 3: a Session Id has 8 bytes, this one 7"),
        ("Session Id ", "Session ", "log line 5: a key without the Session Id that belongs before it"),
    ],
)
def test_damage_names_its_line(old, new, message):
    with pytest.raises(UsageError, match=f"^{message}") as raised:
        parse(KERNEL.replace(old, new).split("\n"), "log")
    assert KEY[:11] not in str(raised.value)


@given(st.lists(st.sampled_from([*KERNEL.split("\n"), *OLD_SMBINFO.split("\n")]), max_size=30), st.integers(0, 80))
def test_any_lines_are_keys_or_a_usage_error(lines, cut):
    given = [line[:cut] for line in lines[:1]] + lines[1:]
    with suppress(UsageError):
        assert all(secret.provenance.startswith("log line ") for secret in parse(given, "log"))
