"""What kind of software a peer is, told by the version in its NTLM messages."""

from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.policy import Peer, Policy, Side
from analyzer.rules.case import Case
from analyzer.rules.peers import peer_of_version
from parsers.gss.ntlm.messages import Version


@pytest.mark.parametrize(
    ("version", "peer"),
    [
        (Version(10, 0, 20348), Peer.WINDOWS),
        (Version(6, 3, 9600), Peer.WINDOWS),
        (Version(6, 1, 7601), Peer.WINDOWS_7),
        (Version(6, 0, 6001), Peer.WINDOWS_7),
        (Version(6, 1, 0), Peer.SAMBA),
        (Version(6, 8, 52), Peer.LINUX),
        (Version(0, 12, 4), Peer.UNKNOWN),  # smbprotocol
    ],
)
def test_versions(version: Version, peer: Peer) -> None:
    assert peer_of_version(version) is peer


@pytest.mark.parametrize(
    ("capture", "client", "server"),
    [
        ("samba/ntlm_311_enc_aes-128-gcm.pcapng", Peer.SAMBA, Peer.SAMBA),
        ("public/zeek/smb/smb311.pcap", Peer.UNKNOWN, Peer.WINDOWS),
        ("public/zeek/smb/smb2.pcap", Peer.WINDOWS_7, Peer.WINDOWS_7),
        ("samba/krb5_210_signed.pcapng", Peer.UNKNOWN, Peer.UNKNOWN),  # Kerberos says nothing of it
    ],
)
def test_real_peers(shared: Path, capture: str, client: Peer, server: Peer) -> None:
    analysis = analyze(shared / "captures" / capture)
    case = Case(analysis, analysis.evidence, Policy())
    assert (case.peer(0, Side.CLIENT), case.peer(0, Side.SERVER)) == (client, server)


def test_a_timer_is_that_of_the_peer(shared: Path) -> None:
    analysis = analyze(shared / "captures" / "samba" / "ntlm_311_enc_aes-128-gcm.pcapng")
    case = Case(analysis, analysis.evidence, Policy())
    assert case.told("SessTimeout", 0) == "SessTimeout 20 s"  # smbclient's
    assert case.limit("OplockBreakWait", 0) == 35_000_000_000
    patient = Case(analysis, analysis.evidence, Policy({"SessTimeout": 300}))
    assert patient.limit("SessTimeout", 0) == 300_000_000_000
