"""Transform headers and nonces."""

from pathlib import Path

import pytest

from analyzer.evidence.seals import Missealing
from tests.analyzer.captures import analyzed, frames_of
from tests.analyzer.rules.plays import generated


def test_a_replayed_message_is_found_with_the_first_one(tmp_path: Path) -> None:
    again, before = generated(tmp_path, "replayed_message").evidence.seals.repeats
    assert len(again) == len(before) == 1
    assert again["frame"][0] > before["frame"][0]
    assert again["tag"][0] == before["tag"][0]


def test_no_nonce_comes_twice_in_ordinary_work(tmp_path: Path) -> None:
    again, _ = generated(tmp_path, "normal", cipher="aes-128-gcm", size=2_000_000).evidence.seals.repeats
    assert len(again) == 0


@pytest.mark.witness
@pytest.mark.parametrize("name", ["samba/ntlm_311_enc_aes-128-gcm.pcapng", "samba/meta_enc_60k.pcapng"])
def test_nonces_are_as_many_as_tshark_shows(name: str, shared: Path, tshark: str) -> None:
    path = shared / "captures" / name
    shown = frames_of(tshark, path, "smb2.header.transform.nonce", "smb2.header.transform.nonce", "tcp.srcport")
    nonces = [(nonce, row[2]) for row in shown for nonce in row[1].split(",")]
    evidence = analyzed(shared, name).evidence.seals
    assert len(set(nonces)) == len(nonces)
    assert len(evidence.repeats[0]) == 0
    digests = [digest for block in evidence._seals for digest in block["nonce"].tolist()]
    assert len(set(digests)) == len(digests) == len(nonces)


def test_impacket_forgets_the_session_once(shared: Path) -> None:
    rows = analyzed(shared, "faults/cli_impacket_300_enc.pcapng").evidence.seals.rows
    assert [(int(row["kind"]), int(row["frame"])) for row in rows] == [(Missealing.NO_SESSION, 433)]
