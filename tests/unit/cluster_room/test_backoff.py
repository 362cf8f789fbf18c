"""How long to wait before the next try."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cluster import backoff

BASE, CAP = 0.5, 60.0


@given(attempt=st.integers(0, 10**9), seed=st.integers())
def test_bounded_and_never_at_once(attempt, seed):
    """However often something failed, the pause lies between half its length and the cap."""
    whole = backoff.delay(attempt=attempt, base=BASE, cap=CAP)
    spread = backoff.delay(attempt=attempt, base=BASE, cap=CAP, jitter=random.Random(seed))
    assert BASE <= whole <= CAP
    assert whole / 2 <= spread <= whole


def test_doubles_until_the_cap():
    """Each failure doubles the pause."""
    delays = [backoff.delay(attempt=attempt, base=BASE, cap=CAP) for attempt in range(9)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
