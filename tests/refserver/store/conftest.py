from collections.abc import Iterator
from pathlib import Path

import pytest

from refserver.store.folder import FolderStore
from refserver.store.memory import MemoryStore
from refserver.store.store import Store


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of either kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    share = tmp_path / "share"
    share.mkdir()
    folder = FolderStore(share)
    yield folder
    folder.close()
