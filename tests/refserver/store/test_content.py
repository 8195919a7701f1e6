from hypothesis import given
from hypothesis import strategies as st

from refserver.store.content import PAGE, Content

near_pages = st.builds(lambda page, off: max(page * PAGE + off, 0), st.integers(0, 3), st.integers(-3, 3))
changes = st.one_of(
    st.tuples(st.just("write"), near_pages, st.binary(max_size=8)),
    st.tuples(st.just("truncate"), near_pages, st.just(b"")),
    st.tuples(st.just("punch"), near_pages, st.integers(0, 2 * PAGE).map(bytes)),
)


@given(st.lists(changes, max_size=12))
def test_content_is_an_array_of_bytes(steps: list[tuple[str, int, bytes]]) -> None:
    content, model = Content(), bytearray()
    for what, offset, data in steps:
        if what == "write":
            content.write(offset, data)
            if data:
                model.extend(bytes(max(offset - len(model), 0)))
                model[offset : offset + len(data)] = data
            else:
                model.extend(bytes(max(offset - len(model), 0)))
        elif what == "truncate":
            content.truncate(offset)
            model = model[:offset] + bytes(max(offset - len(model), 0))
        else:
            content.punch(offset, len(data))
            end = min(offset + len(data), len(model))
            model[offset:end] = bytes(max(end - offset, 0))
        assert content.size == len(model)
    assert content.read(0, 5 * PAGE) == bytes(model)
    holes = bytearray(model)
    for start, length in content.allocated(0, 5 * PAGE):
        assert 0 <= start < start + length <= len(model)
        holes[start : start + length] = bytes(length)
    assert not any(holes)


def test_a_hole_takes_no_room() -> None:
    content = Content()
    content.write(1 << 50, b"x")
    assert content.size == (1 << 50) + 1
    assert content.used == PAGE
    assert content.growth((1 << 50) - 1, 2) == PAGE
    content.truncate(1 << 50)
    assert content.used == 0
    assert content.read(1 << 49, 3) == b"\0\0\0"


def test_neighbouring_pages_are_one_range() -> None:
    content = Content()
    content.write(0, bytes(2 * PAGE))
    content.write(3 * PAGE, b"x")
    assert content.allocated(5, 1 << 40) == [(5, 2 * PAGE - 5), (3 * PAGE, 1)]
