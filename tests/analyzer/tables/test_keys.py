"""The tables of keys agree with the tables of sessions; tests/test_keys_check.py tests what they say."""

from pathlib import Path

from analyzer import Analysis, analyze
from parsers.keys.store import DirectionKeys, KeyStore, SessionKey
from tests.cut_captures import copy_packets

DATA = Path(__file__).resolve().parents[2] / "data"


def test_every_session_is_a_row_and_names_what_opened_it(mixed: Analysis) -> None:
    keys, sessions = mixed.keys, mixed.sessions
    assert keys.session_id.tolist() == sessions.session_id.tolist()
    assert keys.decryption.astype(str).tolist() == sessions.decryption.astype(str).tolist()
    assert (keys.entry.isna() == sessions.key_source.isna()).all()
    assert set(keys.kind.dropna()) == {"password"}
    assert set(keys.proof.dropna()) == {"NTProofStr and MIC, signature, tag", "NTProofStr and MIC, signature"}
    assert (keys.proof.str.contains("tag").fillna(value=False) == (sessions.decrypted > 0)).all()


def test_a_session_without_a_key_has_a_reason(mixed: Analysis) -> None:
    keys = mixed.keys
    assert ((keys.reason != "") == keys.entry.isna()).all()


def test_every_key_is_a_row_and_names_what_it_opened(mixed: Analysis) -> None:
    entries = mixed.key_entries
    assert entries.owner.tolist() == [r"CORPUS\alice", r"CORPUS\bob"]
    assert entries.used.all()
    opened = ", ".join(entries.sessions).split(", ")
    of_keys = [f"0x{number:016x}" for number in mixed.keys.session_id[mixed.keys.entry.notna()]]
    assert sorted(opened) == sorted(of_keys)


def test_without_keys_there_are_no_entries(sample: Path) -> None:
    analysis = analyze(sample)
    assert len(analysis.key_entries) == 0
    assert analysis.keys.entry.isna().all()
    assert (analysis.keys.reason != "").all()


def test_of_two_equal_keys_one_is_used(sample: Path) -> None:
    store = KeyStore()
    key = bytes.fromhex("714be721a2f6c7f676f6786cdcd59f65")
    for place in ("first", "second"):
        store.add(SessionKey(0xE58FAEA7, key, place))
    analysis = analyze(sample, keys=store)
    assert analysis.keys.entry[0] == "first"
    assert analysis.key_entries.used.tolist() == [True, False]
    assert analysis.key_entries.reason[1] == (
        "the session is opened by session key 0x00000000e58faea7 (first), which gives the same key"
    )


def test_keys_for_what_is_not_encrypted_are_said_to_be_unproved(sample: Path) -> None:
    """The signed session of bob: direction keys cannot be proved."""
    store = KeyStore()
    store.add(DirectionKeys(0x840DED04, bytes(16), bytes(16), "here"))
    analysis = analyze(sample, keys=store)
    assert analysis.key_entries.reason.tolist() == [
        r"nothing in it is encrypted, which would prove the key: here; no credential for CORPUS\bob",
    ]


def test_a_ticket_that_is_open_uses_its_key_also_where_the_session_stays_closed(tmp_path: Path) -> None:
    """A byte of the server's AP-REP, which has its part of the key, is another one."""
    keytab = DATA / "smbsrv.keytab"
    answer = {15: lambda packet: packet[:-40] + bytes([packet[-40] ^ 1]) + packet[-39:]}
    damaged = copy_packets(DATA / "krb5_311_enc_aes-256-ccm.pcapng", tmp_path / "damaged.pcapng", changed=answer)
    analysis = analyze(damaged, keytabs=[keytab])
    (row,) = analysis.keys.itertuples()
    assert (row.user, row.decryption) == ("alice", "damaged")
    assert "the ticket of alice@EXAMPLE.TEST is open, but its session key does not open the AP-REP" in row.reason
    assert analysis.key_entries.used.tolist() == [True, False, False, False, False]
