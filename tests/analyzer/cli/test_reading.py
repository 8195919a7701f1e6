"""What commands do before their own work."""

from argparse import Namespace
from pathlib import Path

import pytest

from analyzer import Analysis, analyze
from analyzer.cli.reading import (
    check_output,
    is_unclean,
    read_any,
    read_known,
    refuse_overwriting,
    refuse_same_file,
)
from analyzer.tables.rows import MemoryRows
from parsers.errors import UsageError
from parsers.smb2.exchanges import EXCHANGE
from tests.analyzer.conftest import PASSWORDS


def options(*captures: Path, password: tuple[str, ...] = ()) -> Namespace:
    """What a command line leaves."""
    return Namespace(captures=[str(path) for path in captures], keys=[], keytab=[], password=password, nt_hash=[])


def test_only_what_has_a_store_is_kept(sample: Path) -> None:
    assert read_any(options(sample)).exchanges.empty
    analysis = read_any(options(sample), stores={"exchanges": MemoryRows(EXCHANGE)})
    assert len(analysis.exchanges) > 0
    assert analysis.messages.empty


def test_a_password_of_nobody_is_a_mistake_where_it_matters(sample: Path) -> None:
    assert len(read_any(options(sample, password=("carol:x",))).notes) == 1
    with pytest.raises(UsageError, match="carol"):
        read_known(options(sample, password=("carol:x",)))


def test_a_folder_that_is_not_there_is_found_before_reading(tmp_path: Path) -> None:
    check_output(str(tmp_path / "out"), binary=True)
    check_output("-", binary=False)
    with pytest.raises(UsageError, match="its folder does not exist"):
        check_output(str(tmp_path / "none" / "out"), binary=False)


def test_a_capture_is_never_overwritten(sample: Path, tmp_path: Path) -> None:
    analysis = analyze(sample)
    link = tmp_path / "link.pcapng"
    link.symlink_to(sample)
    with pytest.raises(UsageError, match="one of the captures"):
        refuse_overwriting(analysis, str(link))
    refuse_overwriting(analysis, str(tmp_path / "other"))
    with pytest.raises(UsageError, match="one of the keys"):
        refuse_same_file(str(sample), [str(sample)], "keys")


def test_damage_and_undecoded_bytes_are_unclean(sample: Path, mixed: Analysis, tmp_path: Path) -> None:
    assert not is_unclean(mixed)
    assert is_unclean(analyze(sample))  # closed without its keys
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(sample.read_bytes()[:-10])
    assert is_unclean(analyze(cut, passwords=PASSWORDS))
