"""The CREATE response (MS-SMB2 2.2.14)."""

import pytest

from parsers.smb2.create import FileAttributes, OplockLevel
from parsers.times import ns_to_filetime
from tests.refserver.server.opens import Opener, opener, v1


@pytest.fixture
def client() -> Opener:
    return opener()


def test_the_response_tells_times_and_identity(client: Opener) -> None:
    response = client.create()
    assert response.creation_time == response.change_time == ns_to_filetime(client.peer.now)
    assert response.file_attributes == FileAttributes.ARCHIVE
    assert client.record(response.file_id).file_id == response.file_id.volatile
    assert response.contexts == ()


def test_the_level_of_an_open_with_a_lease_is_lease(client: Opener) -> None:
    response = client.create(contexts=[v1(1, 0)])
    assert response.oplock_level == OplockLevel.LEASE
    assert response.contexts == (v1(1, 0),)
