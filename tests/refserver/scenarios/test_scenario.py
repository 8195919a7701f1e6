"""Options, and that a scenario leaves the same bytes for the same seed."""

import io

import pytest

from parsers.errors import UsageError
from refserver.scenarios.scenario import COMMON, Option, Scenario
from refserver.scenarios.stage import PASSWORD, USER, Stage


def play(stage: Stage) -> None:
    server = stage.server()

    def work(link):
        client, tree = yield from stage.log_on(link)
        yield from stage.log_off(client, tree)

    stage.passwords[USER] = PASSWORD
    stage.run(work(stage.client().connect(server)))


PLAIN = Scenario("plain", "a logon", play, (Option("delay", 1.5, "s"), Option("fast", default=False, help="f")))


def generated(**arguments) -> tuple[bytes, dict]:
    capture = io.BytesIO()
    trace = PLAIN.generate(capture, **arguments)
    return capture.getvalue(), trace


def test_values_have_the_type_of_the_default() -> None:
    assert PLAIN.parse(["delay=2", "fast=yes", "interfaces=2", "capture_at=server"]) == {
        "delay": 2.0, "fast": True, "interfaces": 2, "capture_at": "server",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("dealy=2", "plain has no option 'dealy'; it has latency, "),
        ("delay", "write delay=VALUE"),
        ("delay=soon", "delay=soon: float was expected"),
        ("fast=2", "fast=2: bool was expected"),
        ("interfaces=3", "interfaces=3: it is one of 1, 2"),
    ],
)
def test_mistakes_are_named(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PLAIN.parse([setting])


def test_the_same_seed_gives_the_same_everything_and_another_seed_does_not() -> None:
    (first, one), (second, two), (third, _) = generated(seed=5), generated(seed=5), generated(seed=6)
    assert first == second != third
    assert one == two


def test_the_key_file_has_sessions_and_the_passwords_that_were_given() -> None:
    _, trace = generated()
    assert trace.keys.count("[[session]]") == 1
    assert f"password = '{PASSWORD}'" in trace.keys
    assert trace.keytab == b""


def test_the_truth_says_how_it_was_made() -> None:
    _, trace = generated(seed=3, values={"delay": 9.0})
    assert (trace.truth["scenario"], trace.truth["seed"], trace.truth["options"]["delay"]) == ("plain", 3, 9.0)
    assert trace.truth["options"].keys() == {option.name for option in COMMON} | {"delay", "fast"}


BAD = (
    {"loss": 0.05},
    {"duplicate": 0.1, "reorder": 0.1},
    {"latency": 20.0, "bandwidth": 1.0},
    {"capture_loss": 0.2},
    {"capture_skip": 0.001},
    {"capture_at": "server"},
    {"snaplen": 80},
    {"interfaces": 2},
)


@pytest.mark.parametrize("values", BAD, ids="-".join)
def test_network_and_capture_can_be_bad_and_the_same_still_happens(values) -> None:
    clean, worse = generated()[1].truth, generated(values=values)[1].truth
    kinds = [event["kind"] for event in worse["events"] if not event["kind"].startswith("tcp_")]
    assert kinds == [event["kind"] for event in clean["events"] if not event["kind"].startswith("tcp_")]
