"""Answers that are asked for once at a time and believed for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by key. Whoever wants one that is being asked for waits for that answer; failures are not remembered."""

    def __init__(self, *, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Believe an answer for ``seconds`` from when it was asked for; of more than ``most`` the oldest is let go."""
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._known: dict[K, tuple[float, V]] = {}
        self._asked: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """Return what is known for ``key``, else what ``ask`` returns; raises what it raises."""
        known = self._known.get(key)
        if known is not None and self._clock() < known[0]:
            return known[1]
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(self._ask(key, ask))
            task.add_done_callback(_look_at)
        # A caller that gives up must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        until = self._clock() + self._seconds
        try:
            value = await ask()
        finally:
            del self._asked[key]
        self._known.pop(key, None)
        while len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[key] = until, value
        return value


def _look_at(task: asyncio.Task[V]) -> None:
    """Take note of a failure that every caller stopped waiting for."""
    if not task.cancelled():
        task.exception()
