from parsers.smb2.access import AccessMask


def test_directories_have_other_names_for_the_same_bits():
    assert AccessMask.FILE_TRAVERSE is AccessMask.FILE_EXECUTE
    assert AccessMask.FILE_LIST_DIRECTORY is AccessMask.FILE_READ_DATA


def test_full_control_of_a_file_is_all_its_specific_and_standard_rights():
    specific = sum(bit for bit in AccessMask if bit < 0x200)
    assert specific | 0x001F0000 == 0x001F01FF  # FILE_ALL_ACCESS, winnt.h


def test_an_unknown_bit_survives():
    assert AccessMask(0x00800001) & ~AccessMask.FILE_READ_DATA == 0x00800000
