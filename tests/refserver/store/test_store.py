"""What every store has to do: each test runs in memory and on disk."""

from dataclasses import replace

import pytest

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DIRECTORY_NOT_EMPTY,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_OBJECT_PATH_NOT_FOUND,
)
from refserver.errors import StatusError
from refserver.store.names import short_name
from refserver.store.store import Node, Store

NOW = 1_700_000_000_123_456_700


def make(store: Store, *path: str, directory: bool = False, attributes: int = 0) -> Node:
    return store.create(path, directory=directory, attributes=attributes, now=NOW)


def fails(status: int) -> "pytest.RaisesExc[StatusError]":
    return pytest.RaisesExc(StatusError, check=lambda error: error.status == status)


def test_what_is_written_is_read(store: Store) -> None:
    node = make(store, "a.bin")
    node.write(3, b"hello")
    assert node.read(0, 100) == b"\0\0\0hello"
    assert node.read(4, 2) == b"el"
    assert node.read(8, 10) == b""
    assert node.read(1 << 40, 10) == b""
    assert node.attributes().end_of_file == 8
    assert node.attributes().allocation_size == 4096


def test_a_file_far_beyond_its_data_is_mostly_hole(store: Store) -> None:
    node = make(store, "sparse")
    node.write(5 << 20, b"x")
    node.truncate(1 << 33)
    assert node.attributes().end_of_file == 1 << 33
    assert node.read((5 << 20) - 1, 3) == b"\0x\0"
    ranges = node.allocated(0, 1 << 33)
    assert sum(length for _, length in ranges) <= 1 << 16
    assert any(start <= 5 << 20 < start + length for start, length in ranges)
    assert node.allocated(6 << 20, 1 << 20) == []


def test_punching_leaves_zeros_and_the_size(store: Store) -> None:
    node = make(store, "punched")
    node.write(0, b"x" * 200_000)
    node.punch(10, 150_000)
    assert node.read(0, 200_000) == b"x" * 10 + bytes(150_000) + b"x" * 49_990
    node.punch(180_000, 1 << 40)
    assert node.attributes().end_of_file == 200_000
    assert node.read(179_999, 10) == b"x" + bytes(9)


def test_truncation_forgets_what_was_behind(store: Store) -> None:
    node = make(store, "short")
    node.write(0, b"secret")
    node.truncate(2)
    node.truncate(6)
    assert node.read(0, 6) == b"se\0\0\0\0"


def test_names_are_found_in_any_case_and_keep_theirs(store: Store) -> None:
    make(store, "Dir", directory=True)
    node = make(store, "dIR", "FileÄ.TXT")
    assert store.find(("DIR", "fileä.txt")) is node
    assert node.path == ("Dir", "FileÄ.TXT")
    with fails(STATUS_OBJECT_NAME_COLLISION):
        make(store, "dir", "FILEä.txt")


def test_a_file_is_found_by_its_short_name(store: Store) -> None:
    node = make(store, "A long name.document")
    assert store.find((short_name("a LONG name.document"),)) is node
    assert node.path == ("A long name.document",)


def test_missing_names_and_missing_parents_differ(store: Store) -> None:
    make(store, "file")
    with fails(STATUS_OBJECT_NAME_NOT_FOUND):
        store.find(("nothing",))
    with fails(STATUS_OBJECT_PATH_NOT_FOUND):
        store.find(("nothing", "below"))
    with fails(STATUS_OBJECT_PATH_NOT_FOUND):
        store.find(("file", "below"))
    with fails(STATUS_OBJECT_PATH_NOT_FOUND):
        make(store, "nothing", "new")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", "what?", "*", "a:b:c", "x" * 256, "a:", "\t"])
def test_names_that_no_file_can_have_are_refused(store: Store, name: str) -> None:
    with fails(STATUS_OBJECT_NAME_INVALID):
        store.find((name,))
    with fails(STATUS_OBJECT_NAME_INVALID):
        make(store, name)


