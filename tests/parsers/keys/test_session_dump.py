import pytest

from parsers.errors import UsageError
from parsers.keys.session_dump import DumpField, Label, collect
from parsers.keys.store import DirectionKeys, SessionKey

ID = bytes.fromhex("690000ac1c280000")
NUMBER = 0x281CAC000069
KEY, IN, OUT = b"k" * 16, b"i" * 32, b"o" * 32


def fields(*pairs: tuple[Label, bytes]) -> list[DumpField]:
    return [DumpField(line, label, value) for line, (label, value) in enumerate(pairs, 1)]


def test_the_fields_after_an_id_belong_to_it():
    store = collect(
        fields(
            (Label.SESSION_ID, ID),
            (Label.SESSION_KEY, KEY),
            (Label.SERVER_IN_KEY, IN),
            (Label.SERVER_OUT_KEY, OUT),
            (Label.SESSION_ID, b"\x01" + bytes(7)),
            (Label.SERVER_OUT_KEY, KEY),
        ),
        "log",
    )
    assert list(store) == [
        SessionKey(NUMBER, KEY, "log line 2"),
        DirectionKeys(NUMBER, IN, OUT, "log line 3"),
        DirectionKeys(1, None, KEY, "log line 6"),
    ]


def test_empty_fields_are_missing():
    assert (
        list(collect(fields((Label.SESSION_ID, ID), (Label.SESSION_KEY, b""), (Label.SERVER_IN_KEY, b"")), "l")) == []
    )


def test_the_same_session_may_stand_twice():
    pair = [(Label.SESSION_ID, ID), (Label.SESSION_KEY, KEY)]
    assert [key.provenance for key in collect(fields(*pair, *pair), "l").session_keys_for(NUMBER)] == [
        "l line 2",
        "l line 4",
    ]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(Label.SESSION_KEY, KEY)], "log line 1: a key without the Session Id that belongs before it"),
        ([(Label.SESSION_ID, ID[:7])], "log line 1: a Session Id has 8 bytes, this one 7"),
        ([(Label.SESSION_ID, b"")], "log line 1: a Session Id has 8 bytes, this one 0"),
        (
            [(Label.SESSION_ID, ID), (Label.SESSION_KEY, KEY[:8])],
            "log line 2: key of session 0x0000281cac000069 has 8 bytes; it must have 16 or 32",
        ),
        (
            [(Label.SESSION_ID, ID), (Label.SESSION_KEY, KEY), (Label.SERVER_IN_KEY, IN), (Label.SERVER_OUT_KEY, KEY)],
            "log line 3: the two direction keys of session 0x0000281cac000069 have different sizes",
        ),
        (
            [(Label.SESSION_ID, bytes(8)), (Label.SERVER_OUT_KEY, KEY)],
            "log line 2: 0x0 is no session id: it must be positive and below 0xffffffffffffffff",
        ),
    ],
)
def test_every_mistake_names_its_line(pairs, message):
    with pytest.raises(UsageError) as raised:
        collect(fields(*pairs), "log")
    assert str(raised.value) == message


def test_a_field_does_not_show_its_value():
    assert repr(DumpField(3, Label.SESSION_KEY, KEY)) == "DumpField(3, SESSION_KEY)"
