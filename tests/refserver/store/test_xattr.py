import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from refserver.store.xattr import DosInformation, read_dos_information, write_dos_information

times = st.integers(-(1 << 63), (1 << 63) - 1).map(lambda ticks: 100 * ticks)
eas = st.dictionaries(st.binary(max_size=255), st.binary(max_size=300), max_size=3)


@given(st.builds(DosInformation, st.integers(0, 0xFFFF_FFFF), times, times, eas, st.binary(max_size=300)))
def test_information_survives(information: DosInformation) -> None:
    assert DosInformation.parse(information.build()) == information


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        information = DosInformation.parse(data)
    except ParseError:
        return
    assert len(information.build()) <= len(data)


def test_a_file_keeps_it(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    try:
        assert read_dos_information(fd) is None
        information = DosInformation(0x22, -500, 100 << 60, {b"A": b"b"}, b"security")
        if not write_dos_information(fd, information):
            pytest.skip("this file system keeps no extended attributes")
        assert read_dos_information(fd) == information
        os.setxattr(fd, "user.sessionscope", b"of somebody else")
        assert read_dos_information(fd) is None
    finally:
        os.close(fd)
