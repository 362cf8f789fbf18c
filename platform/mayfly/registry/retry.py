"""Try again what may succeed a moment later: few times and briefly, for the caller's queue has more patience."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from mayfly import errors
from mayfly.registry import answer

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """``attempts`` in all; pauses double from ``first_seconds`` to ``longest_seconds``, half of each random.

    A ``Retry-After`` up to ``patience_seconds`` is obeyed; when the registry asks for more, the error is raised at
    once, so that no worker waits for it.
    """

    attempts: int = 4
    first_seconds: float = 0.1
    longest_seconds: float = 2.0
    patience_seconds: float = 10.0

    def find_pause(self, failures: int, problem: errors.RegistryError) -> float | None:
        """Return the seconds to wait after the given number of failures, ``None`` to give up."""
        if not problem.temporary or failures >= self.attempts:
            return None
        if isinstance(problem, answer.Refusal) and (wanted := problem.retry_after_seconds) is not None:
            return None if wanted > self.patience_seconds else wanted
        longest = min(self.longest_seconds, self.first_seconds * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  (spreads load, protects nothing)


async def pause_or_raise(pace: Pace, failures: int, problem: errors.RegistryError) -> None:
    """Wait before the next attempt, or raise ``problem`` with the number of attempts in its text."""
    pause = pace.find_pause(failures, problem)
    if pause is None:
        if failures > 1:
            problem.args = (f"{problem} (attempts: {failures})",)
        raise problem
    log.info("registry call will be tried again", extra={"pause_seconds": round(pause, 3), "problem": str(problem)})
    await asyncio.sleep(pause)


async def retry(pace: Pace, work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of ``work``, called until it succeeds or ``pace`` gives up.

    Raises:
        errors.RegistryError: the last attempt's error.
    """
    failures = 0
    while True:
        try:
            return await work()
        except errors.RegistryError as problem:
            failures += 1
            await pause_or_raise(pace, failures, problem)