def test_a_directory_lists_what_it_has_in_order(store: Store) -> None:
    make(store, "b")
    make(store, "A", directory=True)
    make(store, "c")
    make(store, "A", "inner")
    names = [name for name, _ in store.find(()).children()]
    assert names == ["A", "b", "c"]
    with fails(STATUS_NOT_A_DIRECTORY):
        store.find(("b",)).children()


def test_a_directory_has_no_bytes(store: Store) -> None:
    node = make(store, "d", directory=True)
    for use in (lambda: node.read(0, 1), lambda: node.write(0, b"x"), lambda: node.truncate(1)):
        with fails(STATUS_FILE_IS_A_DIRECTORY):
            use()
    assert node.attributes().end_of_file == 0


def test_attributes_are_kept_while_nobody_has_the_file_open(store: Store) -> None:
    node = make(store, "f", attributes=0x22)
    before = node.attributes()
    assert (before.creation_time, before.last_write_time, before.change_time) == (NOW, NOW, NOW)
    assert before.attributes == 0x22
    times = [NOW - 10**9 * i for i in range(1, 5)]
    node.set_attributes(
        replace(before, ea={b"NAME": b"value"}, security=b"sd", attributes=0x1, **dict(zip(TIMES, times, strict=True)))
    )
    del node
    after = store.find(("F",)).attributes()
    assert [getattr(after, name) for name in TIMES] == times
    assert after.attributes == 0x1
    assert after.ea == {b"NAME": b"value"}
    assert after.security == b"sd"


TIMES = ("creation_time", "last_access_time", "last_write_time", "change_time")


@pytest.mark.parametrize("time", [-(10**9), 0, 1, 4294967295 * 10**9, 15032385535 * 10**9])
def test_times_outside_of_thirty_two_bits_are_kept(store: Store, time: int) -> None:
    node = make(store, "t")
    node.set_attributes(replace(node.attributes(), creation_time=time, last_write_time=time))
    if node.attributes().last_write_time != time:
        pytest.skip("this file system has no such time")
    assert node.attributes().creation_time == time


def test_attribute_bits_are_normal_or_something_else(store: Store) -> None:
    assert make(store, "f").attributes().attributes == 0x80
    assert make(store, "d", directory=True, attributes=0x2).attributes().attributes == 0x12
    assert make(store, "g", attributes=0xFFFF_FFFF).attributes().attributes & 0x890 == 0


def test_a_removed_file_is_gone(store: Store) -> None:
    store.remove(make(store, "f"))
    with fails(STATUS_OBJECT_NAME_NOT_FOUND):
        store.find(("f",))


def test_a_directory_goes_only_empty_and_the_root_never(store: Store) -> None:
    directory = make(store, "d", directory=True)
    inner = make(store, "d", "f")
    with fails(STATUS_DIRECTORY_NOT_EMPTY):
        store.remove(directory)
    store.remove(inner)
    store.remove(directory)
    with fails(STATUS_OBJECT_NAME_NOT_FOUND):
        store.find(("d",))
    with fails(STATUS_ACCESS_DENIED):
        store.remove(store.find(()))


def test_a_new_file_has_nothing_of_the_one_that_was_there(store: Store) -> None:
    node = make(store, "f", attributes=0x2)
    node.set_attributes(replace(node.attributes(), ea={b"E": b"1"}))
    make(store, "f:stream").write(0, b"x")
    store.remove(node)
    del node
    new = make(store, "f")
    assert new.streams() == []
    assert new.attributes().ea == {}


def test_a_rename_moves_what_is_below(store: Store) -> None:
    source = make(store, "old", directory=True)
    inner = make(store, "old", "f")
    inner.write(0, b"x")
    make(store, "target", directory=True)
    store.rename(source, ("target", "new"), replace=False)
    assert inner.path == ("target", "new", "f")
    assert inner.read(0, 1) == b"x"
    assert store.find(("target", "new", "f")) is inner
    with fails(STATUS_OBJECT_NAME_NOT_FOUND):
        store.find(("old",))


def test_a_rename_takes_a_place_only_if_it_may(store: Store) -> None:
    source, other = make(store, "a"), make(store, "b")
    source.write(0, b"from a")
    other.write(0, b"from b")
    del other
    with fails(STATUS_OBJECT_NAME_COLLISION):
        store.rename(source, ("B",), replace=False)
    store.rename(source, ("B",), replace=True)
    assert [name for name, _ in store.find(()).children()] == ["B"]
    assert store.find(("b",)).read(0, 6) == b"from a"


