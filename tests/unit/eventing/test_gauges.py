"""Figures of functions: bounded, and nothing lost in the sum."""

from __future__ import annotations

import pytest

from mayfly.eventing import gauges
from mayfly.store import records

COUNTS = {
    ("shop", "idle"): records.Count(accepted=9, delivered=5, purged=4),
    ("shop", "busy"): records.Count(accepted=3, waiting=2, leased=1),
    ("shop", "dead"): records.Count(accepted=7, dead=7),
    ("shop", "gone"): records.Count(accepted=4, purged=4),
}


def read(family):
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_every_state_of_every_function():
    """What is none is left out."""
    assert read(gauges.make_invocations(COUNTS)) == {
        ("shop", "idle", "delivered"): 5,
        ("shop", "busy", "waiting"): 2,
        ("shop", "busy", "leased"): 1,
        ("shop", "dead", "dead"): 7,
    }


@pytest.mark.parametrize(
    ("limit", "names"), [(3, {"busy", "dead", "idle"}), (2, {"busy", "dead", ""}), (1, {"busy", ""}), (0, {""})]
)
def test_what_is_beyond_the_bound_is_summed(limit, names):
    """Those with most to do keep their names; no invocation disappears."""
    kept = gauges.bound(COUNTS, limit=limit)
    assert {name for _, name in kept} == names
    for state in records.State:
        wanted = sum(getattr(count, state.value) for count in COUNTS.values())
        assert sum(getattr(count, state.value) for count in kept.values()) == wanted


def test_lags():
    """Overdue by how much, the latest first; what is not due yet has no lag."""
    found = read(gauges.make_lags({("a", "x"): 90.0, ("a", "y"): 105.0, ("b", "z"): 80.0}, now=100.0, limit=2))
    assert found == {("b", "z"): 20.0, ("a", "x"): 10.0}
    assert read(gauges.make_lags({("a", "y"): 105.0}, now=100.0)) == {("a", "y"): 0.0}
