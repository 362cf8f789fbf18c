"""A process that is late with its own work has less of it at a time, and more again when it is not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.eventing.delivery import strain

LATE, PROMPT = strain.LATE_SECONDS * 1.01, strain.PROMPT_SECONDS * 0.99


def adapt(late, times, width=strain.START, most=512):
    for _ in range(times):
        width = strain.adapt(width, most=most, late=late)
    return width


def test_it_shrinks_within_a_second_and_grows_within_six():
    assert adapt(LATE, 10, width=384) == strain.FLOOR
    assert adapt(PROMPT, 60, width=strain.FLOOR) > 384


def test_between_late_and_prompt_it_stays():
    assert adapt((LATE + PROMPT) / 2, 100) == strain.START


@settings(deadline=None)
@given(st.integers(1, 5000), st.lists(st.floats(0, 1), max_size=60))
def test_it_has_bounds(most, history):
    """Never so little that nothing goes on, never more than there are connections for long."""
    width = strain.START
    for late in history:
        width = strain.adapt(width, most=most, late=late)
        assert width >= min(strain.FLOOR, most)
    assert adapt(0.0, 200, width, most) == most
