"""`sessionscope keys check` names the right reason, on real captures that are cut or come with wrong keys."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analyzer.cli import main
from parsers.keys.keytab import KeytabEntry, load
from tests.cut_captures import copy_packets, last_byte_changed

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
NTLM = ROOT / "samples" / "ntlm_311_mixed_sessions.pcapng"  # samples/README.md
KERBEROS = DATA / "krb5_311_enc_aes-256-ccm.pcapng"
KEYTAB = DATA / "smbsrv.keytab"
SECRETS = json.loads((DATA / "session_keys.json").read_text())

ALICE = 0xE58FAEA7  # AES-128-GCM, alone on the first connection
ALICES_PACKETS = range(1, 80)
NEGOTIATE, SETUP, FIRST_ENCRYPTED = (4, 6), (8, 9, 10, 11), 12
KERBEROS_SESSION = 0x53210DAF
SERVICE = "cifs/smbsrv.example.test@EXAMPLE.TEST"


class Check(NamedTuple):
    """Rows of both tables."""

    sessions: list[dict[str, Any]]
    entries: list[dict[str, Any]]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Check]:
    """check(capture, options...): the tables, as JSON, and that the text shows the same reasons."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Check:
        words = ["keys", "check", *map(str, arguments)]
        capfd.readouterr()
        tables = []
        for table in Check._fields:
            name = "keys" if table == "sessions" else "key_entries"
            assert main([*words, "--table", name, "--format", "json"]) == 0
            out, err = capfd.readouterr()
            assert err == ""
            tables.append(json.loads(out))
        assert main(words) == 0
        text, _ = capfd.readouterr()
        assert all(row["reason"] in text for rows in tables for row in rows)
        return Check(*tables)

    return run


def part(tmp_path: Path, dropped: Iterable[int] = (), source: Path = NTLM) -> Path:
    """Alice's first connection without some packets; of another capture all others."""
    kept = ALICES_PACKETS if source == NTLM else None
    return copy_packets(source, tmp_path / "part.pcapng", kept=kept, dropped=tuple(dropped))


def key_file(text: str) -> Path:
    path = Path("keys.toml")
    path.write_text(text)
    return path


def password(name: str, secret: str) -> Path:
    return key_file(f'[[user]]\nname = "{name}"\ndomain = "CORPUS"\npassword = "{secret}"\n')


def session_key(session_id: int, key: str) -> Path:
    return key_file(f'[[session]]\nid = "0x{session_id:016x}"\nkey = "{key}"\n')


def known(capture: str, session_id: int, name: str = "session_key") -> str:
    """What the server printed of a session."""
    (session,) = (s for s in SECRETS[capture]["sessions"] if int(s["session_id"], 16) == session_id)
    return str(session[name])


ALICES_KEY = known("ntlm_311_mixed_sessions", ALICE)
LONG_KEY = known("krb5_311_enc_aes-256-ccm", KERBEROS_SESSION)


def keytab(**changes: object) -> Path:
    """The service's keytab, in which its keys are others."""
    path = Path("other.keytab")
    records = (_record(replace(entry, **changes)) for entry in load(KEYTAB))
    path.write_bytes(b"\x05\x02" + b"".join(len(record).to_bytes(4, "big") + record for record in records))
    return path


def _record(entry: KeytabEntry) -> bytes:
    """An entry as MIT Kerberos writes it."""
    names = [entry.realm, *entry.principal.split("/")]
    texts = b"".join(len(name).to_bytes(2, "big") + name.encode() for name in names)
    numbers = (1).to_bytes(4, "big") + bytes(4) + bytes([entry.kvno]) + entry.etype.to_bytes(2, "big")
    return (len(names) - 1).to_bytes(2, "big") + texts + numbers + len(entry.key).to_bytes(2, "big") + entry.key


def test_the_right_password_opens_everything_and_says_how(check, tmp_path):
    (session,), (entry,) = check(part(tmp_path), "--keys", password("alice", "Passw0rd!"))
    assert (session["decryption"], session["reason"]) == ("decrypted", "")
    assert (session["entry"], session["kind"], session["owner"]) == ("keys.toml line 1", "password", r"CORPUS\alice")
    assert session["proof"] == "NTProofStr and MIC, signature, tag"
    assert (entry["used"], entry["sessions"], entry["reason"]) == (True, f"0x{ALICE:016x}", "")


