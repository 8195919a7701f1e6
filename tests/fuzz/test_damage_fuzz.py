"""Any bytes give a decoding or `UsageError`, nothing else, in bounded time and memory; no captured byte gets lost.

Real captures are cut at random places and have random bytes changed. `make test` runs a sample, `make fuzz` all.
"""

import io
import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from parsers.errors import UsageError
from tests.witness.decoding import captures, conserved, run, title
from tests.witness.known_keys import store_of

SMALL = 200_000  # bytes
DEEP = settings().max_examples >= 10_000  # the profile of `make fuzz`
ROUNDS = 200 if DEEP else 2
LONGEST = 10.0  # seconds for one small capture: fifty times what it takes
MOST_MEMORY = 256 << 20
WINDOWS = (1 << 12, 1 << 16, 16 << 20)  # bytes read at once: small ones leave more for the block behind
EXTREMES = (b"\x00", b"\xff", b"\x7f\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xfeSMB", b"\xfdSMB", b"\xfcSMB")

CAPTURES = [path for path in captures() if path.stat().st_size <= SMALL][:: 1 if DEEP else 10]

pytestmark = pytest.mark.fuzz


def cut(data: bytes, chances: random.Random) -> bytes:
    """The capture up to somewhere, or its beginning without some stretch behind it."""
    place = chances.randrange(len(data))
    return data[:place] + data[place + chances.randrange(1, 2000) :] if chances.random() < 0.5 else data[:place]


def change(data: bytes, chances: random.Random) -> bytes:
    """Some bytes are other ones, many of them those that hurt."""
    changed = bytearray(data)
    for _ in range(chances.choice((1, 1, 2, 4, 16, 64))):
        new = chances.choice(EXTREMES) if chances.random() < 0.5 else chances.randbytes(chances.randint(1, 4))
        place = chances.randrange(len(data))
        changed[place : place + len(new)] = new
    return bytes(changed)


@pytest.mark.parametrize("capture", CAPTURES, ids=title)
@pytest.mark.parametrize("damage", [cut, change])
def test_a_damaged_capture_is_decoded_or_refused(
    shared: Path, capture: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    data, keys = capture.read_bytes(), store_of(shared, capture)
    for seed in range(ROUNDS):
        chances = random.Random(f"{title(capture)} {seed}")
        damaged = damage(data, chances)
        started = time.perf_counter()
        try:
            decoding = run(io.BytesIO(damaged), keys, window=chances.choice(WINDOWS))
        except UsageError:
            continue
        assert time.perf_counter() - started < LONGEST, seed
        assert all(map(conserved, decoding.decoded.accounts)), seed


def test_a_damaged_capture_does_not_eat_memory(shared: Path) -> None:
    tracemalloc.start()
    try:
        for number, capture in enumerate(CAPTURES[:20]):
            damaged = change(capture.read_bytes(), random.Random(number))
            try:
                run(io.BytesIO(damaged), store_of(shared, capture))
            except UsageError:
                continue
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
