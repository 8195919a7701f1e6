"""Sessions, their channels and trees, as the sample shows them."""

from pathlib import Path

import pandas as pd

from analyzer import Analysis, analyze


def test_sessions_have_their_facts(mixed: Analysis) -> None:
    """ntlm_311_mixed_sessions.json: what Samba printed of each session."""
    sessions = mixed.sessions.set_index("session_id")
    encrypted = sessions.loc[0xE58FAEA7]
    assert (encrypted.user, encrypted.domain, encrypted.mechanism) == ("alice", "CORPUS", "NTLMv2")
    assert (encrypted.dialect, encrypted.cipher, encrypted.signing_algorithm) == ("3.1.1", "AES-128-GCM", "AES-GMAC")
    assert (encrypted.encrypted, encrypted.decrypted, encrypted.decryption) == (54, 54, "decrypted")
    assert (encrypted.connections, encrypted.channels, encrypted.state) == ("0", 1, "removed")
    assert "CORPUS\\alice" in encrypted.key_source
    assert encrypted.creation_time < encrypted.idle_time < encrypted.ended_time
    assert sessions.loc[0x587D3960].cipher == "AES-256-GCM"
    assert sessions.decryption.tolist().count("decrypted") == 3
    assert (sessions.reason == "").all()


def test_what_the_dialect_prescribes_is_known(mixed: Analysis) -> None:
    old = mixed.sessions[mixed.sessions.dialect == "2.1"].iloc[0]
    assert old.signing_algorithm == "HMAC-SHA256"
    assert pd.isna(old.cipher)


def test_a_refused_logon_is_a_session_that_ended(mixed: Analysis) -> None:
    refused = mixed.sessions[mixed.sessions.ended_by == "logon refused (STATUS_LOGON_FAILURE)"]
    assert set(refused.user) == {"bob", "root"}
    assert refused.creation_time.isna().all()
    assert refused.is_guest.isna().all()


def test_unknown_is_not_guessed(shared: Path) -> None:
    """A capture that begins in the middle (smb3-02-midstream, captures/README.md): nobody knows the user."""
    (capture,) = sorted((shared / "captures" / "public" / "suricata" / "smb3-02-midstream").rglob("*.pcap"))
    session = analyze(capture).sessions.iloc[0]
    for name in ("dialect", "cipher", "signing_algorithm", "user", "domain", "is_guest", "encrypt_data", "key_source"):
        assert pd.isna(session[name]), name
    assert session.state == "unseen"
    assert session.decryption == "no_key"
    assert "direction keys" in session.reason


def test_channels_name_the_connections_of_a_session(samples: Path) -> None:
    """smbtorture smb2.session.bind: a second connection is bound to the session (samples/README.md)."""
    analysis = analyze(samples / "mch_bind_enc.pcapng", keys=samples / "mch_bind_enc.keys.toml")
    bound = analysis.sessions[analysis.sessions.channels > 1]
    assert len(bound) > 0
    for row in bound.itertuples():
        channels = analysis.channels[analysis.channels.session_id == row.session_id]
        assert row.connections == ", ".join(map(str, dict.fromkeys(channels.connection)))
    assert analysis.channels.lost.notna().any()


def test_channels_of_the_sample_are_bound_and_lost(mixed: Analysis) -> None:
    channels = mixed.channels
    assert len(channels) == len(mixed.sessions)
    assert (channels.bound.dropna() < channels.lost[channels.bound.notna()]).all()
    assert channels.signing_key_known.sum() == mixed.sessions.key_source.notna().sum()


def test_trees_have_shares(mixed: Analysis) -> None:
    trees = mixed.trees
    assert set(trees.share_type) == {"DISK", "PIPE"}
    assert {r"\\10.77.0.1\share", r"\\10.77.0.1\IPC$", r"\\10.77.0.1\encshare"} <= set(trees.path)
    assert trees.encrypt_data[trees.path.str.endswith("encshare")].all()
    assert (trees.connected < trees.disconnected)[trees.disconnected.notna()].all()
