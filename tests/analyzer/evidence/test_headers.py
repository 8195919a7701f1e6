"""Header fields as columns: those of every message of a capture, against its table of messages."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from analyzer.evidence.headers import Headers
from parsers import ntstatus
from parsers.capture.open import open_captures
from parsers.keys.store import KeyStore
from parsers.layout import Layout
from parsers.pipeline import decode
from parsers.smb2.header import HEADER, Command, Flags, HeaderFixed


def batch_of(*headers: tuple[int, int, int]) -> SimpleNamespace:
    """A batch with messages of these commands, flags and statuses."""
    layout: Layout[HeaderFixed] = HEADER
    rows = np.zeros(len(headers), layout.dtype)
    for row, (command, flags, status) in zip(rows, headers, strict=True):
        row["command"], row["flags"], row["status"] = command, flags, status
    messages = SimpleNamespace(header=rows, known=np.array([True] * len(headers)))
    return SimpleNamespace(messages=messages)


def test_flags_and_status_are_told_apart() -> None:
    pending = ntstatus.STATUS_PENDING
    headers = Headers(
        batch_of(
            (Command.READ, 0, pending),  # a request: there is ChannelSequence in the place of the status
            (Command.READ, Flags.SERVER_TO_REDIR | Flags.ASYNC_COMMAND, pending),
            (Command.CLOSE, Flags.SIGNED | Flags.RELATED_OPERATIONS, 0),
        )  # type: ignore[arg-type]
    )
    assert headers.request.tolist() == [True, False, True]
    assert headers.interim.tolist() == [False, True, False]
    assert headers.is_async.tolist() == [False, True, False]
    assert headers.signed.tolist() == headers.related.tolist() == [False, False, True]


def test_every_message_of_a_capture_is_a_request_or_a_response(sample: Path) -> None:
    seen = [0, 0, 0]

    def look(_block, _segments, batch) -> None:
        headers = Headers(batch)
        assert not (headers.request & headers.response).any()
        seen[0] += int(headers.request.sum())
        seen[1] += int(headers.response.sum())
        seen[2] += int(batch.messages.known.sum())

    decode(open_captures([sample]), KeyStore(), (look,))
    assert seen[0] + seen[1] == seen[2] > 0