def test_a_keytab_opens_everything_and_says_how(check):
    (session,), entries = check(KERBEROS, "--keytab", KEYTAB)
    assert (session["decryption"], session["reason"], session["entry"]) == ("decrypted", "", str(KEYTAB))
    assert (session["kind"], session["proof"]) == ("keytab key", "authenticator and AP-REP, signature, tag")
    assert session["owner"] == f"{SERVICE} kvno 1 aes256-cts-hmac-sha1-96"
    assert [entry["owner"] for entry in entries if entry["used"]] == [session["owner"]]
    reasons = {entry["owner"].partition(" kvno")[0]: entry["reason"] for entry in entries if not entry["used"]}
    assert reasons["host/smbsrv.example.test@EXAMPLE.TEST"] == (
        "no logon with a ticket for host/smbsrv.example.test@EXAMPLE.TEST is in the capture"
    )
    assert f"keytab key {session['owner']}" in reasons[SERVICE]  # the ticket is not encrypted with aes128


@pytest.mark.parametrize("dropped", [NEGOTIATE, range(1, 8)], ids=["NEGOTIATE", "the beginning"])
def test_no_negotiate(check, tmp_path, dropped):
    why = (
        "NEGOTIATE is not in the capture: a session of SMB 3.1.1 needs its direction keys then, one of an older "
        "dialect its session key or the password of its user"
    )
    capture = part(tmp_path, dropped)
    (session,), (entry,) = check(capture, "--keys", session_key(ALICE, ALICES_KEY))
    assert (session["decryption"], session["proof"]) == ("no_handshake", None)
    assert session["reason"] == rf"{why}; no credential for CORPUS\alice"
    assert entry["reason"] == session["reason"]
    (session,), (entry,) = check(capture, "--keys", password("alice", "Passw0rd!"))
    assert (session["decryption"], session["reason"]) == ("no_handshake", why)
    assert session["proof"] == "NTProofStr and MIC"  # the password is right, but it does not help
    assert entry["used"]


def test_no_negotiate_does_not_matter_before_3_1_1(check, tmp_path, shared):
    """The dialect shows when the key of 3.0 fits."""
    capture = shared / "captures" / "samba" / "ntlm_300_enc.pcapng"
    cut = copy_packets(capture, tmp_path / "cut.pcapng", dropped=range(1, 8))
    (session,), _ = check(cut, "--keys", password("alice", "Passw0rd!"))
    assert (session["decryption"], session["reason"]) == ("decrypted", "")


@pytest.mark.parametrize(
    "keys", [lambda: password("alice", "Passw0rd!"), lambda: session_key(ALICE, ALICES_KEY)], ids=["password", "key"]
)
def test_no_session_setup(check, tmp_path, keys):
    (session,), (entry,) = check(part(tmp_path, SETUP), "--keys", keys())
    assert session["decryption"] == "no_handshake"
    assert session["reason"] == (
        "its logon is not in the capture, and keys of SMB 3.1.1 depend on it: give its direction keys"
    )
    why = r"no NTLM logon of CORPUS\alice is in the capture" if "password" in entry["kind"] else session["reason"]
    assert (entry["used"], entry["reason"]) == (False, why)


def test_the_end_of_the_logon_is_missing(check, tmp_path):
    (session,), _ = check(part(tmp_path, [11]), "--keys", password("alice", "Passw0rd!"))
    assert session["decryption"] == "no_handshake"
    assert session["reason"].startswith("the end of its logon is not in the capture")


def test_half_a_logon(check, tmp_path):
    (session,), (entry,) = check(part(tmp_path, [9]), "--keys", password("alice", "Passw0rd!"))
    assert session["reason"] == (
        "the handshake is not whole in the capture, and 3.1.1 keys depend on all of it: give direction keys"
    )
    assert entry["reason"] == f"{session['reason']} (session 0x{ALICE:016x})"


