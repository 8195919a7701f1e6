"""Sessions as stories."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer import Analysis, analyze
from analyzer.cli.program import main
from analyzer.cli.timeline import write_timeline
from analyzer.events import Kind


def story(analysis: Analysis, *rows: int) -> str:
    file = io.BytesIO()
    write_timeline(analysis, [analysis.sessions.iloc[list(rows)]] if rows else [analysis.sessions], file)
    return file.getvalue().decode()


def test_each_session_has_its_events_and_those_of_its_connections(mixed: Analysis) -> None:
    text = story(mixed, 0)
    head, *lines = text.rstrip().split("\n")
    assert head == r"session 0x00000000e58faea7  CORPUS\alice  NTLMv2  SMB 3.1.1  connection 0"
    events = [event for event in mixed.timeline.events if event.connection == 0 or event.session == 0]
    assert len(lines) == len(events) + 1
    assert lines[0].split() == ["0.000000", "tcp_connect", *events[0].text.split(), "[1,", "2]"]
    assert lines[-1].strip().startswith("files: ")
    assert all(event.text in text for event in events)


def test_files_are_only_counted(mixed: Analysis) -> None:
    opens = mixed.opens[mixed.opens.session_id == mixed.sessions.session_id[0]]
    assert f"files: {opens.closed.notna().sum()} close, {len(opens)} open" in story(mixed, 0)
    assert f"  {Kind.OPEN}  " not in story(mixed)


def test_stories_follow_one_another(mixed: Analysis) -> None:
    assert story(mixed).count("\nsession 0x") == len(mixed.sessions) - 1


def test_no_session_is_no_story(shared: Path) -> None:
    assert story(analyze(shared / "captures" / "public" / "snet" / "tls1.3_aes128.pcap")) == "no sessions\n"


def test_names_from_the_wire_are_not_obeyed(tampered: Callable[[bytes, int, bytes], Path]) -> None:
    evil = tampered("alice".encode("utf-16-le"), 0, "<b>\x1b\u202e".encode("utf-16-le"))
    text = story(analyze(evil))
    assert "\x1b" not in text
    assert r"<b>\x1b\u202e logs on" in text


def test_the_command_tells_the_sessions_that_are_asked_for(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", str(sample), "--timeline", "--where", "user == 'bob'", "--limit", "1"]) == 0
    text = capsys.readouterr().out
    assert text.count("session 0x") == 1
    assert r"CORPUS\bob logs on" in text


@pytest.mark.parametrize("more", [["--format", "json"], ["--columns", "user"]])
def test_stories_are_text(more: list[str], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", str(sample), "--timeline", *more]) == 2
    assert "--timeline is text" in capsys.readouterr().err
