"""File identifiers as text."""

from parsers.smb2.file_id import FILE_ID_RELATED, FileId


def test_a_file_id_is_written_as_its_two_halves() -> None:
    assert str(FileId(0x1A2B, 3)) == "0000000000001a2b:0000000000000003"


def test_the_file_of_the_request_before_is_all_ones() -> None:
    assert str(FILE_ID_RELATED) == "ffffffffffffffff:ffffffffffffffff"
