"""What is under way in this process, and what each Function can take beside it. Pure but for its own memory.

A store is given ``Slots`` as its terms: those of a queue are worked out when it asks, so that a claim costs nothing
for queues in which nothing is due. It may ask from a thread of its own; an answer reads a few single values, so at
worst it is as old as a value that changes at that moment.

No namespace has more than a part of what is free (Choudhury and Hahne, "Dynamic queue length thresholds", 1998): a
tenant whose Functions hang takes three quarters of all slots, two take three sevenths each, and whoever comes next
finds some free.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

from mayfly.eventing import target
from mayfly.eventing.delivery import limiter, share, strain
from mayfly.events import lease
from mayfly.store import records

GREED = 3
"""So many times what is free a namespace may have."""
PORTION = 20
"""Deliveries that one claim brings at most: who comes meanwhile waits for it, and larger ones bring no more in all."""
BYTES = 96 * 1024 * 1024
"""Bodies under way altogether; who has as many as are left gets no further ones."""
OUTSIDE = 16
"""Deliveries to URLs that a Function may have under way beside its own: a callback's host is no herd's pasture."""
TURNED_AWAY_SECONDS = 1.0
"""So long nothing of a queue is claimed in which one more was found: what waits is not to be moved to and fro."""

STRANGE = records.Terms(PORTION, lease.make_lease(30.0))
"""The terms of a Function that is not known."""
NOTHING = dataclasses.replace(STRANGE, capacity=0)

K = TypeVar("K", bound=Hashable)


@dataclasses.dataclass(frozen=True, slots=True)
class _Facts:
    """What is worked out once for a Function, since a claim may ask after thousands that wait."""

    concurrency: int | None
    bounds: limiter.Bounds
    cold: records.Terms
    nothing: records.Terms


class Slots(Mapping[records.Queue, records.Terms]):
    """The deliveries under way, and the Functions that were heard of."""

    def __init__(self, *, connections: int, shares: share.Shares, clock: Callable[[], float]) -> None:
        """``connections`` is how many there may be; ``clock`` gives POSIX seconds."""
        self._facts: dict[records.Queue, _Facts] = {}
        self._connections = connections
        self._shares = shares
        self._clock = clock
        self.width = strain.START
        """Deliveries that one namespace may have, as far as this process goes."""
        self._total = 0
        self._bytes = 0
        self._namespaces: Counter[str] = Counter()
        self._bodies: Counter[str] = Counter()
        """By namespace, bytes."""
        self._outside: Counter[records.Queue] = Counter()
        self._closed: dict[records.Queue, float] = {}
        """Queues with too many deliveries to URLs, and until when nothing is claimed of them."""
        self.inside: Counter[records.Queue] = Counter()
        """By queue, those to the Function itself."""
        self._paces: dict[records.Queue, limiter.Pace] = {}

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[records.Queue]:
        return iter(tuple(self._facts))

    def __getitem__(self, queue: records.Queue) -> records.Terms:
        """Return what ``queue`` can take now; raises ``KeyError`` for a Function that is not known."""
        facts = self._facts.get(queue)
        if self._closed and self._clock() < self._closed.get(queue, 0.0):
            return NOTHING if facts is None else facts.nothing
        if facts is None:
            raise KeyError(queue)
        allowance = self._make_allowance(queue[0])
        if allowance <= 0:
            return facts.nothing
        if facts.concurrency is None and queue not in self._paces:
            return facts.cold
        room = min(allowance, self._make_width(queue, facts) - self.inside[queue])
        return facts.nothing if room <= 0 else records.Terms(room, facts.cold.lease_seconds)

    def hear(self, queue: records.Queue, to: target.Target | None) -> None:
        """Take note of a Function that came, changed or, ``None``, went."""
        if to is None:
            self._facts.pop(queue, None)
            return
        seconds = lease.make_lease(to.timeout_seconds)
        bounds = limiter.make_bounds(to, self._connections)
        self._facts[queue] = _Facts(to.concurrency, bounds, records.Terms(1, seconds), records.Terms(0, seconds))

    @property
    def default(self) -> records.Terms:
        """The terms of a Function that is not known: nothing is sent there, it ends as ``Gone``."""
        return STRANGE

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
        """How many are to be claimed at once: at most half of what is free, so that nobody finds himself with all.

        How large they are shows when they are there; until then each counts as large as it may be.
        """
        large = (BYTES - self._bytes) // records.DEFAULT_LIMITS.message_bytes
        return max(0, min(PORTION, (self.free + 1) // 2, (large + 1) // 2))

    def is_full(self, one: records.Invocation) -> bool:
        """Tell whether something of its queue may be waiting for the end of another delivery."""
        terms = self.get((one.namespace, one.function))
        return self.free <= 0 or terms is None or terms.capacity <= 0

    def turns_away(self, one: records.Invocation) -> bool:
        """Tell whether ``one`` goes to a URL as too many of its queue do; that is then left alone for a while."""
        queue = one.namespace, one.function
        if not one.target or self._outside[queue] < OUTSIDE:
            return False
        self._closed[queue] = self._clock() + TURNED_AWAY_SECONDS
        return True

    def take(self, held: records.Lease) -> float:
        """Count what is leased as under way, and return since when; ``give_back`` wants to know."""
        one, now = held.invocation, self._clock()
        queue = one.namespace, one.function
        self._total += 1
        self._bytes += len(held.message.body)
        self._namespaces[one.namespace] += 1
        self._bodies[one.namespace] += len(held.message.body)
        if one.target:
            self._outside[queue] += 1
            return now
        bounds = self._find_bounds(queue)
        if bounds is not None:
            pace = self._paces.get(queue, limiter.COLD)
            self._paces[queue] = limiter.begin(pace, bounds, now=now, under_way=self.inside[queue])
        self.inside[queue] += 1
        return now

    def give_back(self, held: records.Lease, signal: limiter.Signal, *, started: float) -> None:
        """Count what was leased as over, which ``started`` then."""
        one = held.invocation
        queue = one.namespace, one.function
        self._total -= 1
        self._bytes -= len(held.message.body)
        _lessen(self._namespaces, one.namespace)
        _lessen(self._bodies, one.namespace, len(held.message.body))
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
        self._closed = {queue: until for queue, until in self._closed.items() if now < until}
        for queue, pace in tuple(self._paces.items()):
            bounds = self._find_bounds(queue)
            idle = bounds is None or now - pace.used > bounds.idle_seconds
            if idle and not self.inside[queue]:
                del self._paces[queue]

    def _make_width(self, queue: records.Queue, facts: _Facts) -> int:
        """Return how many deliveries ``queue`` may have at a time."""
        if facts.concurrency is not None:
            return self._shares.make_width(queue, facts.concurrency)
        pace = self._paces.get(queue, limiter.COLD)
        return limiter.make_width(pace, facts.bounds, now=self._clock(), under_way=self.inside[queue])

    def _make_allowance(self, namespace: str) -> int:
        if self._bodies[namespace] >= BYTES - self._bytes:
            return 0
        return max(0, min(self.width, GREED * self.free) - self._namespaces[namespace])

    def _find_bounds(self, queue: records.Queue) -> limiter.Bounds | None:
        """Return the bounds of a Function whose pace is learned, ``None`` for any other."""
        facts = self._facts.get(queue)
        return None if facts is None or facts.concurrency is not None else facts.bounds


def _lessen(counter: Counter[K], key: K, number: int = 1) -> None:
    """Take ``number`` off; a count of nothing is not kept."""
    counter[key] -= number
    if not counter[key]:
        del counter[key]
