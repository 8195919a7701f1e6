"""Ordinary work with every dialect, cipher and algorithm: the analyzer opens it, and Wireshark has no objection."""

import io
import subprocess
from pathlib import Path

import pytest

from analyzer import analyze
from parsers.errors import UsageError
from refserver.scenarios.normal import NORMAL
from tests.refserver.scenarios.played import expected

VARIANTS = [
    *({"dialect": dialect} for dialect in ("2.0.2", "2.1", "3.0", "3.0.2", "3.1.1")),
    *({"dialect": dialect, "cipher": "aes-128-ccm"} for dialect in ("3.0", "3.0.2", "3.1.1")),
    *({"cipher": cipher} for cipher in ("aes-128-gcm", "aes-256-ccm", "aes-256-gcm")),
    *({"signing": signing} for signing in ("hmac-sha256", "aes-cmac")),
    {"auth": "kerberos"},
    {"auth": "kerberos", "cipher": "aes-256-gcm"},
    {"ipv6": True, "interfaces": 1},
]


@pytest.mark.parametrize("values", VARIANTS, ids=lambda values: "-".join(map(str, values.values())))
@pytest.mark.witness
def test_it_is_decrypted_verified_and_well_formed(values, tmp_path: Path, tshark: str) -> None:
    path, keys = tmp_path / "a.pcapng", tmp_path / "a.toml"
    with path.open("wb") as file:
        trace = NORMAL.generate(file, values={"size": 40_000, **values})
    keys.write_text(trace.keys)
    (tmp_path / "server.keytab").write_bytes(trace.keytab)
    analysis = analyze(path, keys=keys)
    (session,) = analysis.sessions.itertuples()
    assert session.dialect == values.get("dialect", "3.1.1")
    assert session.user == "alice"
    assert session.encrypted == session.decrypted
    assert (session.encrypted > 0) == ("cipher" in values)
    assert set(analysis.messages.signature) <= {"valid", "unsigned", "not_covered"}
    assert len(analysis.undecoded) == 0
    weak = values.get("dialect") in ("2.0.2", "2.1")
    assert expected(trace.truth) == ([("negotiate", "weak_dialect")] if weak else [])
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    command = [tshark, "-r", str(path), "-Y", "_ws.malformed || _ws.expert.severity >= 0x00600000", *checks]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == ""


def test_events_have_the_frames_in_which_the_analyzer_finds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with path.open("wb") as file:
        trace = NORMAL.generate(file, values={"cipher": "aes-128-gcm", "loss": 0.01})
    (tmp_path / "a.toml").write_text(trace.keys)
    messages = analyze(path, keys=tmp_path / "a.toml").messages
    for kind, command in (("open", "CREATE"), ("close", "CLOSE"), ("tree_connected", "TREE_CONNECT")):
        told = [event for event in trace.truth["events"] if event["kind"] == kind]
        found = messages[(messages.command == command)]
        assert len(told) == len(found) // 2 > 0
        frames = {frame for event in told for frame in event["frames"]}
        assert frames >= set(found.frame)


def test_a_cipher_that_the_dialect_does_not_have_is_refused() -> None:
    for values in ({"dialect": "2.1", "cipher": "aes-128-ccm"}, {"dialect": "3.0", "cipher": "aes-128-gcm"}):
        with pytest.raises(UsageError, match="does not have the cipher"):
            NORMAL.generate(io.BytesIO(), values=values)
