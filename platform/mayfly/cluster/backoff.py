"""How long to wait before the next try.

Pure but for the random source that is passed in.
"""

from __future__ import annotations

import random


def delay(*, attempt: int, base: float, cap: float, jitter: random.Random | None = None) -> float:
    """Return the seconds to wait before try ``attempt + 1``: ``base * 2**attempt``, at most ``cap``, spread downwards.

    ``attempt`` counts failures so far, from 0. With ``jitter`` the result lies evenly between half of that and
    all of it ("equal jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), so that
    many waiters do not come back at once and none comes back at once.
    """
    whole = cap if attempt > 62 else min(cap, base * float(2**attempt))  # noqa: PLR2004  (beyond any cap)
    return whole if jitter is None else whole / 2 + jitter.uniform(0, whole / 2)
