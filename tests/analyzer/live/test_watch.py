"""What each look at the window tells anew. The window is made of pieces of a capture, as a ring has them."""

import subprocess
from pathlib import Path

import pytest

from analyzer.analysis import load_keys
from analyzer.live.watch import News, Watch
from analyzer.policy import Policy

PASSWORDS = (r"CORPUS\alice:Passw0rd!", r"CORPUS\bob:B0bPass#")


@pytest.fixture(scope="module")
def pieces(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The sample in files of 100 packets."""
    folder = tmp_path_factory.mktemp("ring")
    try:
        subprocess.run(["editcap", "-c", "100", str(sample), str(folder / "ring.pcapng")], check=True)
    except FileNotFoundError:
        pytest.skip("needs editcap, which is not installed")
    return sorted(folder.glob("ring_*"))


def watch_of(folder: Path, *passwords: str) -> Watch:
    store, _ = load_keys(None, passwords=passwords)
    return Watch(store, Policy(), folder)


def numbers(news: News) -> set[int]:
    return set(news.sessions["session_id"].astype(int))


def test_each_session_is_told_when_it_appears(pieces: list[Path], tmp_path: Path) -> None:
    watch = watch_of(tmp_path)
    first = watch.look(pieces[:2])
    second = watch.look(pieces)
    assert numbers(first)
    assert numbers(second) - numbers(first)
    everyone = set(second.analysis.sessions["session_id"].astype(int))
    assert numbers(first) | numbers(second) == everyone
    assert watch.sessions == len(everyone)
    assert len(watch.look(pieces).sessions) == 0


def test_a_session_is_told_again_when_its_user_is_known(pieces: list[Path], tmp_path: Path) -> None:
    watch = watch_of(tmp_path)
    all_users = watch.look(pieces).analysis.sessions
    named = int(all_users.loc[all_users["user"].fillna("") != "", "session_id"].iloc[0])
    watch._users[named] = ""
    again = watch.look(pieces)
    assert numbers(again) == {named}
    assert watch.sessions == len(all_users)


def test_a_finding_is_told_once_and_not_at_first_sight(pieces: list[Path], tmp_path: Path) -> None:
    watch = watch_of(tmp_path)
    looks = [watch.look(pieces) for _ in range(3)]
    told = [len(look.findings) for look in looks]
    wanted = looks[0].analysis.findings["severity"].isin(["warning", "error", "security"]).sum()
    assert told == [0, wanted, 0]
    assert sum(watch.told.values()) == wanted > 0


def test_at_the_end_nothing_is_held_back(pieces: list[Path], tmp_path: Path) -> None:
    watch = watch_of(tmp_path)
    news = watch.look(pieces, last=True)
    assert set(news.findings["rule"]) >= {"weak_dialect"}
    assert not news.findings["severity"].eq("info").any()


def test_keys_stay_known_when_the_logon_has_left_the_window(pieces: list[Path], tmp_path: Path) -> None:
    watch = watch_of(tmp_path, *PASSWORDS)
    encrypted = watch.look(pieces).analysis.sessions
    opened = encrypted[(encrypted["encrypted"] > 0) & (encrypted["decryption"] == "decrypted")]
    for first in range(1, len(pieces)):
        frames = watch.look(pieces[first:]).analysis.sessions
        rest = frames[frames["session_id"].isin(opened["session_id"]) & (frames["encrypted"] > 0)]
        assert rest["decryption"].eq("decrypted").all()
        cut = rest["creation_time"].isna()
        if cut.any():
            fresh = watch_of(tmp_path, *PASSWORDS).look(pieces[first:]).analysis.sessions
            number = rest.loc[cut, "session_id"].iloc[0]
            assert fresh.loc[fresh["session_id"] == number, "decryption"].iloc[0] != "decrypted"
            return
    pytest.fail("no piece begins inside of an encrypted session")


def test_no_key_is_left_on_the_disk(pieces: list[Path], tmp_path: Path) -> None:
    watch_of(tmp_path, *PASSWORDS).look(pieces)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_being_written_is_no_trouble(pieces: list[Path], tmp_path: Path) -> None:
    cut = tmp_path / "ring_00009.pcapng"
    cut.write_bytes(pieces[-1].read_bytes()[:-10])
    watch = watch_of(tmp_path)
    assert watch.look([*pieces[:-1], cut]).analysis.damage
    assert watch.sessions > 5
