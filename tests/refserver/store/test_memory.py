import pytest

from parsers.ntstatus import STATUS_DISK_FULL
from refserver.errors import StatusError
from refserver.store.memory import MemoryStore


def test_a_full_store_takes_no_more_until_something_goes() -> None:
    store = MemoryStore(capacity=1 << 17)
    first = store.create(("a",), directory=False, attributes=0, now=0)
    first.write(0, bytes(1 << 17))
    second = store.create(("b",), directory=False, attributes=0, now=0)
    with pytest.raises(StatusError) as refused:
        second.write(0, b"x")
    assert refused.value.status == STATUS_DISK_FULL
    assert second.attributes().end_of_file == 0
    assert store.volume().free_units == 0
    first.truncate(1 << 16)
    second.write(0, b"x")
    store.remove(first)
    assert store.volume().free_units == store.volume().total_units // 2


def test_a_new_file_stamps_its_directory() -> None:
    store = MemoryStore(now=5)
    store.create(("f",), directory=False, attributes=0, now=9)
    root = store.find(()).attributes()
    assert (root.creation_time, root.last_write_time, root.change_time) == (5, 9, 9)


def test_two_stores_that_live_alike_are_alike() -> None:
    stores = [MemoryStore(now=5), MemoryStore(now=5)]
    for store in stores:
        store.create(("d",), directory=True, attributes=0, now=6)
        store.create(("d", "f"), directory=False, attributes=0x20, now=7)
    ids = [[store.find(path).file_id for path in ((), ("d",), ("d", "f"))] for store in stores]
    assert ids[0] == ids[1]
    assert stores[0].volume() == stores[1].volume()
