"""Samba's key dumps: the text of smbd and smbclient 4.17.12 as they wrote it, and the sessions of real captures."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import UsageError
from parsers.keys.samba_log import MARKER, parse
from parsers.keys.store import DirectionKeys, SessionKey
from tests.parsers.keys.dumps import Known, check, known_sessions, samba_dump

# smbclient on a terminal: SMB 3.1.1 with AES-256-GCM
CLIENT = r"""debug encryption: dumping generated session keys
Session Id    [0000] C7 2C CD 0E 00 00 00 00                             .,......
Session Key   [0000] D2 A2 99 9F 39 D7 F0 B3   53 9B 5A 24 00 E6 9D AD   ....9... S.Z$....
Signing Key   [0000] 51 71 51 48 53 24 62 81   05 B3 76 E4 64 AC 8E D0   QqQHS$b. ..v.d...
App Key       [0000] 5B 12 35 B1 D5 0C 5E C1   F5 49 B2 75 0E AE C0 23   [.5...^. .I.u...#
ServerIn Key  [0000] FD 35 03 8F C5 8C 24 F0   FD 84 79 75 12 47 09 BB   .5....$. ..yu.G..
[0010] 2A 54 75 74 E6 46 A5 33   0E AC 27 D3 69 6E 95 2C   *Tut.F.3 ..'.in.,
ServerOut Key [0000] 1B C3 67 AB A7 96 A7 07   E5 03 EA 83 57 DA 43 A4   ..g..... ....W.C.
[0010] 0E 0B 42 D7 4B 7E 43 7C   DA B8 B1 A6 1C DB E6 B6   ..B.K~C| ........
  .                                   D        0  Fri Nov 20 11:07:10 2026
"""

# smbd's log of the client's address: AES-256-GCM, then AES-128-GCM
SERVER = r"""[2026/11/20 11:07:41.000122,  0] ../../source3/smbd/smb2_sesssetup.c:376(smbd_smb2_auth_generic_return)
  debug encryption: dumping generated session keys
  Session Id    [0000] 09 E9 E0 5D 00 00 00 00                             ...]....
  Session Key   [0000] 9B A5 19 6D A7 E0 BA C8   CC BD B9 F1 BE C5 30 55   ...m.... ......0U
  Signing Algo: 2
  Signing Key   [0000] 01 35 A3 AF 08 63 71 AA   D6 05 98 34 F6 BE 24 25   .5...cq. ...4..$%
  App Key       [0000] 82 33 B8 40 56 12 3C 84   D1 96 84 F3 0D 9F 8A 82   .3.@V.<. ........
  Cipher Algo: 4
  ServerIn Key  [0000] 19 E6 E3 A7 EE B6 D5 7E   7C 3A 07 E5 AC 63 13 45   .......~ |:...c.E
  [0010] 7D 87 0E BD 8D C0 AB C9   3F 0B DA 9C 52 51 C5 D2   }....... ?...RQ..
  ServerOut Key [0000] A6 2D 87 C5 EB AA D0 34   2D F7 A4 9C 17 0B 86 B7   .-.....4 -.......
  [0010] 15 55 DC 23 45 C0 56 D7   28 E6 63 14 34 56 9B A6   .U.#E.V. (.c.4V..
