"""How long each phase of a cold start took."""

from __future__ import annotations

import os
import time

_taken: dict[str, float] = {}


def note(name: str) -> None:
    """Record as ``name`` the milliseconds of this process's life that no earlier phase has taken."""
    _taken[name] = round(age_ms() - sum(_taken.values()), 1)


def read() -> dict[str, float]:
    """Return the phases so far in milliseconds, and their sum as ``total_ms``."""
    return _taken | {"total_ms": round(sum(_taken.values()), 1)}


def age_ms() -> float:
    """Return the age of this process in milliseconds, 0 where the kernel does not tell.

    The kernel tells its start to 10 ms (proc(5), starttime).
    """
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")) * 1000
