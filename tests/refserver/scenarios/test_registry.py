"""Every scenario that is listed: the same with the same seed, soon, and nothing that Wireshark objects to."""

import io
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from analyzer import analyze
from parsers.errors import UsageError
from refserver.scenarios.registry import SCENARIOS, scenario_named
from tests.witness.tshark import read

BROKEN = {"tampered_message": 1}  # messages that nobody can decrypt
CUT = {"server_death", "mtu_black_hole"}  # the last message of one side never came to its end
OBJECTIONS = "_ws.malformed || _ws.expert.severity >= 0x00800000 || (smb2 && _ws.expert.severity >= 0x00600000)"


@pytest.mark.parametrize("name", SCENARIOS)
def test_names_are_words_and_everything_is_explained(name: str) -> None:
    scenario = scenario_named(name)
    assert re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", name)
    assert scenario.name == name
    assert scenario.summary
    assert not scenario.summary.endswith(".")
    assert all(option.help for option in scenario.all_options.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_seed_gives_the_same_files(name: str) -> None:
    captures = io.BytesIO(), io.BytesIO(), io.BytesIO()
    seeds = (7, 7, 8)
    first, second, other = (
        SCENARIOS[name].generate(file, seed=seed) for file, seed in zip(captures, seeds, strict=True)
    )
    assert captures[0].getvalue() == captures[1].getvalue() != captures[2].getvalue()
    assert first == second != other


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_has_to_be_found_can_be_seen(name: str) -> None:
    for seed in range(2, 5):
        truth = SCENARIOS[name].generate(io.BytesIO(), seed=seed).truth
        for event in truth["events"]:
            assert not event["findings"] or event["frames"] or event["kind"] == "channel_lost"


def test_all_of_them_take_less_than_a_minute() -> None:
    begin = time.process_time()
    for scenario in SCENARIOS.values():
        scenario.generate(io.BytesIO())
    assert time.process_time() - begin < 60


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.witness
def test_wireshark_opens_it_with_the_keys_and_has_no_objection(name: str, tmp_path: Path, tshark: str) -> None:
    path, keys = tmp_path / "a.pcapng", tmp_path / "a.toml"
    with path.open("wb") as file:
        trace = SCENARIOS[name].generate(file)
    lines = [line_of(session) for session in tomllib.loads(trace.keys).get("session", [])]
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    checks += [part for line in lines for part in ("-o", f"uat:smb2_seskey_list:{line}")]
    command = [tshark, "-r", str(path), "-Y", OBJECTIONS, *checks]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == ""
    assert sum(frame.closed for frame in read(tshark, path, keys=lines).values()) == 0  # it checks no tags
    keys.write_text(trace.keys)
    (tmp_path / "server.keytab").write_bytes(trace.keytab)
    analysis = analyze(path, keys=keys)
    assert (analysis.sessions.encrypted - analysis.sessions.decrypted).sum() == BROKEN.get(name, 0)
    assert len(analysis.undecoded) == (name in CUT or name in BROKEN)


def line_of(session: dict[str, str]) -> str:
    """Of Wireshark's smb2_seskey_list: the SessionId as it stands on the wire, and the session key."""
    return f'{int(session["id"], 16).to_bytes(8, "little").hex()},{session["key"]},"",""'


def test_a_mistyped_name_is_guessed() -> None:
    with pytest.raises(UsageError, match="no scenario named 'nomal'; did you mean normal"):
        scenario_named("nomal")
    with pytest.raises(UsageError, match="generate --list shows them all"):
        scenario_named("xyz")