[2026/11/20 11:07:41.112060,  0] ../../source3/smbd/smb2_sesssetup.c:376(smbd_smb2_auth_generic_return)
  debug encryption: dumping generated session keys
  Session Id    [0000] 38 30 74 05 00 00 00 00                             80t.....
  Session Key   [0000] A3 D0 3C 88 04 D1 09 B8   16 81 6F 47 37 64 47 05   ..<..... ..oG7dG.
  Signing Algo: 2
  Signing Key   [0000] 58 C3 5C 28 0E 94 A9 0B   23 95 E4 38 C7 BE 9B 58   X.\(.... #..8...X
  App Key       [0000] D6 CB EA B5 F1 89 D4 37   BB C3 7F B2 25 D8 82 BA   .......7 ....%...
  Cipher Algo: 2
  ServerIn Key  [0000] 24 48 D1 18 21 0A F1 A4   28 2A 24 30 49 58 9A FE   $H..!... (*$0IX..
  ServerOut Key [0000] 18 FE 4E 0C 97 80 0E 2A   5E 00 99 91 44 49 35 A0   ..N....* ^...DI5.
"""
SERVER_SECRETS = [
    SessionKey(0x5DE0E909, bytes.fromhex("9ba5196da7e0bac8ccbdb9f1bec53055"), "log line 4"),
    SessionKey(0x05743038, bytes.fromhex("a3d03c8804d109b816816f4737644705"), "log line 16"),
    DirectionKeys(
        0x5DE0E909,
        bytes.fromhex("19e6e3a7eeb6d57e7c3a07e5ac6313457d870ebd8dc0abc93f0bda9c5251c5d2"),
        bytes.fromhex("a62d87c5ebaad0342df7a49c170b86b71555dc2345c056d728e6631434569ba6"),
        "log line 9",
    ),
    DirectionKeys(
        0x05743038,
        bytes.fromhex("2448d118210af1a4282a243049589afe"),
        bytes.fromhex("18fe4e0c97800e2a5e009991444935a0"),
        "log line 21",
    ),
]


def test_what_a_client_printed_is_read():
    assert list(parse(CLIENT.split("\n"), "out")) == [
        SessionKey(0x0ECD2CC7, bytes.fromhex("d2a2999f39d7f0b3539b5a2400e69dad"), "out line 3"),
        DirectionKeys(
            0x0ECD2CC7,
            bytes.fromhex("fd35038fc58c24f0fd847975124709bb2a547574e646a5330eac27d3696e952c"),
            bytes.fromhex("1bc367aba796a707e503ea8357da43a40e0b42d74b7e437cdab8b1a61cdbe6b6"),
            "out line 6",
        ),
    ]


def test_a_server_log_is_read():
    assert list(parse(SERVER.split("\n"), "log")) == SERVER_SECRETS


@pytest.mark.parametrize(
    "change",
    [
        lambda line: f"Nov 20 11:07:41 host smbd[6609]: {line}",  # journal
        lambda line: " ".join(line.split()),  # a copy that lost its columns
        lambda line: line + "\r",
    ],
)
def test_prefixes_and_lost_columns_do_not_matter(change):
    assert list(parse([change(line) for line in SERVER.split("\n")], "log")) == SERVER_SECRETS


def test_other_dumps_of_a_verbose_log_are_passed_over():
    noise = ["  [0000] 00 11 22 33", "  [0010] 44 55", "  Session Id is mapped", "[0000] not a dump", "[0010] nor this"]
    mixed: list[str] = []
    for line in SERVER.split("\n"):
        before_a_second_row = mixed and "[0010]" in line
        mixed += [line] if before_a_second_row or not mixed else [*noise, line]
    found = list(parse([*mixed, *noise], "log"))
    assert [type(secret) for secret in found] == [type(secret) for secret in SERVER_SECRETS]
    for secret, wanted in zip(found, SERVER_SECRETS, strict=True):
        assert replace(secret, provenance=wanted.provenance) == wanted


def test_the_marker_finds_the_first_line_of_a_dump():
    for text in (CLIENT, SERVER):
        assert [bool(MARKER.search(line)) for line in text.split("\n")].count(True) == 2 * text.count("Session Id")
    assert not MARKER.search("  Session Key   [0000] 00")


@pytest.mark.parametrize(
    "name", ["ntlm_311_mixed_sessions", "ntlm_300_enc", "krb5_311_enc_aes-256-ccm", "torture_session_bind"]
)
def test_the_keys_of_a_real_capture_come_back(shared, name):
    sessions = known_sessions(shared / "captures/samba" / f"{name}.json")
    check(parse(samba_dump(sessions).split("\n"), name), sessions)


def test_the_dumps_made_for_these_tests_are_written_as_samba_writes():
    lines = SERVER.split("\n")
    rows = [bytes.fromhex(line[line.index("]") + 2 :][:50]) for line in lines if "[00" in line]
    sessions = [
        Known(0x5DE0E909, *rows[1:4], rows[4] + rows[5], rows[6] + rows[7], cipher=4),
        Known(0x05743038, *rows[9:14], cipher=2),
    ]
    assert samba_dump(sessions).split("\n")[:-1] == [line[2:] for line in lines if line.startswith("  ")]


@pytest.mark.parametrize(
    ("line", "damaged", "message"),
    [
        (3, "Session Id    [0000] 09 E9 E0 5D", "log line 3: a row of a key must have 8 bytes"),
        (4, "Session Key   [0000] 9B A5 19 6D", "log line 4: a row of a key must have 16 bytes"),
        (4, "Session Key   [0000] " + "9B " * 15 + "XY", "log line 4: a row of a key must have 16 bytes"),
        (10, "[0010] 7D 87", "log line 10: a row of a key must have 16 bytes"),
        (10, "", "log line 9: the two direction keys of session 0x000000005de0e909 have different sizes"),
        (3, "", "log line 4: a key without the Session Id that belongs before it"),
    ],
)
def test_damage_names_its_line(line, damaged, message):
    lines = SERVER.split("\n")
    lines[line - 1] = damaged
    with pytest.raises(UsageError, match=f"^{message}") as raised:
        parse(lines, "log")
    assert "9B" not in str(raised.value)


@given(st.lists(st.sampled_from(SERVER.split("\n")), max_size=30), st.integers(0, 80))
def test_any_lines_are_keys_or_a_usage_error(lines, cut):
    given = [line[:cut] for line in lines[:1]] + lines[1:]
    with suppress(UsageError):
        assert all(secret.provenance.startswith("log line ") for secret in parse(given, "log"))
