"""Whatever people hold opens the whole capture: keytabs alone, one key file, published keys, direction keys alone."""

import json
from pathlib import Path

import pytest

from analyzer import analyze
from parsers.gss.ntlm import crypto as ntlm
from parsers.keys import keytab
from parsers.keys.detect import load_keys
from parsers.keys.store import DirectionKeys, KeyStore
from tests.witness import tshark as witness
from tests.witness.decoding import DECRYPTED, PLAINTEXT, SHARED, Decoding, captures, run, title
from tests.witness.known_keys import add_credentials, document_of, public_keys, store_of

MIXED = "samba/ntlm_311_mixed_sessions.pcapng"
# What the ticket of the session is not for, or what is no SMB2 session with a ticket.
NO_TICKET = ("nt1", "bad_password", "spn_wrong")
KERBEROS = [
    path
    for path in (*captures("samba"), *captures("faults"))
    if "krb5" in path.name and not any(part in path.name for part in NO_TICKET)
]
OF_AD = [path for path in KERBEROS if path.name.startswith("ad_")]
MIDSTREAM = {"suricata/smb3-02-midstream/input.pcap": 44, "suricata/smb3-03-midstream/input.pcap": 43}


def keytab_of(capture: Path) -> Path:
    folder = capture.parent / "krb"
    return folder / ("ad.keytab" if capture in OF_AD else "smbsrv.keytab")


def verdicts(decoding: Decoding) -> list[tuple[int, int, int]]:
    """Frame, decryption and signature of every message."""
    columns = (decoding.messages[name].tolist() for name in ("frame", "decryption", "signature"))
    return list(zip(*columns, strict=True))


def all_opened(decoding: Decoding) -> bool:
    """Whether every whole message that was encrypted is plain."""
    messages = decoding.messages[~decoding.messages["incomplete"]]
    opened = messages["decryption"][messages["encrypted"]] == DECRYPTED
    return bool(opened.all() and (messages["decryption"][~messages["encrypted"]] == PLAINTEXT).all())


# ------------------------------------------------------------------------------------------------------- keytabs


@pytest.mark.parametrize("capture", KERBEROS, ids=title)
def test_the_service_s_keytab_alone_opens_everything(shared: Path, capture: Path) -> None:
    store = KeyStore()
    for entry in keytab.load(keytab_of(capture)):
        store.add(entry)
    alone = run(capture, store)
    assert all_opened(alone)
    assert verdicts(alone) == verdicts(run(capture, store_of(shared, capture)))
    tickets = [session for session in alone.decoded.smb2.tracker.sessions if session.ticket is not None]
    assert tickets
    assert all(session.session_key for session in tickets)


@pytest.mark.parametrize("capture", OF_AD, ids=title)
def test_the_sids_of_user_and_groups_are_those_that_the_domain_gave(capture: Path) -> None:
    """The user's is from the directory itself, the groups are those that tshark shows in the PAC."""
    document = document_of(capture)
    assert document is not None
    directory, pac = document["expected_pac"], document["tshark_pac_with_keytab"]
    domain, *others = pac["sids"]
    assert domain == directory["domain_sid"]
    sessions = analyze(capture, keytabs=[keytab_of(capture)]).sessions
    shown = sessions[sessions.user_sid.notna()]
    assert len(shown) == len(sessions[sessions.service.notna()]) > 0
    assert set(shown.user_sid) == {directory["user_sid"]}
    assert set(shown.user) == {directory["user"]}
    assert {frozenset(groups.split()) for groups in shown.groups} == {
        frozenset([*(f"{domain}-{rid}" for rid in pac["group_rids"]), *others])
    }


# ----------------------------------------------------------------------------------------- one key file, many users


def test_one_key_file_opens_all_sessions_of_all_users(shared: Path, tmp_path: Path) -> None:
    capture = shared / "captures" / MIXED
    document = document_of(capture)
    assert document is not None
    file = tmp_path / "keys.toml"
    file.write_text(
        "".join(
            f"[[user]]\nname = {json.dumps(user)}\ndomain = {json.dumps('CORPUS')}\n"
            f"password = {json.dumps(secrets['password'])}\n"
            for user, secrets in ((name.rpartition("\\")[2], secrets) for name, secrets in document["users"].items())
        )
    )
    decoding = run(capture, load_keys(str(file)))
    assert all_opened(decoding)
    assert int(decoding.messages["encrypted"].sum()) == 102
    assert verdicts(decoding) == verdicts(run(capture, store_of(shared, capture)))
    assert verdicts(decoding) == verdicts(run(capture, add_credentials(KeyStore(), document)))
    analysis = analyze(capture, keys=file)
    assert set(analysis.sessions.decryption) <= {"decrypted", "plaintext"}
    # The other two are refused logons of nobody's password, and the anonymous one has none.
    assert analysis.keys.entry.notna().sum() == 8
    assert (analysis.undecoded.length == 0).all()


