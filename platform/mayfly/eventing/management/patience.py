"""Wait for the end of an invocation, for callers who would rather wait than ask again."""

from __future__ import annotations

import asyncio

from mayfly.store import interface, records

MOST = 256
"""Callers who wait at a time; one more is answered at once, for to wait is a preference, not a right."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 0.25
GROWTH = 1.25


class Patience:
    """Look at the store now and then: the end may be written by another replica, which nobody tells of."""

    def __init__(self, store: interface.Store, *, most: int = MOST) -> None:
        self._store = store
        self._free = most

    async def find(self, *, namespace: str, invocation_id: str, seconds: float) -> records.Invocation | None:
        """Return an invocation as soon as it is settled, after ``seconds`` as it stands; ``None``: there is none."""
        found = await self._store.get(namespace=namespace, invocation_id=invocation_id)
        if seconds <= 0 or found is None or found.state in records.SETTLED or self._free == 0:
            return found
        self._free -= 1
        try:
            return await self._watch(found, seconds)
        finally:
            self._free += 1

    async def _watch(self, found: records.Invocation, seconds: float) -> records.Invocation | None:
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        pause = FIRST_PAUSE_SECONDS
        last: records.Invocation | None = found
        while last is not None and last.state not in records.SETTLED and (left := end - clock()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
            last = await self._store.get(namespace=found.namespace, invocation_id=found.id)
        return last
