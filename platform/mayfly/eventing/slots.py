"""What is under way in this process, and what each Function can take beside it. Pure but for its own memory.

A store is given ``Slots`` as its terms: those of a queue are worked out when it asks, so that a claim costs nothing
for queues in which nothing is due. It may ask from a thread of its own; an answer reads a few single values, so at
worst it is as old as a value that changes at that moment.

No namespace has more than a part of what is free (Choudhury and Hahne, "Dynamic queue length thresholds", 1998): a
tenant whose Functions hang takes three quarters of all slots, two take three sevenths each, and whoever comes next
finds some free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

from mayfly.eventing import known, limiter, share, target
from mayfly.events import lease
from mayfly.store import records

GREED = 3
"""So many times what is free a namespace may have."""
PORTION = 64
"""Deliveries that one claim brings at most, so that it stays short."""
OUTSIDE = 16
"""Deliveries to URLs that a Function may have under way beside its own: a callback's host is no herd's pasture."""

K = TypeVar("K", bound=Hashable)


class Slots(Mapping[records.Queue, records.Terms]):
    """The deliveries under way."""

    def __init__(
        self, *, known: known.Known, connections: int, shares: share.Shares, clock: Callable[[], float]
    ) -> None:
        """``connections`` is how many there may be; ``clock`` gives POSIX seconds."""
        self._known = known
        self._connections = connections
        self._shares = shares
        self._clock = clock
        self._total = 0
        self._namespaces: Counter[str] = Counter()
        self._outside: Counter[records.Queue] = Counter()
        self.inside: Counter[records.Queue] = Counter()
        """By queue, those to the Function itself."""
        self._paces: dict[records.Queue, limiter.Pace] = {}
        self._default_seconds = lease.make_lease(30.0)

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[records.Queue]:
        return (one.queue for one in self._known)

    def __getitem__(self, queue: records.Queue) -> records.Terms:
        """Return what ``queue`` can take now; raises ``KeyError`` for a Function that is not known."""
        to = self._known.get(*queue)
        if to is None:
            raise KeyError(queue)
        room = self._make_width(to) - self.inside[queue]
        return records.Terms(max(0, min(room, self._make_allowance(queue[0]))), lease.make_lease(to.timeout_seconds))

    @property
    def default(self) -> records.Terms:
        """The terms of a Function that is not known: nothing is sent there, it ends as ``Gone``."""
        return records.Terms(PORTION, self._default_seconds)

    @property
    def total(self) -> int:
        """How many are under way."""
        return self._total

    @property
    def free(self) -> int:
        """How many more there may be."""
        return self._connections - self._total

    @property
    def portion(self) -> int:
        """How many are to be claimed at once: at most half of what is free, so that nobody finds himself with all."""
        return min(PORTION, (self.free + 1) // 2)

    def is_full(self, one: records.Invocation) -> bool:
        """Tell whether something of its queue may be waiting for the end of another delivery."""
        terms = self.get((one.namespace, one.function))
        return self.free <= 0 or terms is None or terms.capacity <= 0

    def has_room_outside(self, one: records.Invocation) -> bool:
        """Tell whether one more may go to a URL in the name of its Function."""
        return self._outside[one.namespace, one.function] < OUTSIDE

    def take(self, one: records.Invocation) -> float:
        """Count ``one`` as under way, and return since when; ``give_back`` wants to know."""
        now = self._clock()
        queue = one.namespace, one.function
        self._total += 1
        self._namespaces[one.namespace] += 1
        if one.target:
            self._outside[queue] += 1
            return now
        bounds = self._find_bounds(queue)
        if bounds is not None:
            pace = self._paces.get(queue, limiter.COLD)
            self._paces[queue] = limiter.begin(pace, bounds, now=now, under_way=self.inside[queue])
        self.inside[queue] += 1
        return now

    def give_back(self, one: records.Invocation, signal: limiter.Signal, *, started: float) -> None:
        """Count ``one`` as over, which ``started`` then."""
        queue = one.namespace, one.function
        self._total -= 1
        _lessen(self._namespaces, one.namespace)
        if one.target:
            _lessen(self._outside, queue)
            return
        bounds = self._find_bounds(queue)
        if bounds is not None:
            pace = self._paces.get(queue, limiter.COLD)
            self._paces[queue] = limiter.learn(pace, bounds, signal, started=started, now=self._clock())
        _lessen(self.inside, queue)

    def forget_idle(self) -> None:
        """Forget what was learned of Functions that have nothing under way and whose instances are gone."""
        now = self._clock()
        for queue, pace in tuple(self._paces.items()):
            bounds = self._find_bounds(queue)
            idle = bounds is None or now - pace.used > bounds.idle_seconds
            if idle and not self.inside[queue]:
                del self._paces[queue]

    def _make_width(self, to: target.Target) -> int:
        """Return how many deliveries ``to`` may have at a time."""
        if to.concurrency is not None:
            return self._shares.make_width(to.queue, to.concurrency)
        bounds = limiter.make_bounds(to, self._connections)
        pace = self._paces.get(to.queue, limiter.COLD)
        return limiter.make_width(pace, bounds, now=self._clock(), under_way=self.inside[to.queue])

    def _make_allowance(self, namespace: str) -> int:
        return max(0, GREED * self.free - self._namespaces[namespace])

    def _find_bounds(self, queue: records.Queue) -> limiter.Bounds | None:
        """Return the bounds of a Function whose pace is learned, ``None`` for any other."""
        to = self._known.get(*queue)
        return None if to is None or to.concurrency is not None else limiter.make_bounds(to, self._connections)


def _lessen(counter: Counter[K], key: K) -> None:
    """Take one off; a count of nothing is not kept."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
