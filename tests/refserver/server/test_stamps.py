"""The times that operations leave on a file (MS-FSA 2.1.4.17)."""

from refserver.server.stamps import was_changed, was_written
from refserver.server.state import Open
from refserver.store.store import Attributes
from tests.refserver.server.files import desk
from tests.refserver.server.peer import START

LATER = START + 1000


def opened() -> Open:
    client = desk()
    client.open("f")
    (open_,) = client.server.global_open_table.values()
    return open_


def known(open_: Open) -> Attributes:
    return open_.node.attributes()


def test_writing_stamps_two_times_and_the_archive_bit() -> None:
    open_ = opened()
    was_written(open_, LATER)
    after = known(open_)
    assert (after.last_write_time, after.change_time, after.attributes) == (LATER, LATER, 0x20)
    assert after.creation_time == after.last_access_time == START


def test_a_change_stamps_one_time() -> None:
    open_ = opened()
    was_changed(open_, LATER)
    after = known(open_)
    assert (after.last_write_time, after.change_time) == (START, LATER)


def test_times_that_were_set_stay() -> None:
    open_ = opened()
    open_.kept_times = frozenset({"last_write_time", "change_time"})
    was_written(open_, LATER)
    was_changed(open_, LATER)
    after = known(open_)
    assert (after.last_write_time, after.change_time) == (START, START)