def test_a_rename_changes_the_case_of_a_name(store: Store) -> None:
    store.rename(make(store, "name"), ("NAME",), replace=False)
    assert [name for name, _ in store.find(()).children()] == ["NAME"]


def test_a_directory_is_not_replaced_and_does_not_move_into_itself(store: Store) -> None:
    directory = make(store, "d", directory=True)
    with fails(STATUS_ACCESS_DENIED):
        store.rename(make(store, "f"), ("d",), replace=True)
    with fails(STATUS_INVALID_PARAMETER):
        store.rename(directory, ("d", "e"), replace=False)
    with fails(STATUS_ACCESS_DENIED):
        store.rename(store.find(()), ("x",), replace=False)


def test_a_link_is_the_same_file(store: Store) -> None:
    node = make(store, "one")
    node.write(0, b"shared")
    store.link(node, ("two",), replace=False)
    assert node.attributes().number_of_links == 2
    store.remove(store.find(("one",)))
    assert store.find(("two",)).read(0, 6) == b"shared"
    assert node.attributes().number_of_links == 1


def test_a_file_is_listed_by_the_name_that_is_left(store: Store) -> None:
    node = make(store, "one")
    store.link(node, ("two",), replace=False)
    store.remove(store.find(("two",)))
    ((name, listed),) = store.find(()).children()
    assert (name, listed) == ("one", node)
    assert listed.attributes().number_of_links == 1


def test_the_same_file_gives_the_same_node(store: Store) -> None:
    node = make(store, "f")
    assert store.find(("F",)) is node
    assert dict(store.find(()).children())["f"] is node
    assert node.stream_of is None


def test_a_stream_has_its_own_bytes_and_its_file_s_attributes(store: Store) -> None:
    stream = make(store, "file:Stream")
    stream.write(0, b"in the stream")
    file = store.find(("file",))
    assert file.attributes().end_of_file == 0
    assert file.streams() == [("Stream", 13)]
    assert store.find(("FILE:sTREAM:$data",)) is stream
    assert store.find(("file::$DATA",)) is file
    assert stream.path == ("file:Stream",)
    assert stream.stream_of is file
    assert stream.attributes().end_of_file == 13
    assert stream.file_id != file.file_id
    with fails(STATUS_OBJECT_NAME_COLLISION):
        make(store, "file:STREAM")
    with fails(STATUS_OBJECT_NAME_INVALID):
        store.find(("file:stream:$INDEX",))


def test_streams_are_renamed_and_removed_within_their_file(store: Store) -> None:
    stream = make(store, "f:a")
    make(store, "f:b")
    with fails(STATUS_OBJECT_NAME_COLLISION):
        store.rename(stream, ("f:B",), replace=False)
    store.rename(stream, ("f:c",), replace=False)
    assert [name for name, _ in stream.streams()] == ["b", "c"]
    store.remove(stream)
    assert [name for name, _ in store.find(("f",)).streams()] == ["b"]
    with fails(STATUS_OBJECT_NAME_NOT_FOUND):
        store.find(("f:c",))


def test_a_directory_may_have_streams(store: Store) -> None:
    make(store, "d", directory=True)
    stream = make(store, "d:s")
    assert not stream.is_directory
    assert stream.attributes().attributes == 0x80


def test_a_stream_with_a_bad_name_leaves_no_file_behind(store: Store) -> None:
    with fails(STATUS_OBJECT_NAME_INVALID):
        make(store, "f:a/b")
    assert store.find(()).children() == []


def test_the_volume_has_room(store: Store) -> None:
    volume = store.volume()
    assert 0 < volume.free_units <= volume.total_units
    assert volume.sectors_per_unit * volume.bytes_per_sector == 4096


def test_flushing_is_allowed_everywhere(store: Store) -> None:
    make(store, "f").flush()
    make(store, "f:s").flush()
    store.find(()).flush()
