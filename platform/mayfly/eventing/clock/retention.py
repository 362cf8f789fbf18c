"""Clear away what is settled and was kept long enough, in small steps, so that nobody has to wait for it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from mayfly import errors
from mayfly.cluster import lease
from mayfly.eventing import known, target
from mayfly.model import duration, trigger
from mayfly.store import interface, records

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
"""Pause between two sweeps."""
STEP = 200
"""Invocations that one transaction deletes: some ten milliseconds of the writer."""
SHARE = 0.2
"""Part of the time that a sweep is at work; the rest is everybody else's."""
SHORTEST_SECONDS = 60.0
"""Nothing is cleared away sooner, whatever the setting says: a new leader makes the last ticks again (``leading``), and
they come twice unless the store knows them still."""
JUMP_SECONDS = 60.0
"""A clock that went by so much more or less than time did has been set."""
SETTLE_SECONDS = 3600.0
"""How long a clock that was set must run before anything is judged by it: time for people to see that it is wrong."""
DEAD_LETTER_SECONDS = duration.parse_duration(trigger.DeadLetter().retention)
"""How long the dead letters of a Function are kept that is gone."""
_ENDED = frozenset({records.State.DELIVERED, records.State.CANCELLED})
_DEAD = frozenset({records.State.DEAD})


@dataclasses.dataclass(frozen=True, slots=True)
class Purge:
    """What one series of steps deletes: what is in ``states`` and was settled ``before``, of one queue or of all."""

    states: frozenset[records.State]
    before: float
    queue: records.Queue | None = None


class Retention:
    """Delivered and cancelled invocations go after ``result_seconds``, dead ones when their Function says so.

    ``clock`` gives POSIX seconds. One process does this, the leader.
    """

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        result_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._known = known
        self._result_seconds = result_seconds
        self._clock = clock

    async def run(self) -> None:
        """Sweep now and then until cancelled, but not by a clock that was just set."""
        watch = ClockWatch(self._clock)
        while True:
            if watch.is_steady():
                try:
                    await self.sweep()
                except errors.StoreError as error:
                    log.info("nothing is cleared away, again in %.0f s: %s", SWEEP_SECONDS, error)
            await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  (spreads load)

    async def sweep(self) -> int:
        """Delete all that is kept too long and return how many invocations that were."""
        counts = await self._store.counts()
        purged = 0
        for purge in plan_purges(self._known, counts, now=self._clock(), result_seconds=self._result_seconds):
            purged += await self._carry_out(purge)
        if purged:
            log.info("%d settled invocations were cleared away", purged)
        return purged

    async def _carry_out(self, purge: Purge) -> int:
        namespace, function = purge.queue or (None, None)
        purged, number = 0, STEP
        while number == STEP:
            began = time.monotonic()
            number = await self._store.purge(
                settled_before=purge.before, states=purge.states, namespace=namespace, function=function, limit=STEP
            )
            purged += number
            await asyncio.sleep((time.monotonic() - began) * (1 / SHARE - 1))
        return purged


class ClockWatch:
    """Tell whether the clock goes as time does."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float] = lease.now) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = clock() - monotonic()
        self._set_at: float | None = None

    def is_steady(self) -> bool:
        """Say whether the clock was not set lately; ask often, what lies between two questions counts as one change."""
        now = self._monotonic()
        offset = self._clock() - now
        if abs(offset - self._offset) > JUMP_SECONDS:
            self._set_at = now
            log.warning(
                "the clock was set by %+.0f s: nothing is cleared away for %.0f s, so that what is to be kept is there"
                " when that was a mistake",
                offset - self._offset,
                SETTLE_SECONDS,
            )
        self._offset = offset
        return self._set_at is None or now - self._set_at >= SETTLE_SECONDS


def plan_purges(
    targets: Iterable[target.Target],
    counts: Mapping[records.Queue, records.Count],
    *,
    now: float,
    result_seconds: float,
) -> Iterator[Purge]:
    """Yield what is to be deleted at ``now``. Pure.

    Dead letters go by the longest retention of all first, which the store finds at once, and then by that of each
    Function which has some and keeps them shorter.
    """
    yield Purge(_ENDED, now - max(result_seconds, SHORTEST_SECONDS))
    kept = {each.queue: each.dead_letter_seconds for each in targets}
    longest = max([DEAD_LETTER_SECONDS, *kept.values()])
    yield Purge(_DEAD, now - longest)
    for queue, count in counts.items():
        seconds = kept.get(queue, DEAD_LETTER_SECONDS)
        if count.dead and seconds < longest:
            yield Purge(_DEAD, now - seconds, queue)