# --------------------------------------------------------------------------------------------------- published keys


def published() -> list[Path]:
    return [path for path in captures("public") if any(public_keys(SHARED, path))] if captures() else []


@pytest.mark.parametrize("capture", published(), ids=title)
def test_published_session_keys_open_everything(shared: Path, capture: Path) -> None:
    decoding = run(capture, store_of(shared, capture))
    assert all_opened(decoding)
    sessions = {session.session_id: session for session in decoding.decoded.smb2.tracker.sessions}
    for session_id, _ in public_keys(shared, capture):
        assert sessions[session_id].keys_proved


def known_passwords() -> list[list[str]]:
    """Capture, frame, SessionId, user, domain, password, session base key, exported session key."""
    table = SHARED / "captures/public/keys/ntlm_known_password_sessions.tsv"
    rows = (line.split("\t") for line in table.read_text().splitlines()[1:]) if table.is_file() else ()
    return [row for row in rows if (SHARED / "captures" / row[0]).is_file()]


@pytest.mark.parametrize("row", known_passwords(), ids=lambda row: f"{row[0]} {row[2]}")
def test_published_passwords_give_the_published_keys(row: list[str], shared: Path) -> None:
    """All of them are empty. The published keys were computed as if every client had negotiated KEY_EXCH."""
    name, _, session_id, user, domain, _, base_key, exported_key = row
    account = "\\".join("" if part == "NULL" else part for part in (domain, user))
    store, by_hash = KeyStore(), KeyStore()
    store.add_password(f"{account}:")
    by_hash.add_nt_hash(f"{account}:{ntlm.nt_owf_v1(password='').hex()}")
    for keys in (store, by_hash):
        decoding = run(shared / "captures" / name, keys)
        (session,) = (one for one in decoding.decoded.smb2.tracker.sessions if f"0x{one.session_id:016x}" == session_id)
        expected = base_key if domain == "BUILDER" else exported_key  # its client's flags are 0xa0880205
        if session.ended_by == "logon refused (STATUS_LOGON_FAILURE)" or user == "GUEST":
            assert session.session_key is None
        else:
            assert session.session_key == bytes.fromhex(expected)
            assert any("NTProofStr" in proof.how for proof in session.proofs)


def test_a_published_keytab_gives_the_published_key(shared: Path) -> None:
    folder = shared / "captures/public/zeek/krb"
    (published_key,) = public_keys(shared, folder / "smb2_krb.pcap")
    store = KeyStore()
    for entry in keytab.load(next(folder.glob("*.keytab"))):
        store.add(entry)
    decoding = run(folder / "smb2_krb.pcap", store)
    keys = {session.session_id: session.session_key for session in decoding.decoded.smb2.tracker.sessions}
    assert keys[published_key[0]] == published_key[1][:16]
    assert all_opened(decoding)


# ------------------------------------------------------------------------------------------ direction keys, mid-stream


def direction_keys(shared: Path) -> KeyStore:
    """Those that the wiki of Wireshark publishes for the session of smb3.pcap."""
    lines = (shared / "captures/public/keys/smb_known_keys.tsv").read_text().splitlines()
    (row,) = (line.split("\t") for line in lines if line.startswith("public/zeek/smb/smb3.pcap\t"))
    store = KeyStore()
    store.add(DirectionKeys(int(row[2]), bytes.fromhex(row[7]), bytes.fromhex(row[8])))
    return store


@pytest.mark.parametrize("name", MIDSTREAM)
def test_direction_keys_open_a_session_of_which_the_beginning_is_missing(name: str, shared: Path) -> None:
    capture = shared / "captures/public" / name
    decoding = run(capture, direction_keys(shared))
    assert all_opened(decoding)
    assert int(decoding.messages["encrypted"].sum()) == MIDSTREAM[name]
    # What Suricata expects of it.
    assert [tree.path for tree in decoding.decoded.smb2.tracker.trees if tree.path][:1] == [r"\\10.160.65.202\IPC$"]


@pytest.mark.witness
@pytest.mark.parametrize("name", MIDSTREAM)
def test_they_are_the_messages_that_tshark_decrypts_where_nothing_is_missing(
    name: str, shared: Path, tshark: str
) -> None:
    """tshark 4.0 decrypts nothing without the negotiation; of the whole capture it tells the same messages."""
    keys = ['3d00009400480000,28f2847263c83dc00621f742dd3f2e7b,"",""']
    whole = witness.read(tshark, shared / "captures/public/zeek/smb/smb3.pcap", keys=keys)
    theirs = [message for frame in whole.values() for message in frame.messages]
    ours = run(shared / "captures/public" / name, direction_keys(shared)).messages
    told = [
        (int(row["message_id"]), int(row["command"]), int(row["status"]) if row["is_response"] else None)
        for row in ours
    ]
    assert told == [(message.message_id, message.command, message.status) for message in theirs][-len(told) :]
