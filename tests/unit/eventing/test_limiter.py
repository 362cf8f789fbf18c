"""A Function is found out about gently, never overrun for long, never starved, and trusted again when it recovers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.eventing.delivery import attempt, limiter
from mayfly.eventing.delivery.limiter import Signal
from mayfly.events import retry
from tests.unit.eventing.make import make_target

BOUNDS = limiter.Bounds(most=1000, instance=50, idle_seconds=30.0)

WARM = limiter.Pace(window=64.0, used=1000.0)


class Function:
    """A Function to which rounds of deliveries are made, each as wide as the pace allows."""

    def __init__(self, bounds=BOUNDS, pace=limiter.COLD, now=1000.0):
        self.bounds = bounds
        self.pace = pace
        self.now = now

    @property
    def width(self):
        return limiter.make_width(self.pace, self.bounds, now=self.now, under_way=0)

    def round(self, signal=Signal.SUCCESS, *, width=None, seconds=1.0):
        """Begin so many deliveries together, and end them one after the other."""
        started, width = self.now, width or self.width
        for under_way in range(width):
            self.pace = limiter.begin(self.pace, self.bounds, now=started, under_way=under_way)
        self.now += seconds
        for _ in range(width):
            self.pace = limiter.learn(self.pace, self.bounds, signal, started=started, now=self.now)
        return width


@pytest.mark.parametrize(
    ("bounds", "wanted"),
    [
        (BOUNDS, [1, 2, 4, 8, 16, 32, 51, 56, 60, 65]),
        (limiter.Bounds(most=400, instance=1, idle_seconds=30.0), [1, 2, 2, 3, 4, 5, 6, 7, 7, 8]),
        (limiter.Bounds(most=5, instance=5, idle_seconds=30.0), [1, 2, 4, 5, 5, 5, 5, 5, 5, 5]),
    ],
    ids=["fifty at a time", "one at a time", "five in all"],
)
def test_a_cold_function_gets_one_and_then_twice_as_many(bounds, wanted):
    """Up to what one instance takes; then further instances have to start, and it grows by steps."""
    one = Function(bounds)
    assert [one.round() for _ in wanted] == wanted


def test_one_round_halves_once():
    """However many of those that were under way together were refused."""
    one = Function(pace=WARM)
    one.round(Signal.OVERLOAD)
    assert one.width == 32
    one.round(Signal.OVERLOAD)
    assert one.width == 16


def test_what_was_under_way_when_it_was_halved_does_not_undo_it():
    one = Function(pace=WARM)
    one.pace = limiter.begin(one.pace, BOUNDS, now=one.now, under_way=63)
    one.pace = limiter.learn(one.pace, BOUNDS, Signal.OVERLOAD, started=one.now, now=one.now + 1)
    for _ in range(63):
        one.pace = limiter.learn(one.pace, BOUNDS, Signal.SUCCESS, started=one.now, now=one.now + 2)
    assert one.width == 32


def test_after_an_outage_it_comes_back_fast():
    """Half of what worked last is reached as a cold function reaches it, however long the outage was."""
    one = Function(limiter.Bounds(most=1000, instance=500, idle_seconds=30.0), WARM)
    for _ in range(20):
        one.round(Signal.OVERLOAD)
    assert [one.round() for _ in range(7)] == [1, 2, 4, 8, 16, 32, 35]


def test_beyond_what_was_too_much_it_grows_slowly():
    one = Function(limiter.Bounds(most=1000, instance=100, idle_seconds=30.0), WARM)
    one.round(Signal.OVERLOAD)
    assert [one.round() for _ in range(3)] == [32, 35, 38]


def test_a_window_that_is_not_used_does_not_grow():
    """Ten events a second say nothing about a thousand."""
    one = Function(pace=limiter.Pace(window=20.0, used=1000.0))
    for _ in range(100):
        one.round(width=3)
    assert one.width == 20


@pytest.mark.parametrize("idle", [30.0, math.inf], ids=["cold", "kept warm"])
def test_who_was_idle_for_longer_than_instances_live_is_cold(idle):
    one = Function(limiter.Bounds(most=1000, instance=50, idle_seconds=idle), limiter.Pace(window=40.0, used=1000.0))
    one.now += 30
    assert one.width == 40
    one.now += 0.001
    assert one.width == (1 if idle < math.inf else 40)
    one.round(width=1)
    assert one.width == (2 if idle < math.inf else 40)


def test_who_has_something_under_way_is_not_idle():
    pace = limiter.Pace(window=40.0, used=1000.0)
    assert limiter.make_width(pace, BOUNDS, now=5000.0, under_way=1) == 40


@pytest.mark.parametrize(
    ("changes", "bounds"),
    [
        ({}, limiter.Bounds(512, 50, 30.0)),
        ({"instance_concurrency": 10}, limiter.Bounds(200, 10, 30.0)),
        ({"instance_concurrency": 1, "max_instances": 1}, limiter.Bounds(1, 1, 30.0)),
        ({"instance_concurrency": 0}, limiter.Bounds(512, 512, 30.0)),
        ({"max_instances": 0, "instance_concurrency": 5}, limiter.Bounds(512, 5, 30.0)),
        ({"min_instances": 1, "idle_seconds": 60.0}, limiter.Bounds(512, 50, math.inf)),
        ({"idle_seconds": 60.0}, limiter.Bounds(512, 50, 60.0)),
    ],
)
def test_bounds_come_from_the_function(changes, bounds):
    assert limiter.make_bounds(make_target(**changes), 512) == bounds


@pytest.mark.parametrize(
    ("came", "signal"),
    [
        *((attempt.Answer(status), Signal.SUCCESS) for status in (200, 204, 302, 400, 404, 422)),
        *((attempt.Answer(status), Signal.OVERLOAD) for status in (429, 503, 504)),
        *((attempt.Answer(status), Signal.NOTHING) for status in (500, 501, 502, 599)),
        *((attempt.Failure(kind), Signal.OVERLOAD) for kind in (retry.Failure.UNREACHABLE, retry.Failure.TIMEOUT)),
        *((attempt.Failure(kind), Signal.NOTHING) for kind in (retry.Failure.RESET, retry.Failure.UNREADABLE)),
    ],
)
def test_what_an_answer_tells_of_the_load(came, signal):
    """A function that says no keeps up; one that fails may have any reason."""
    assert limiter.read_signal(came) is signal


ALL_BOUNDS = st.builds(
    lambda most, part, idle: limiter.Bounds(most, max(1, round(most * part)), idle),
    st.integers(1, 5000),
    st.floats(0, 1),
    st.sampled_from([6.0, 30.0, math.inf]),
)
HISTORY = st.lists(st.tuples(st.sampled_from(Signal), st.integers(0, 40), st.floats(0.001, 100.0)), max_size=40)


def live(bounds, history):
    one = Function(bounds)
    for signal, width, seconds in history:
        one.round(signal, width=min(width, one.width) or None, seconds=seconds)
        yield one


@settings(deadline=None)
@given(ALL_BOUNDS, HISTORY)
def test_the_width_is_always_within_its_bounds(bounds, history):
    """Never nothing, never more than all instances take."""
    for one in live(bounds, history):
        assert 1 <= one.width <= bounds.most
        assert 1.0 <= one.pace.window <= bounds.most


@settings(deadline=None)
@given(ALL_BOUNDS, HISTORY)
def test_it_halves_at_most_once_a_round_and_never_more_than_doubles(bounds, history):
    one, before = Function(bounds), 1
    for signal, width, seconds in history:
        before = one.width
        one.round(signal, width=min(width, before) or None, seconds=seconds)
        kept = limiter.make_width(one.pace, bounds, now=one.now, under_way=1)
        assert before // 2 <= kept <= before * 2


@settings(deadline=None)
@given(st.builds(limiter.Bounds, st.integers(1, 40), st.integers(1, 40), st.just(math.inf)), HISTORY)
def test_it_recovers(bounds, history):
    """Whatever happened, a function that keeps up gets as much as it takes."""
    one = Function(bounds)
    for signal, width, seconds in history:
        one.round(signal, width=min(width, one.width) or None, seconds=seconds)
    for _ in range(bounds.most + 10):
        one.round()
    assert one.width == bounds.most
