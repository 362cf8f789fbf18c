"""Which keys wait, run, or come back later: the state of a work queue.

Pure: time is passed in.
"""

from __future__ import annotations

import collections
import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Pending(Generic[K]):
    """Hold each key at most once among the waiting, at most once among the running, at most once for later.

    A key added while it runs waits again the moment it is done, and not before: no key runs twice at a time.
    """

    def __init__(self) -> None:
        self._waiting: collections.OrderedDict[K, None] = collections.OrderedDict()
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._failures: dict[K, int] = {}

    @property
    def waiting(self) -> int:
        """Return how many keys could run now."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Return how many keys run."""
        return len(self._running)

    @property
    def later(self) -> int:
        """Return how many keys wait for their time."""
        return len(self._due)

    def add(self, key: K) -> bool:
        """Let ``key`` wait; say whether one more key can run than before."""
        if key in self._running:
            self._again.add(key)
            return False
        if key in self._waiting:
            return False
        self._waiting[key] = None
        return True

    def add_at(self, key: K, due: float) -> None:
        """Let ``key`` wait from ``due`` on; of two wishes for one key the earlier counts."""
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))

    def next_due(self) -> float | None:
        """Return when the next key's time comes; ``None`` when no key waits for its time."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier wish took its place
        return self._heap[0][0] if self._heap else None

    def release(self, now: float) -> int:
        """Add every key whose time has come; return how many more can run than before."""
        released = 0
        while (due := self.next_due()) is not None and due <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._due[key]
            released += self.add(key)
        return released

    def take(self) -> K:
        """Move the key that waited longest to the running and return it.

        Raises:
            KeyError: nothing waits.
        """
        key, _ = self._waiting.popitem(last=False)
        self._running.add(key)
        return key

    def done(self, key: K) -> bool:
        """End the run of ``key``; say whether it waits again because it was added meanwhile."""
        self._running.discard(key)
        if key not in self._again:
            return False
        self._again.discard(key)
        return self.add(key)

    def fail(self, key: K) -> int:
        """Count one more failure of ``key`` and return how many there were before."""
        before = self._failures.get(key, 0)
        self._failures[key] = before + 1
        return before

    def forget(self, key: K) -> None:
        """Forgive the failures of ``key``."""
        self._failures.pop(key, None)