def test_a_session_of_3_0_without_its_setup_takes_a_session_key(check, tmp_path, shared):
    capture = shared / "captures" / "samba" / "ntlm_300_enc.pcapng"
    cut = copy_packets(capture, tmp_path / "cut.pcapng", dropped=SETUP)
    (session,), _ = check(cut)
    assert session["reason"] == "its logon is not in the capture: give its direction keys, or its session key"
    description = json.loads(capture.with_suffix(".json").read_text())
    (printed,) = description["debug_encryption_session_keys"]
    (session,), _ = check(cut, "--keys", session_key(int(printed["session_id"], 16), printed["session_key"]))
    assert (session["decryption"], session["proof"], session["reason"]) == ("decrypted", "tag", "")


def test_wrong_password(check, tmp_path):
    (session,), (entry,) = check(part(tmp_path), "--keys", password("alice", "Passw0rd"))
    assert session["decryption"] == "wrong_key"
    assert session["reason"] == r"wrong password for CORPUS\alice: the client used another one"
    assert entry["reason"] == f"{session['reason']} (session 0x{ALICE:016x})"


def test_right_password_for_another_user(check, tmp_path):
    """Bob's password is right, and alice logs on; or alice's is right, but given as bob's."""
    for secret in ("B0bPass#", "Passw0rd!"):
        (session,), (entry,) = check(part(tmp_path), "--keys", password("bob", secret))
        assert session["decryption"] == "no_key"
        assert session["reason"] == (
            r"no credential for CORPUS\alice; those given are for CORPUS\bob; give the password or NT hash, or the "
            "session key"
        )
        assert entry["reason"] == r"no NTLM logon of CORPUS\bob is in the capture"


def test_right_password_for_another_user_who_logs_on_too(check):
    sessions, (entry,) = check(NTLM, "--keys", password("bob", "B0bPass#"))
    closed = {row["session_id"]: row["reason"] for row in sessions if row["user"] == "alice"}
    assert len(closed) == 5
    assert all(
        why.startswith(r"no credential for CORPUS\alice; those given are for CORPUS\bob") for why in closed.values()
    )
    assert entry["used"]
    assert len(entry["sessions"].split(", ")) == 3


def test_a_refused_logon_has_no_keys(check):
    sessions, _ = check(NTLM, "--keys", password("bob", "B0bPass#"))
    (refused,) = (row for row in sessions if row["session_id"] == "0x0000000041f271ec")
    assert refused["reason"] == "it has no keys: logon refused (STATUS_LOGON_FAILURE)"


def test_wrong_keytab(check):
    (session,), entries = check(KERBEROS, "--keys", DATA / "users.keytab")
    assert session["decryption"] == "no_key"
    assert session["reason"] == f"no key for {SERVICE} in the keytab, and no other one fits"
    assert {entry["reason"] for entry in entries} == {
        "no logon with a ticket for alice@EXAMPLE.TEST is in the capture",
        "no logon with a ticket for bob@EXAMPLE.TEST is in the capture",
    }


def test_wrong_keytab_of_the_right_name(check):
    (session,), entries = check(KERBEROS, "--keytab", keytab(etype=18, key=bytes(range(32))))
    assert session["decryption"] == "wrong_key"
    assert session["reason"].startswith(f"the key for {SERVICE} with kvno 1 in other.keytab does not open the ticket")
    (own, *_) = (entry for entry in entries if entry["owner"].startswith(SERVICE))
    assert own["reason"] == f"{session['reason']} (session 0x{KERBEROS_SESSION:016x})"


def test_kvno_missing(check):
    (session,), entries = check(KERBEROS, "--keytab", keytab(kvno=3, etype=18, key=bytes(range(32))))
    assert session["decryption"] == "no_key"
    assert session["reason"] == f"the ticket for {SERVICE} has kvno 1, the keytab has 3"
    assert any(entry["reason"].startswith(session["reason"]) for entry in entries)


def test_no_keytab(check):
    (session,), entries = check(KERBEROS, "--password", "alice:Passw0rd!")
    assert session["reason"].startswith(f"Kerberos logon to {SERVICE}: give the service's keytab")
    assert [entry["reason"] for entry in entries] == ["no NTLM logon of alice is in the capture"]
    _, entries = check(KERBEROS, "--password", "alice:Passw0rd!", "--keytab", KEYTAB)
    assert entries[0]["reason"] == (
        "a password does not open a Kerberos logon: give the service's keytab (session 0x0000000053210daf)"
    )


