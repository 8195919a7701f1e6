"""Events, the findings that they must lead to, and where a capture shows them."""

import io

import pytest

from analyzer.rules import RULES
from parsers.capture.write import PcapngWriter
from parsers.errors import UsageError
from parsers.transport.ip import ACK, FIN, RST, SYN
from refserver.network.client_process import Place
from refserver.network.frames import Segment, Socket, syn_options
from refserver.network.observer import Observer
from refserver.network.simulation import Simulation
from refserver.scenarios.truth import CHECKS, DIAGNOSES, KINDS, Truth

CLIENT, SERVER = Socket(bytes([10, 0, 0, 10]), 50000), Socket(bytes([10, 0, 0, 1]), 445)


def observed(*segments: tuple[Socket, int, bytes, int]) -> Observer:
    """A capture of segments of connection 0, one every 10 nanoseconds from 100 on."""
    observer = Observer(Simulation(1, 0), PcapngWriter(io.BytesIO()))
    for place, (source, flags, payload, offset) in enumerate(segments):
        destination = SERVER if source == CLIENT else CLIENT
        options = syn_options(1460, 8) if flags & SYN else b""
        segment = Segment(source, destination, 0, 0, flags, 0, payload, options, 0, offset)
        observer.saw(segment, bytes(54 + len(payload)), 100 + 10 * place)
    return observer


def test_the_names_are_there_once_each() -> None:
    for names in (KINDS, CHECKS, tuple(DIAGNOSES)):
        assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name for name in DIAGNOSES)
    assert not set(CHECKS) & DIAGNOSES.keys()


def test_the_checks_are_those_of_the_rule_book(shared) -> None:
    text = (shared / "reference" / "smb.md").read_text()
    table = text.partition("## 2.5 ")[2].partition("\n---")[0]
    assert list(CHECKS) == [
        line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ") and line[2].isupper()
    ]


def test_every_diagnosis_of_the_analyzer_can_be_expected() -> None:
    assert {rule.id for rule in RULES} <= {*CHECKS, *DIAGNOSES}


def test_an_event_has_the_frames_of_its_bytes_and_the_time_of_the_last_of_the_deciding_ones() -> None:
    observer = observed(
        (CLIENT, ACK, bytes(100), 0),
        (SERVER, ACK, bytes(50), 0),
        (SERVER, ACK, bytes(50), 50),
        (SERVER, ACK, bytes(9), 100),
    )
    truth = Truth()
    truth.note("open", 5, Place(0, CLIENT, 0, 100), Place(0, SERVER, 20, 90), session_id=0x1F, text="a.txt")
    (row,) = truth.document(observer)["events"]
    assert (row["time"], row["frames"], row["connection"]) == (120, [1, 2, 3], 0)
    assert (row["session_id"], row["text"], row["findings"]) == ("0x000000000000001f", "a.txt", [])


def test_an_event_whose_bytes_are_sent_again_has_all_frames_and_the_time_of_the_first() -> None:
    observer = observed((CLIENT, ACK, bytes(60), 0), (CLIENT, ACK, bytes(40), 60), (CLIENT, ACK, bytes(100), 0))
    truth = Truth()
    truth.note("request", 5, Place(0, CLIENT, 0, 100))
    (row,) = truth.document(observer)["events"]
    assert (row["time"], row["frames"]) == (110, [1, 2, 3])


def test_an_event_that_the_capture_missed_has_no_frames_and_its_own_time() -> None:
    truth = Truth()
    truth.note("close", 77, Place(0, CLIENT, 0, 100))
    (row,) = truth.document(observed())["events"]
    assert (row["time"], row["frames"]) == (77, [])


def test_tcp_is_noted_from_the_capture() -> None:
    observer = observed(
        (CLIENT, SYN, b"", 0),
        (SERVER, SYN | ACK, b"", 0),
        (CLIENT, ACK, b"", 0),
        (CLIENT, FIN | ACK, b"", 0),
        (SERVER, RST, b"", 0),
    )
    document = Truth().document(observer)
    assert document["connections"] == [{"connection": 0, "client": "10.0.0.10:50000", "server": "10.0.0.1:445"}]
    assert [(row["kind"], row["frames"]) for row in document["events"]] == [
        ("tcp_connect", [1, 2]), ("tcp_close", [4]), ("tcp_reset", [5]),
    ]  # fmt: skip


def test_what_a_scenario_notes_of_tcp_takes_the_frames_that_the_capture_has() -> None:
    truth = Truth()
    truth.note("tcp_reset", 1, connection=0, findings=("server_died",))
    rows = truth.document(observed((CLIENT, SYN, b"", 0), (SERVER, RST, b"", 0)))["events"]
    assert [(row["kind"], row["frames"], row["findings"]) for row in rows] == [
        ("tcp_connect", [1], []), ("tcp_reset", [2], ["server_died"]),
    ]  # fmt: skip


def test_findings_are_expected_of_an_event_or_of_the_last_of_a_kind() -> None:
    truth = Truth()
    first, second = truth.note("echo", 1), truth.note("echo", 2, findings=("ECHO-01",))
    truth.expect("server_stalled", "echo")
    truth.expect("TIME-01", first)
    assert (first.findings, second.findings) == (["TIME-01"], ["ECHO-01", "server_stalled"])


def test_unknown_names_are_refused() -> None:
    truth = Truth()
    with pytest.raises(UsageError, match="no kind of event named 'ecko'"):
        truth.note("ecko", 1)
    with pytest.raises(UsageError, match="no rule named 'ECHO-99'"):
        truth.note("echo", 1, findings=("ECHO-99",))
    with pytest.raises(UsageError, match="nothing of kind 'cancel' has happened"):
        truth.expect("ECHO-01", "cancel")
