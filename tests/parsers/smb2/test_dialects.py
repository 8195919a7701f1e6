from parsers.smb2.dialects import Dialect


def test_dialects_have_the_names_people_use():
    assert [dialect.display for dialect in Dialect] == ["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1", "2.???"]


def test_an_unknown_dialect_shows_its_value():
    assert Dialect(0x0400).display == "0x400"
