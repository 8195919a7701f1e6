"""Keys that were found, for Wireshark and for another run; tshark decrypts with them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analyzer import Analysis, analyze
from analyzer.export.keys import check_kind, write_keys
from parsers.errors import UsageError
from parsers.keys.detect import load_keys
from parsers.keys.store import DirectionKeys, KeyStore, SessionKey
from parsers.smb2.crypto import Cipher, SessionKeys
from parsers.smb2.session import Candidate, Session, SmbConnection
from tests.parsers.keys.test_export import decrypted

DATA = Path(__file__).resolve().parents[2] / "data"
SECRETS = json.loads((DATA / "session_keys.json").read_text())
KERBEROS = DATA / "krb5_311_enc_aes-256-ccm.pcapng"
K16, M16, L16 = bytes(16), bytes(range(16)), bytes(range(16, 32))


def session(number: int = 0, session_id: int = 5, **members: Any) -> Session:
    return Session(number, session_id, SmbConnection(0, (0, 445)), **members)


def test_the_keys_are_those_that_the_server_printed(mixed: Analysis, tmp_path: Path) -> None:
    assert mixed.export_keys(tmp_path / "keys.toml") == 8
    store = load_keys(tmp_path / "keys.toml")
    opened = set(mixed.sessions.session_id[mixed.sessions.key_source.notna()])
    known = {int(printed["session_id"], 16): printed for printed in SECRETS["ntlm_311_mixed_sessions"]["sessions"]}
    assert opened - known.keys() == {0x03681343}  # of SMB 2.1, whose key Samba does not print
    for session_id in opened & known.keys():
        printed = known[session_id]
        (key,) = store.session_keys_for(session_id)
        (directions,) = store.direction_keys_for(session_id)
        assert key.key.hex() == printed["session_key"]
        assert directions.client_to_server is not None
        assert directions.server_to_client is not None
        assert directions.client_to_server.hex() == printed["server_in_key"]
        assert directions.server_to_client.hex() == printed["server_out_key"]


def test_a_long_key_is_written_whole(tmp_path: Path) -> None:
    analyze(KERBEROS, keytabs=[DATA / "smbsrv.keytab"]).export_keys(tmp_path / "keys.toml")
    (key,) = load_keys(tmp_path / "keys.toml").session_keys_for(0x53210DAF)
    assert key.key.hex() == SECRETS["krb5_311_enc_aes-256-ccm"]["sessions"][0]["session_key"]
    again = analyze(KERBEROS, keys=tmp_path / "keys.toml")
    assert again.sessions.decryption.tolist() == ["decrypted"]


def test_keys_of_one_direction_are_all_that_is_written_of_them(sample: Path, tmp_path: Path) -> None:
    store = KeyStore()
    printed = SECRETS["ntlm_311_mixed_sessions"]["sessions"][0]
    given = DirectionKeys(0xE58FAEA7, server_to_client=bytes.fromhex(printed["server_out_key"]))
    store.add(given)
    assert analyze(sample, keys=store).export_keys(tmp_path / "keys.toml") == 1
    (written,) = load_keys(tmp_path / "keys.toml")
    assert isinstance(written, DirectionKeys)
    assert (written.client_to_server, written.server_to_client) == (None, given.server_to_client)


def test_what_is_not_proved_is_not_written(tmp_path: Path) -> None:
    half = session(provenance="half", cipher=Cipher.AES_256_GCM, full_session_key=K16, decryption_key=K16 + M16)
    half.adopted = Candidate(SessionKeys(b"", b""), "half", (), (), K16)
    unproved = session(full_session_key=K16)
    with pytest.raises(UsageError, match="no session was opened, so there are no keys to write"):
        write_keys([half, unproved], tmp_path / "keys")
    assert not (tmp_path / "keys").exists()


def test_equal_keys_are_written_once(tmp_path: Path) -> None:
    known = {"provenance": "a test", "full_session_key": M16}
    sessions = [session(0, **known), session(1, **known), session(2, 6, **known), session(3, 5, provenance="b")]
    assert write_keys(sessions, tmp_path / "keys") == 2
    assert [(key.session_id, key.key) for key in load_keys(tmp_path / "keys") if isinstance(key, SessionKey)] == [
        (5, M16),
        (6, M16),
    ]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("nss", "for TLS, which is not decrypted yet: choose toml or wireshark"), ("pem", "'pem' is no kind of key file")],
)
def test_other_kinds_are_refused(kind: str, message: str, mixed: Analysis, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        check_kind(kind)
    with pytest.raises(UsageError, match=message):
        mixed.export_keys(tmp_path / "keys", kind)
    assert list(tmp_path.iterdir()) == []


PASSWORDS = {"passwords": ["alice:Passw0rd!", "bob:B0bPass#"]}
KEYTAB = {"keytabs": [DATA / "smbsrv.keytab"]}


@pytest.mark.witness
@pytest.mark.parametrize(
    ("name", "keys", "sessions"),
    [
        ("ntlm_311_mixed_sessions", PASSWORDS, 8),  # AES-128-GCM, AES-256-GCM, signed ones of 2.1 and 3.1.1
        ("ntlm_311_enc_aes-256-ccm", PASSWORDS, 1),
        ("ntlm_300_enc", PASSWORDS, 1),
        ("krb5_311_enc_aes-256-ccm", KEYTAB, 1),  # a session key of 32 bytes
        ("krb5_aes128_311_enc", KEYTAB, 1),
        ("krb5_rc4_311_enc", KEYTAB, 1),
        ("krb5_torture_expire1e", KEYTAB, 1),  # a session key of 32 bytes and AES-128
    ],
)
def test_tshark_decrypts_with_the_exported_file_all_that_was_decrypted(
    name: str, keys: dict[str, Any], sessions: int, shared: Path, tshark: str, tmp_path: Path
) -> None:
    folder = shared / "captures" / "samba"
    capture = folder / json.loads((folder / f"{name}.json").read_text())["file"]
    analysis = analyze(capture, **keys)
    (tmp_path / "wireshark").mkdir()
    assert analysis.export_keys(tmp_path / "wireshark" / "smb2_seskey_list", "wireshark") == sessions
    messages = analysis.messages[analysis.messages.command.notna()]
    assert set(messages.decryption) <= {"plaintext", "decrypted"}
    ours = Counter(
        f"{command}_{'rsp' if is_response else 'req'}"
        for command, is_response in zip(messages.command.astype(str), messages.is_response, strict=True)
    )
    assert decrypted(tshark, capture, tmp_path) == ours
    assert (messages.decryption == "decrypted").any()
