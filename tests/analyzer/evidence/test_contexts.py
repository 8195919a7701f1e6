"""Create contexts of many messages at once find what the parser of one message finds."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from analyzer.evidence.contexts import find_contexts
from parsers.capture.open import open_captures
from parsers.errors import ParseError
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.create import CREATE_REQUEST, CREATE_RESPONSE, CreateRequest, CreateResponse
from parsers.smb2.decoder import Batch
from parsers.smb2.durable import (
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.lease import Lease, LeaseV2

NAMES = (b"DHnQ", b"DHnC", b"DH2Q", b"DH2C", b"RqLs")
KINDS = (
    DurableReconnect, DurableReconnectV2, DurableRequest, DurableRequestV2, DurableResponse, DurableResponseV2, Lease,
    LeaseV2,
)  # fmt: skip


def creates(batch: Batch, *, response: bool) -> np.ndarray:
    header = batch.messages.header
    is_response = (header["flags"] & Flags.SERVER_TO_REDIR.value) != 0
    chosen = batch.messages.known & (header["command"] == Command.CREATE) & (is_response == response)
    return np.flatnonzero(chosen & (~is_response | (header["status"] == 0)))


@pytest.mark.parametrize("name", ["torture_durable_open", "torture_lease", "torture_replay"])
def test_they_are_those_of_the_parser(name: str, shared: Path) -> None:
    found, expected = Counter[tuple[bytes, bytes]](), Counter[tuple[bytes, bytes]]()

    def sink(_block: object, _segments: object, batch: Batch) -> None:
        for response, layout, parse in (
            (False, CREATE_REQUEST, CreateRequest.parse),
            (True, CREATE_RESPONSE, CreateResponse.parse),
        ):
            rows = creates(batch, response=response)
            for context, (_, data, length) in find_contexts(batch, rows, layout, NAMES).items():
                places = zip(data.tolist(), length.tolist(), strict=True)
                found.update((context, bytes(batch.arena[at : at + size])) for at, size in places)
            for row in rows.tolist():
                message = batch.arena[int(batch.messages.offset[row]) : int(batch.messages.end[row])]
                contexts = parse(message).contexts
                expected.update((c.name, c.build()) for c in contexts if isinstance(c, KINDS))

    decode(open_captures(shared / "captures" / "samba" / f"{name}.pcapng"), KeyStore(), [sink])
    assert found == expected
    assert found.total() > 50


def test_chains_that_lead_nowhere_or_in_circles_end(shared: Path) -> None:
    """Every byte of a chain in turn is damaged; nothing outside of the message is read, and no loop is endless."""
    seen = 0

    def sink(_block: object, _segments: object, batch: Batch) -> None:
        nonlocal seen
        rows = creates(batch, response=False)
        rows = rows[find_contexts(batch, rows, CREATE_REQUEST, (b"DH2Q",))[b"DH2Q"][0].searchsorted(0) :][:2]
        for row in rows.tolist():
            first, last = int(batch.messages.offset[row]), int(batch.messages.end[row])
            message = bytes(batch.arena[first:last])
            for at in range(HEADER_SIZE + 48, last - first):
                for value in (0, 1, 0xFF):
                    batch.arena[first + at] = value
                    for _, data, length in find_contexts(batch, np.array([row]), CREATE_REQUEST, NAMES).values():
                        assert ((data >= first) & (data + length <= last)).all()
                    seen += 1
                    batch.arena[first + at] = message[at]

    capture = shared / "captures" / "samba" / "torture_durable_open.pcapng"
    try:
        decode(open_captures(capture, window=1 << 14), KeyStore(), [sink])
    except ParseError:  # pragma: no cover  # nothing that is damaged is parsed
        pytest.fail("the decoder has seen the damage")
    assert seen > 1_000
