import pytest

from parsers.ntstatus import STATUS_DISK_FULL, STATUS_NOT_A_DIRECTORY
from refserver.errors import StatusError
from refserver.store.memory import MemoryStore
from refserver.store.tree import Place, StreamTable, attribute_bits


@pytest.mark.parametrize(
    ("given", "directory", "kept"),
    [
        (0, False, 0x80),
        (0x80, False, 0x80),
        (0xA0, False, 0x20),
        (0x80, True, 0x10),
        (0x910, False, 0x100),
        (0x107, True, 0x17),
    ],
)
def test_only_settable_bits_are_kept(given: int, directory: bool, kept: int) -> None:
    assert attribute_bits(given, directory=directory) == kept


def test_a_place_moves_with_its_parent() -> None:
    root = Place(1, None, "", is_directory=True)
    directory = Place(2, root, "d", is_directory=True)
    file = Place(3, directory, "f", is_directory=False)
    assert (root.path, file.path) == ((), ("d", "f"))
    directory.name = "e"
    assert file.path == ("e", "f")


def test_a_stream_does_not_fill_the_memory() -> None:
    file = MemoryStore().create(("f",), directory=False, attributes=0, now=0)
    stream = StreamTable().create(file, "s", 1)
    stream.truncate(1 << 60)
    with pytest.raises(StatusError) as refused:
        stream.write(0, bytes((1 << 26) + 1))
    assert refused.value.status == STATUS_DISK_FULL
    with pytest.raises(StatusError) as refused:
        stream.children()
    assert refused.value.status == STATUS_NOT_A_DIRECTORY
