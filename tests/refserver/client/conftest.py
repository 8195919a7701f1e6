"""A client and the reference server in one process."""

import pytest

from tests.refserver.client.pair import Pair


@pytest.fixture
def pair() -> Pair:
    """With the server's usual settings."""
    return Pair()
