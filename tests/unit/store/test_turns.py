"""Fair turns between namespaces and functions."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly.store import turns

QUEUES = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), st.integers(0, 12), max_size=9)


@pytest.mark.parametrize(
    ("free", "limit", "dealt"),
    [
        ({}, 5, {}),
        ({("a", "x"): 3}, 5, {("a", "x"): 3}),
        ({("a", "x"): 0, ("b", "x"): 9}, 2, {("b", "x"): 2}),
        ({("a", "x"): 9, ("b", "x"): 9}, 4, {("a", "x"): 2, ("b", "x"): 2}),
        ({("a", "x"): 1, ("b", "x"): 9}, 4, {("a", "x"): 1, ("b", "x"): 3}),
        ({("a", "x"): 9, ("a", "y"): 9, ("b", "x"): 9}, 4, {("a", "x"): 1, ("a", "y"): 1, ("b", "x"): 2}),
    ],
    ids=["nobody", "alone", "no room", "equal", "what one leaves", "namespaces first"],
)
def test_shares(free, limit, dealt):
    """Equal shares for namespaces, then for functions; what one cannot take goes to the others."""
    assert turns.Turns().deal(free, limit) == dealt


@given(free=QUEUES, limit=st.integers(0, 40))
def test_everything_is_dealt_and_no_more(free, limit):
    """Neither the limit nor anybody's room is exceeded, and nothing is held back."""
    dealt = turns.Turns().deal(free, limit)
    assert sum(dealt.values()) == min(limit, sum(free.values()))
    assert all(number <= free[queue] for queue, number in dealt.items())


@given(rounds=st.lists(st.integers(1, 3), min_size=12, max_size=30))
def test_nobody_waits_longer_than_a_round(rounds):
    """Whatever the limits: two namespaces that always have work never differ by more than one turn."""
    rota, served = turns.Turns(), collections.Counter()
    for limit in rounds:
        for (namespace, _), number in rota.deal({("a", "x"): 99, ("b", "x"): 99, ("b", "y"): 99}, limit).items():
            served[namespace] += number
        assert abs(served["a"] - served["b"]) <= 1
