"""Rows of messages become the table `messages`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.tables.messages import collect_messages, command_name, messages_table
from parsers import ntstatus
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import ExchangeTable
from parsers.smb2.header import HEADER
from parsers.smb2.messages import DECRYPTIONS, Messages, Units
from parsers.smb2.rows import MESSAGE
from parsers.smb2.session import Session, SmbConnection
from parsers.verdicts import Decryption
from tests.records import columns

RESPONSE, ASYNC, RELATED = 1, 2, 4


def table(*messages: dict[str, Any], sessions: list[Session] | None = None, names: list[str] | None = None) -> Any:
    rows = np.zeros(len(messages), MESSAGE)
    rows["known"], rows["session"], rows["name"], rows["time"] = True, -1, -1, 1
    for row, message in zip(rows, messages, strict=True):
        for name, value in message.items():
            row[name] = value
    return messages_table(columns(rows), sessions or [], names or [])


def session(number: int, session_id: int, **members: Any) -> Session:
    made = Session(number, session_id, SmbConnection(0, (0, 445)))
    for name, value in members.items():
        setattr(made, name, value)
    return made


def verdict(value: Decryption) -> int:
    return DECRYPTIONS.index(value)


def test_only_responses_have_a_status() -> None:
    frame = table(
        {"status": 0x0001_0000, "flags": 0},  # ChannelSequence of a request
        {"status": 0xC000_0016, "flags": RESPONSE, "is_response": True},
        {"status": 0xC0DE_1234, "flags": RESPONSE, "is_response": True},
    )
    assert frame.status.isna().tolist() == [True, False, False]
    assert frame.status.tolist()[1:] == ["STATUS_MORE_PROCESSING_REQUIRED", "0xC0DE1234"]
    assert frame.status.cat.categories.tolist() == ["STATUS_MORE_PROCESSING_REQUIRED", "0xC0DE1234"]


def test_a_message_has_either_a_tree_id_or_an_async_id() -> None:
    field = 0x0000_0007_0000_FEFF
    frame = table({"async_id": field}, {"async_id": field, "flags": ASYNC})
    assert frame.tree_id.tolist() == [7, pd.NA]
    assert frame.async_id.tolist() == [pd.NA, field]


def test_what_was_not_opened_knows_its_session_and_verdict_only() -> None:
    frame = table(
        {"known": False, "encrypted": True, "session_id": 5, "length": 99, "decryption": verdict(Decryption.NO_KEY)},
        {"known": False},
    )
    for name in ("command", "message_id", "async_id", "tree_id", "status", "flags", "credit_charge", "credits"):
        assert frame[name].isna().all(), name
    assert frame.session_id.tolist() == [5, pd.NA]
    assert frame.decryption.tolist() == ["no_key", "plaintext"]
    assert frame.length.tolist() == [99, 0]


def test_a_session_id_of_all_ones_is_that_of_the_session() -> None:
    frame = table({"session_id": 2**64 - 1, "session": 0}, {"session_id": 2**64 - 1}, sessions=[session(0, 0x1234)])
    assert frame.session_id.tolist() == [0x1234, 2**64 - 1]


def test_64_bit_identifiers_keep_their_last_digit() -> None:
    frame = table({"session_id": 2**63 + 1, "message_id": 2**64 - 1})
    assert (frame.session_id[0], frame.message_id[0]) == (2**63 + 1, 2**64 - 1)


def test_a_wrong_key_is_damage_once_the_keys_of_that_direction_are_proved() -> None:
    sessions = [
        session(0, 1),
        session(1, 2, provenance="keys.toml", decryption_key=b"c", encryption_key=b"s"),
        session(2, 3, provenance="keys.toml", decryption_key=b"c"),
    ]
    wrong = {"decryption": verdict(Decryption.WRONG_KEY), "encrypted": True, "known": False}
    frame = table(
        *(
            wrong | {"session": number, "from_client": from_client}
            for number in range(3)
            for from_client in (True, False)
        ),
        wrong | {"session": 1, "decryption": verdict(Decryption.DECRYPTED)},
        sessions=sessions,
    )
    assert frame.decryption.tolist() == [
        "wrong_key", "wrong_key", "damaged", "damaged", "damaged", "no_key", "decrypted",
    ]  # fmt: skip


def test_an_unknown_command_is_its_number() -> None:
    assert command_name(0x1234) == "0x1234"
    assert table({"command": 5}, {"command": 0x99}).command.tolist() == ["CREATE", "0x99"]


def test_names_of_statuses_are_told_apart() -> None:
    """Two codes of one name could not be two categories."""
    names = list(ntstatus._names().values())
    assert len(set(names)) == len(names)


def test_no_messages_are_an_empty_table() -> None:
    assert len(messages_table(columns(np.empty(0, MESSAGE)), [], [])) == 0


def batch(*messages: tuple[int, int, int]) -> Batch:
    """A block of whole SMB2 messages: unit, flags, TreeId or the upper half of AsyncId."""
    count = len(messages)
    unit, flags, upper = (np.array(column, np.int64) for column in zip(*messages, strict=True))
    zeros = np.zeros(count, np.int64)
    units = Units(*(np.zeros(int(unit.max()) + 1, np.int64) for _ in Units.__slots__))
    header = np.zeros(count, HEADER.dtype)
    header["flags"], header["async_id"] = flags, upper.astype(np.uint64) << np.uint64(32)
    known, verdicts = np.ones(count, np.bool_), np.zeros(count, np.uint8)
    return Batch(
        memoryview(b""), units,
        Messages(header, known, unit, zeros, zeros, ~known, verdicts, verdicts, zeros - 1, zeros - 1, ~known),
        ExchangeTable(), [],
    )  # fmt: skip


NONE = 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("messages", "trees"),
    [
        ([(0, 0, 7), (0, RELATED, NONE), (0, RELATED, NONE)], [7, 7, 7]),
        ([(0, 0, 7), (0, RELATED, NONE), (0, 0, 8), (0, RELATED, NONE)], [7, 7, 8, 8]),
        ([(0, 0, 7), (1, RELATED, NONE)], [7, NONE]),
        ([(0, ASYNC, 7), (0, RELATED, NONE)], [7, NONE]),
        ([(0, RELATED, NONE)], [NONE]),
    ],
)
def test_a_related_request_inherits_the_tree_within_its_compound(
    messages: list[tuple[int, int, int]], trees: list[int]
) -> None:
    rows = collect_messages(batch(*messages))
    assert (rows["async_id"] >> np.uint64(32)).tolist() == trees


def test_related_requests_have_the_tree_and_the_session_of_their_compound(shared: Path) -> None:
    analysis = analyze(shared / "captures" / "public" / "suricata" / "smb-length-5786" / "input.pcap")
    related = analysis.messages[(analysis.messages["flags"] & RELATED) != 0]
    requests = related[~related.is_response]
    assert len(requests) > 0
    assert not (requests.tree_id == NONE).any()
    assert requests.session_id.isin(analysis.sessions.session_id).all()


def test_the_sample_has_the_messages_that_tshark_counts(mixed: Analysis) -> None:
    """tshark 4.0.17 with both passwords: 305 messages, 102 encrypted; 11 SESSION_SETUP pairs and 11 more legs."""
    messages = mixed.messages
    assert (len(messages), int(messages.encrypted.sum())) == (305, 102)
    assert set(messages.decryption.unique()) == {"plaintext", "decrypted"}
    assert not (messages.signature == "invalid").any()
    assert (messages.time <= messages.complete_time).all()
