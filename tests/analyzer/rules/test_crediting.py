"""MessageIds and credits that break a rule, and those that do not."""

from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.header import Command
from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import CREDITS, answers, cause, found, generated, played, tamper

RULES = ["CRED-01", "CRED-02", "CRED-03", "CRED-04"]


def with_credits(number: int):
    def change(message: bytearray) -> None:
        message[CREDITS] = number.to_bytes(2, "little")

    return change


@pytest.mark.parametrize(
    ("name", "options"),
    [("normal", {"size": 5_000_000}), ("normal", {"dialect": "2.0.2"}), ("credit_starvation", {"grants": "few"})],
)
def test_what_is_right_breaks_no_rule(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    analysis = generated(tmp_path, name, **options)
    assert [rule for rule in RULES if found(analysis, rule)] == []


@pytest.mark.parametrize("name", ["samba/ntlm_311_enc_5mb.pcapng", "faults/ok_notify_pending_enc.pcapng"])
def test_samba_breaks_no_rule(shared: Path, name: str) -> None:
    assert [rule for rule in RULES if found(analyzed(shared, name), rule)] == []


@pytest.mark.parametrize(("message_id", "words"), [(10_000, "outside of the window"), (2, "that it had used before")])
def test_a_message_id_that_may_not_be_used(tmp_path: Path, message_id: int, words: str) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(message_id=message_id)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    analysis = played(tmp_path, work)
    assert found(analysis, "CRED-01") == ["error"]
    assert words in cause(analysis, "CRED-01")


@pytest.mark.parametrize("paid", [1, None])
def test_a_read_that_pays_for_less_than_it_asks(tmp_path: Path, paid: int | None) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        with client.deviating(Deviation(credit_charge=paid)):
            call = client.read(file, 0, 200_000)
        yield settled(call)

    analysis = played(tmp_path, work)
    assert found(analysis, "CRED-02") == ([] if paid is None else ["error"])


def test_no_credit_in_the_answer_to_negotiate(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper(server, answers(Command.NEGOTIATE), with_credits(0))
        yield link.established
        yield link.client.negotiate()
        yield wait(seconds=3)

    assert "error" in found(played(tmp_path, work), "CRED-03")


def test_the_last_credit_of_a_client_that_waits_for_nothing(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "credit_starvation")
    assert found(analysis, "CRED-03") == ["error"]


def test_credits_in_an_interim_and_in_a_final_response(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        folder = yield client.create(tree, "")
        tamper(server, answers(Command.CHANGE_NOTIFY, ntstatus.STATUS_CANCELLED), with_credits(7))
        notify = client.change_notify(folder)
        yield wait(seconds=1)
        client.cancel(notify)
        yield settled(notify)

    analysis = played(tmp_path, work)
    assert found(analysis, "CRED-04") == ["info"]
    assert "granted 7 credits" in cause(analysis, "CRED-04")
