"""Whether an open may do what is asked of it: one of several bits is enough."""

import pytest

from parsers import ntstatus
from refserver.errors import StatusError
from refserver.server.granted import require
from tests.refserver.server.files import desk


def test_one_of_the_bits_is_enough() -> None:
    client = desk()
    client.open("f", access=0x00000081)
    (open_,) = client.server.global_open_table.values()
    require(open_, 0x00000003)
    with pytest.raises(StatusError) as refused:
        require(open_, 0x00000006)
    assert refused.value.status == ntstatus.STATUS_ACCESS_DENIED
