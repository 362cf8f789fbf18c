"""What is cleared away, and when a clock is not believed."""

from __future__ import annotations

import pytest

from mayfly.eventing import target
from mayfly.eventing.clock import retention
from mayfly.store import records

NOW = 1_790_000_000.0
DAY = 86400.0
ENDED = frozenset({records.State.DELIVERED, records.State.CANCELLED})
DEAD = frozenset({records.State.DEAD})


def make_target(name, days):
    return target.Target(namespace="shop", name=name, uid=name, dead_letter_seconds=days * DAY)


def plan(*targets, dead=(), result_seconds=DAY):
    counts = {("shop", name): records.Count(dead=1) for name in dead} | {("shop", "quiet"): records.Count(delivered=9)}
    return list(retention.plan_purges(targets, counts, now=NOW, result_seconds=result_seconds))


@pytest.mark.parametrize(
    ("targets", "dead", "wanted"),
    [
        ([], [], {None: 14}),
        ([], ["gone"], {None: 14}),
        ([("a", 14)], ["a", "gone"], {None: 14}),
        ([("a", 1)], ["a", "gone"], {None: 14, "a": 1}),
        ([("a", 1), ("b", 2)], ["b"], {None: 14, "b": 2}),
        ([("a", 300), ("b", 2)], ["a", "b", "gone"], {None: 300, "b": 2, "gone": 14}),
    ],
    ids=["nothing", "gone", "default", "shorter", "without dead letters", "longer"],
)
def test_dead_letters_go_by_their_function(targets, dead, wanted):
    """After its own time, after two weeks when it is gone; a Function without dead letters costs nothing."""
    purges = plan(*(make_target(*each) for each in targets), dead=dead)
    assert purges[0] == retention.Purge(ENDED, NOW - DAY)
    assert purges[1:] == [
        retention.Purge(DEAD, NOW - days * DAY, name and ("shop", name)) for name, days in wanted.items()
    ]


@pytest.mark.parametrize(("setting", "kept"), [(3600.0, 3600.0), (0.0, 60.0), (-5.0, 60.0)])
def test_nothing_goes_at_once(setting, kept):
    """A tick that was just delivered is known to the store when the next leader makes it again."""
    assert plan(result_seconds=setting)[0].before == NOW - kept


def test_a_clock_that_was_set_is_not_believed_for_a_while():
    """Neither one that went forward, by which everything would be old, nor the way back; time itself is no jump."""
    wall, real = [NOW], [0.0]
    watch = retention.ClockWatch(lambda: wall[0], lambda: real[0])

    def after(seconds, *, jump=0.0):
        wall[0] += seconds + jump
        real[0] += seconds
        return watch.is_steady()

    assert after(60)
    assert after(86400)
    assert after(60, jump=5)
    assert not after(60, jump=3600)
    assert not after(3000)
    assert not after(60, jump=-3600)
    assert not after(3599)
    assert after(1)