def test_key_for_another_session(check, tmp_path):
    """The key of a session that is not there; and one that is there, but has another key."""
    capture = part(tmp_path)
    (session,), (entry,) = check(capture, "--keys", session_key(0x587D3960, ALICES_KEY))
    assert session["decryption"] == "no_key"
    assert session["reason"] == r"no credential for CORPUS\alice; give the password or NT hash, or the session key"
    assert entry["reason"] == "no session 0x00000000587d3960 is in the capture"
    other = known("ntlm_311_mixed_sessions", 0x587D3960)
    (session,), (entry,) = check(capture, "--keys", session_key(ALICE, other))
    assert session["decryption"] == "wrong_key"
    assert session["reason"] == r"no key given for it fits: keys.toml line 1; no credential for CORPUS\alice"
    assert entry["reason"] == session["reason"]


def test_the_id_of_a_session_with_its_bytes_in_reverse(check, tmp_path):
    wire = int.from_bytes(ALICE.to_bytes(8, "little"), "big")
    _, (entry,) = check(part(tmp_path), "--keys", session_key(wire, ALICES_KEY))
    assert entry["reason"].startswith(f"no session 0x{wire:016x} is in the capture, but 0x{ALICE:016x} is")


def test_a_key_beside_another_that_opens_the_session(check, tmp_path):
    other = known("ntlm_311_mixed_sessions", 0x587D3960)
    keys = ("--keys", session_key(ALICE, other), "--password", "alice:Passw0rd!")
    (session,), entries = check(part(tmp_path), *keys)
    assert (session["decryption"], session["reason"]) == ("decrypted", "")
    (entry,) = (entry for entry in entries if not entry["used"])
    assert entry["reason"] == (
        "the session is opened by password alice (the password that was given), which gives another key"
    )


def test_aes_256_with_a_16_byte_key(check):
    (session,), (entry,) = check(KERBEROS, "--keys", session_key(KERBEROS_SESSION, LONG_KEY[:32]))
    assert (session["decryption"], session["entry"]) == ("wrong_key", "keys.toml line 1")
    assert session["proof"] == "signature"
    assert session["reason"] == (
        "the session key has 16 bytes (keys.toml line 1): it fits the signatures, but opens no message. AES-256-CCM "
        "takes all of a key, of which Kerberos gives 32 bytes: give these, or the direction keys"
    )
    assert entry["used"]
    (session,), _ = check(KERBEROS, "--keys", session_key(KERBEROS_SESSION, LONG_KEY))
    assert (session["decryption"], session["proof"], session["reason"]) == ("decrypted", "signature, tag", "")


def test_half_of_a_key_does_not_stand_in_the_way_of_the_keytab(check):
    keys = ("--keys", session_key(KERBEROS_SESSION, LONG_KEY[:32]), "--keytab", KEYTAB)
    (session,), _ = check(KERBEROS, *keys)
    assert (session["decryption"], session["reason"]) == ("decrypted", "")
    assert session["kind"] == "keytab key; session key"
    assert session["proof"] == "authenticator and AP-REP, tag; signature"


def test_one_damaged_message(check, tmp_path):
    damaged = copy_packets(
        NTLM, tmp_path / "damaged.pcapng", kept=ALICES_PACKETS, changed={FIRST_ENCRYPTED: last_byte_changed}
    )
    (session,), (entry,) = check(damaged, "--keys", password("alice", "Passw0rd!"))
    assert (session["decryption"], session["proof"]) == ("damaged", "NTProofStr and MIC, signature, tag")
    assert session["reason"].startswith(
        "1 of 54 encrypted messages damaged: bytes were changed, cut off or lost (frame 12); the key is right"
    )
    assert entry["used"]


def test_direction_keys_of_one_direction(check, tmp_path):
    own = known("ntlm_311_mixed_sessions", ALICE, "server_in_key")
    keys = key_file(f'[[session]]\nid = "0x{ALICE:016x}"\nclient_to_server = "{own}"\n')
    (session,), (entry,) = check(part(tmp_path, SETUP), "--keys", keys)
    assert (session["decryption"], session["kind"], session["proof"]) == ("no_key", "direction keys", "tag")
    assert session["reason"] == "27 of 54 encrypted messages have no key: those given are for the other direction"
    assert entry["used"]
