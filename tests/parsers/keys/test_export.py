"""Exported key files: who may read them, what they say, and tshark decrypting with them."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from parsers.errors import UsageError
from parsers.keys.detect import load_keys
from parsers.keys.export import Session, write_toml, write_wireshark
from parsers.keys.store import DirectionKeys, SessionKey
from parsers.smb2.header import Command

K16, L16, M16 = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
SESSIONS: list[Session] = [
    (0x281CAC000069, K16, L16, M16),
    (1, K16 + L16, None, None),
    (2, None, K16 + L16, L16 + K16),
    (3, None, None, M16),
    (0xFFFF_0000_0000_0001, M16, M16, None),
]
WRITERS = [write_toml, write_wireshark]


def by_name(writer) -> str:
    return writer.__name__


def exported_sessions(description: dict) -> list[Session]:
    """The sessions of a capture, from the file that describes it."""
    return [
        (
            int(entry["session_id"], 16),
            *(bytes.fromhex(entry[name]) for name in ("session_key", "server_in_key", "server_out_key")),
        )
        for entry in description["debug_encryption_session_keys"]
    ]


@pytest.mark.parametrize("writer", WRITERS, ids=by_name)
def test_what_is_written_is_read_again(writer, tmp_path):
    path = tmp_path / "keys"
    writer(path, [*SESSIONS, (4, None, None, None)])
    store = load_keys(path)
    for session_id, key, to_server, to_client in SESSIONS:
        kept = key[:16] if key and writer is write_wireshark else key
        assert [secret.key for secret in store.session_keys_for(session_id)] == ([kept] if kept else [])
        found = [(secret.client_to_server, secret.server_to_client) for secret in store.direction_keys_for(session_id)]
        assert found == ([(to_server, to_client)] if to_server or to_client else [])
    assert len(list(store)) == 7


@pytest.mark.parametrize("writer", WRITERS, ids=by_name)
def test_only_the_owner_may_read_the_file(writer, tmp_path):
    path = tmp_path / "keys"
    before = os.umask(0)
    try:
        writer(path, SESSIONS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("writer", WRITERS, ids=by_name)
def test_a_file_that_others_could_read_is_closed_to_them(writer, tmp_path):
    path = tmp_path / "keys"
    path.write_text("something longer than what follows" * 100)
    path.chmod(0o644)
    writer(path, SESSIONS[:1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(load_keys(path))) == 2


@pytest.mark.parametrize("writer", WRITERS, ids=by_name)
def test_what_was_there_stays_if_writing_fails(writer, tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text("what was there")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        writer(path, SESSIONS)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", WRITERS, ids=by_name)
def test_a_link_stays_and_its_file_is_replaced(writer, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "keys")
    writer(tmp_path / "link", SESSIONS)
    assert (tmp_path / "link").is_symlink()
    assert len(list(load_keys(tmp_path / "keys"))) == 7
    writer("/dev/null", SESSIONS)
    assert not Path("/dev/null").is_file()


def test_nothing_to_write_makes_an_empty_file(tmp_path):
    path = tmp_path / "keys"
    write_wireshark(path, [])
    assert path.read_bytes() == b""


@pytest.mark.parametrize("writer", WRITERS, ids=by_name)
def test_a_place_that_cannot_be_written_is_explained(writer, tmp_path):
    with pytest.raises(UsageError, match=r"the key file .*absent/keys cannot be written: No such file or directory"):
        writer(tmp_path / "absent" / "keys", SESSIONS)


def test_the_toml_file_is_what_the_documentation_shows(tmp_path):
    path = tmp_path / "keys.toml"
    write_toml(path, [(0x281CAC000069, K16, None, M16), (1, L16, None, None)])
    assert path.read_text() == (
        f'[[session]]\nid = "0x0000281cac000069"\nkey = "{K16.hex()}"\nserver_to_client = "{M16.hex()}"\n\n'
        f'[[session]]\nid = "0x0000000000000001"\nkey = "{L16.hex()}"\n'
    )
    assert list(load_keys(path)) == [
        SessionKey(0x281CAC000069, K16, f"{path} line 1"),
        SessionKey(1, L16, f"{path} line 6"),
        DirectionKeys(0x281CAC000069, None, M16, f"{path} line 1"),
    ]


def decrypted(tshark: str, capture: Path, configuration: Path) -> dict[str, int]:
    """How often each command stands in a message that tshark shows, by the names of the captures' descriptions."""
    command = [tshark, "-r", str(capture), "-Y", "smb2.cmd", "-T", "fields"]
    command += ["-e", "smb2.cmd", "-e", "smb2.flags.response"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(configuration)}
    output = subprocess.run(command, capture_output=True, check=True, text=True, env=environment).stdout
    counts: dict[str, int] = {}
    for line in output.splitlines():
        commands, responses = (column.split(",") for column in line.split("\t"))
        for number, response in zip(commands, responses, strict=False):
            name = f"{Command(int(number)).name}_{'rsp' if response in ('1', 'True') else 'req'}"
            counts[name] = counts.get(name, 0) + 1
    return counts


@pytest.mark.witness
@pytest.mark.parametrize("parts", ["all", "session key", "direction keys"])
@pytest.mark.parametrize("name", ["ntlm_311_enc_aes-128-gcm", "ntlm_311_enc_aes-256-ccm", "ntlm_300_enc"])
def test_tshark_decrypts_with_the_exported_table(name, parts, shared, tshark, tmp_path):
    folder = shared / "captures/samba"
    description = json.loads((folder / f"{name}.json").read_text())
    sessions = exported_sessions(description)
    if parts == "session key":
        sessions = [(session_id, key, None, None) for session_id, key, _, _ in sessions]
    elif parts == "direction keys":
        sessions = [(session_id, None, to_server, to_client) for session_id, _, to_server, to_client in sessions]
    (tmp_path / "wireshark").mkdir()
    write_wireshark(tmp_path / "wireshark" / "smb2_seskey_list", sessions)
    shown = decrypted(tshark, folder / description["file"], tmp_path)
    assert shown == description["facts"]["with_session_keys"]["smb2_pdus_by_command"]
    assert shown["CREATE_req"] > 5


@pytest.mark.witness
@pytest.mark.parametrize("name", ["krb5_311_enc_aes-256-ccm", "krb5_torture_expire1e"])
def test_tshark_decrypts_although_the_session_key_has_32_bytes(name, shared, tshark, tmp_path):
    folder = shared / "captures/samba"
    description = json.loads((folder / f"{name}.json").read_text())
    sessions = exported_sessions(description)
    assert [len(key) for _, key, _, _ in sessions] == [32]
    (tmp_path / "wireshark").mkdir()
    write_wireshark(tmp_path / "wireshark" / "smb2_seskey_list", sessions)
    shown = decrypted(tshark, folder / description["file"], tmp_path)
    assert sum(shown.values()) == description["facts"]["with_serverin_serverout_keys_only"]["smb2_pdus"]


@pytest.mark.witness
def test_tshark_takes_the_first_half_of_a_long_session_key_for_aes_128(shared, tshark, tmp_path):
    folder = shared / "captures/samba"
    description = json.loads((folder / "krb5_torture_expire1e.json").read_text())
    sessions = [(session_id, key, None, None) for session_id, key, _, _ in exported_sessions(description)]
    (tmp_path / "wireshark").mkdir()
    write_wireshark(tmp_path / "wireshark" / "smb2_seskey_list", sessions)
    shown = decrypted(tshark, folder / description["file"], tmp_path)
    assert sum(shown.values()) == description["facts"]["with_serverin_serverout_keys_only"]["smb2_pdus"]
