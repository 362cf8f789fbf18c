"""How much this process has under way for one namespace: less while its own event loop is late. Pure.

What more deliveries gain when the loop is busy all the time is that each takes longer, and that everybody else's wait
for their turn in it: with hundreds of a flood under way another tenant's event waited ten times as long as with thirty,
and the flood was over no sooner. While functions take their time, and the loop has none of the work, nothing is late.
"""

from __future__ import annotations

FLOOR = 24
"""Deliveries that a namespace may have however late the loop is: the machine may be busy with something else."""
START = 64
LATE_SECONDS = 0.02
PROMPT_SECONDS = 0.01
SHRINK = 0.75
GROWTH = 1 / 16
"""Looked at ten times a second, it comes from the floor to 400 in six seconds, and back in one."""


def adapt(width: int, *, most: int, late: float) -> int:
    """Return how many deliveries a namespace may have after its loop was ``late`` by so many seconds at worst."""
    if late > LATE_SECONDS:
        return max(min(FLOOR, most), int(width * SHRINK))
    if late < PROMPT_SECONDS:
        return min(most, width + max(1, int(width * GROWTH)))
    return width
