"""The window of MessageIds against the plain set that it stands for (MS-SMB2 3.3.1.1)."""

from hypothesis import given
from hypothesis import strategies as st

from refserver.server.sequence_window import SequenceWindow

STEPS = st.lists(st.one_of(st.tuples(st.integers(0, 40), st.integers(1, 4)), st.integers(1, 6)), max_size=60)


@given(STEPS)
def test_it_does_what_a_set_would(steps: list[tuple[int, int] | int]) -> None:
    window, model, following = SequenceWindow(3), {3}, 4
    for step in steps:
        if isinstance(step, int):
            window.grant(step)
            model |= set(range(following, following + step))
            following += step
        else:
            ids = set(range(step[0], step[0] + step[1]))
            assert window.take(*step) is (ids <= model)
            model -= ids if ids <= model else set()
        assert len(window) == len(model)
        assert window.next == following
        assert window.lowest == min(model, default=following)


def test_ids_in_their_order_take_no_room() -> None:
    window = SequenceWindow()
    for message_id in range(10_000):
        assert window.take(message_id, 1)
        window.grant(1)
    assert not window._used  # what the test is about


def test_ids_far_beyond_are_not_there() -> None:
    window = SequenceWindow()
    assert not window.take((1 << 64) - 1, 1)
    assert not window.take(0, 1 << 16)
    assert window.take(0, 1)
