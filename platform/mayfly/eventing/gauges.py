"""What the store knows better than this process: how much stands where, how late it is, whether the books balance."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Generic, TypeVar

from prometheus_client import core, registry

from mayfly import errors
from mayfly.eventing import known
from mayfly.store import interface, records

log = logging.getLogger(__name__)

FUNCTIONS = 5000
"""Functions that are told of by name: those with the most to do; the others are summed under an empty name."""
WAIT_SECONDS = 1.0
"""A scrape waits so long for the store; what comes later is in the next one."""
COUNT_SECONDS = 30.0
"""Counting every row is begun no oftener."""
SHARE = 0.1
"""Part of the time that any reading of the store may take up: one that is slow is made less often."""
OTHERS: records.Queue = ("", "")
_STATES = tuple(state.value for state in records.State)

T = TypeVar("T")


class Reading(Generic[T]):
    """Something that is read from the store when asked for, not too often; ``value`` is ``None`` when that failed."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._next_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.value: T | None = None

    def start(self) -> asyncio.Task[None] | None:
        """Return the task that reads, ``None`` when the value is young enough."""
        if self._task is not None and not self._task.done():
            return self._task
        if time.monotonic() < self._next_at:
            return None
        self._task = asyncio.create_task(self._run())
        return self._task

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        began = time.monotonic()
        try:
            self.value = await self._read()
        except errors.StoreError as error:
            self.value = None
            log.info("the store cannot be read for figures: %s", error)
        ended = time.monotonic()
        self._next_at = max(began + self._seconds, ended + (ended - began) * (1 / SHARE - 1))


class Gauges(registry.Collector):
    """Tell what was read last; ``refresh`` before each scrape. ``clock`` gives POSIX seconds."""

    def __init__(self, *, store: interface.Store, known: known.Known, clock: Callable[[], float] = time.time) -> None:
        self._known = known
        self._clock = clock
        self._counts = Reading(store.counts, seconds=0.0)
        self._lags = Reading(store.lags, seconds=0.0)
        self._conservation = Reading(store.conservation, seconds=COUNT_SECONDS)
        self._readings = (self._counts, self._lags, self._conservation)

    async def refresh(self) -> None:
        """Read anew what is old, and wait for it a moment."""
        tasks = [task for each in self._readings if (task := each.start()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=WAIT_SECONDS)

    async def close(self) -> None:
        """End what is being read."""
        for each in self._readings:
            await each.close()

    def collect(self) -> Iterator[core.Metric]:
        """Yield every figure that is known."""
        yield _gauge("functions", "Functions that can be delivered to.", len(self._known))
        yield _gauge("store_up", "1 when the store answered last.", self._counts.value is not None)
        if self._conservation.value is not None:
            text = "Invocations that books and rows disagree about, or that have no place: anything but 0 is a fault."
            yield _gauge("drift", text, self._conservation.value.drift)
        if self._counts.value is not None:
            yield make_invocations(self._counts.value)
        if self._lags.value is not None:
            yield make_lags(self._lags.value, now=self._clock())


def make_invocations(counts: Mapping[records.Queue, records.Count], *, limit: int = FUNCTIONS) -> core.Metric:
    """Return how many invocations of each function are in each state; a state without any is left out. Pure."""
    family = core.GaugeMetricFamily(
        "mayfly_eventing_invocations",
        "Invocations by where they stand, as the store's books have them.",
        labels=["namespace", "function", "state"],
    )
    for queue, count in bound(counts, limit=limit).items():
        for state in _STATES:
            if number := getattr(count, state):
                family.add_metric([*queue, state], number)
    return family


def bound(counts: Mapping[records.Queue, records.Count], *, limit: int) -> dict[records.Queue, records.Count]:
    """Return the books of the ``limit`` functions that have most to do, and the sum of the others as ``OTHERS``. Pure.

    Functions with nothing in any state are left out.
    """
    sizes = {queue: (count.waiting + count.leased, _sum(count)) for queue, count in counts.items() if _sum(count)}
    first = heapq.nlargest(limit, sizes, key=lambda queue: sizes[queue])
    kept = {queue: counts[queue] for queue in first}
    rest = [counts[queue] for queue in sizes.keys() - kept.keys()]
    if rest:
        kept[OTHERS] = records.Count(**{state: sum(getattr(count, state) for count in rest) for state in _STATES})
    return kept


def _sum(count: records.Count) -> int:
    return sum(getattr(count, state) for state in _STATES)


def make_lags(earliest: Mapping[records.Queue, float], *, now: float, limit: int = FUNCTIONS) -> core.Metric:
    """Return how long each function's earliest waiting invocation is overdue; 0: it is not due yet. Pure."""
    family = core.GaugeMetricFamily(
        "mayfly_eventing_lag_seconds",
        "Seconds for which the earliest waiting invocation has been due.",
        labels=["namespace", "function"],
    )
    for queue in heapq.nsmallest(limit, earliest, key=lambda queue: earliest[queue]):
        family.add_metric([*queue], max(0.0, now - earliest[queue]))
    return family


def _gauge(name: str, text: str, value: float) -> core.Metric:
    return core.GaugeMetricFamily(f"mayfly_eventing_{name}", text, value=value)
