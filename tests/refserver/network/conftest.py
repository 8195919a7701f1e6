"""The pair of hosts that tests of the network play with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.refserver.network.talkers import Pair


@pytest.fixture
def make_pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    made: list[Pair] = []

    def make(size: int, **options: object) -> Pair:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Pair(folder, bytes(place * 7 % 251 for place in range(size)), **options))
        return made[-1]

    yield make
    for pair in made:
        pair.close_files()
