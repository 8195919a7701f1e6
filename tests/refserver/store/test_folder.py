import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.ntstatus import STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND
from refserver.errors import StatusError
from refserver.store.folder import FolderStore


class House:
    """A share, a secret beside it, and links of all kinds from the one to the other."""

    def __init__(self, place: Path) -> None:
        self.share = place / "share"
        self.outside = place / "outside"
        self.share.mkdir()
        self.outside.mkdir()
        (self.outside / "secret").write_bytes(b"secret")
        (self.share / "to_file").symlink_to(self.outside / "secret")
        (self.share / "to_directory").symlink_to(self.outside)
        (self.share / "up").symlink_to("..")
        (self.share / "to_self").symlink_to("to_self")
        (self.share / "nowhere").symlink_to(self.outside / "made_by_a_client")
        (self.share / "inside").mkdir()
        (self.share / "inside" / "up").symlink_to("../../outside")
        os.mkfifo(self.share / "fifo")
        self.store = FolderStore(self.share)

    def outside_is_untouched(self) -> bool:
        files = sorted(path.name for path in self.outside.iterdir())
        return files == ["secret"] and (self.outside / "secret").read_bytes() == b"secret"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"))


LINKS = ["to_file", "to_directory", "up", "to_self", "nowhere", "fifo"]


def test_links_and_devices_do_not_exist(house: House) -> None:
    assert [name for name, _ in house.store.find(()).children()] == ["inside"]
    for name in LINKS:
        with pytest.raises(StatusError) as refused:
            house.store.find((name,))
        assert refused.value.status == STATUS_OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_made_behind_or_instead_of_a_link(house: House, name: str) -> None:
    with pytest.raises(StatusError) as refused:
        house.store.create((name,), directory=False, attributes=0, now=0)
    assert refused.value.status == STATUS_OBJECT_NAME_COLLISION
    with pytest.raises(StatusError) as refused:
        house.store.create((name, "below"), directory=False, attributes=0, now=0)
    assert refused.value.status == STATUS_OBJECT_PATH_NOT_FOUND
    assert house.outside_is_untouched()


@pytest.mark.parametrize("name", LINKS)
def test_a_rename_does_not_replace_a_link(house: House, name: str) -> None:
    node = house.store.create(("renamed",), directory=False, attributes=0, now=0)
    try:
        for use in (house.store.rename, house.store.link):
            with pytest.raises(StatusError) as refused:
                use(node, (name,), replace=True)
            assert refused.value.status == STATUS_OBJECT_NAME_COLLISION
    finally:
        house.store.remove(node)
    assert house.outside_is_untouched()


def test_a_directory_that_became_a_link_leads_nowhere(tmp_path: Path) -> None:
    house = House(tmp_path)
    directory = house.store.create(("d",), directory=True, attributes=0, now=0)
    node = house.store.create(("d", "secret"), directory=False, attributes=0, now=0)
    (house.share / "d" / "secret").unlink()
    (house.share / "d").rmdir()
    (house.share / "d").symlink_to(house.outside)
    for use in (lambda: node.read(0, 6), lambda: node.write(0, b"x"), lambda: node.truncate(0), directory.children):
        with pytest.raises(StatusError):
            use()
    with pytest.raises(StatusError):
        house.store.remove(node)
    assert house.outside_is_untouched()


def test_a_file_that_became_a_link_is_gone(tmp_path: Path) -> None:
    house = House(tmp_path)
    node = house.store.create(("f",), directory=False, attributes=0, now=0)
    (house.share / "f").unlink()
    (house.share / "f").symlink_to(house.outside / "secret")
    with pytest.raises(StatusError):
        node.read(0, 6)
    with pytest.raises(StatusError):
        node.write(0, b"x")
    assert house.outside_is_untouched()


components = st.one_of(
    st.sampled_from([*LINKS, "inside", "..", ".", "", "/", "\\", "secret", "../outside/secret", "..\\outside", "a\0b"]),
    st.text(max_size=300),
)


@given(path=st.lists(components, max_size=5), write=st.booleans(), directory=st.booleans())
def test_no_path_reads_or_writes_outside(house: House, path: list[str], write: bool, directory: bool) -> None:
    outside = (house.outside / "secret").stat().st_ino
    try:
        if write:
            node = house.store.create(tuple(path), directory=directory, attributes=0, now=0)
            if not node.is_directory:
                node.write(0, b"overwritten")
            house.store.remove(node)
        else:
            node = house.store.find(tuple(path))
    except StatusError:
        pass
    else:
        assert node.file_id != outside
    assert house.outside_is_untouched()


def test_what_others_do_on_disk_is_seen(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "Given").write_bytes(b"by others")
    node = store.find(("given",))
    assert node.path == ("Given",)
    assert node.read(0, 100) == b"by others"
    assert node.attributes().attributes == 0x20
    (tmp_path / "Given").unlink()
    with pytest.raises(StatusError):
        store.find(("given",))


def test_streams_that_are_gone_or_never_were_leave_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(("f",), directory=False, attributes=0, now=0)
    with pytest.raises(StatusError):
        store.find(("f:none",))
    assert store.streams == {}
    store.remove(store.create(("f:s",), directory=False, attributes=0, now=0))
    assert store.streams == {}
    store.create(("f:s",), directory=False, attributes=0, now=0)
    store.remove(store.find(("f",)))
    assert store.streams == {}
