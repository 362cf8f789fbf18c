"""Call Functions at the instants of their schedules, while this replica leads.

A tick becomes an event with an id made of trigger and instant, stored for its own Function alone. The store takes an
id once, so ticks may be made twice (by two leaders for a moment, by one that was killed before it knew that the tick
was stored, after the clock was set back) and are delivered once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from mayfly import errors
from mayfly.eventing import kinds, known, metrics, publish
from mayfly.eventing.clock import agenda
from mayfly.events import schedule
from mayfly.store import interface, records

log = logging.getLogger(__name__)

WAKE_SECONDS = 30.0
"""The clock is looked at so often at least: it may be set while this process sleeps by another one."""
BATCH = 100
"""Ticks that are made and stored together: some 10 ms of work, then others have their turn."""
RETRY_SECONDS = 1.0
"""Pause after the store did not take a tick."""
_ORIGIN = publish.Origin(kinds.Kind.SCHEDULE)

Told = Callable[[float | None], Awaitable[None]]
"""Called after each round with the instant of the earliest tick that should be done and is not; ``None``: all are."""


class Ticking:
    """The schedules of every Function that is ``known``.

    Call ``follow`` once all Functions were seen: what is there then counts as old, what comes later begins when it
    comes. ``lead`` does the work, on one replica at a time. ``clock`` gives POSIX seconds.
    """

    def __init__(
        self,
        *,
        known: known.Known,
        store: interface.Store,
        figures: metrics.Figures,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known = known
        self._store = store
        self._figures = figures
        self._clock = clock
        self._seen: dict[records.Queue, dict[agenda.Name, float]] = {}
        self._agenda = agenda.Agenda()
        self._since: float | None = None
        self._latest = 0.0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(several) for several in self._seen.values())

    def follow(self) -> None:
        """Take in what is known, and everything that changes from now on."""
        for each in self._known:
            self._note(each.queue, seen=0.0)
        self._known.on_change.append(lambda queue: self._note(queue, seen=self._clock()))

    async def lead(self, *, since: float, told: Told) -> None:
        """Make every tick later than ``since`` until cancelled; a schedule that is newer begins with itself."""
        self.begin(since)
        try:
            while True:
                undone = await self.round()
                await told(undone)
                await self._rest(undone)
        finally:
            self._since = None

    def begin(self, since: float) -> None:
        """Forget what was done before: all ticks up to ``since`` are done, no later one is."""
        self._agenda, self._since, self._latest = agenda.Agenda(), since, self._clock()
        for queue in self._seen:
            self._enter(queue)
        self._changed.clear()

    async def round(self) -> float | None:
        """Make every tick that is due; return the instant of the earliest that could not be stored, if there is one."""
        now = self._clock()
        if now < self._latest - schedule.GRACE.total_seconds():
            log.warning("the clock was set back by %.0f s; ticks are looked for anew", self._latest - now)
            self._agenda.rewind(now)
        self._latest = now
        while lines := self._agenda.take(now, limit=BATCH):
            done = await self._make(lines)
            for line in lines:
                self._agenda.put(line)
            if not done:
                return self._agenda.next_at()
        return None

    async def _make(self, lines: Sequence[agenda.Line]) -> bool:
        """Do what is to be done about ``lines``; ``False``: the store did not take the ticks, and they stay undone."""
        now = self._clock()
        decided = [(line, line.decide(now)) for line in lines]
        batch = [one for line, due in decided if due.tick is not None for one in self._make_tick(line, due, now)]
        try:
            receipts = await self._store.accept(batch, now=now) if batch else ()
        except errors.StoreError as error:
            log.warning("%d ticks could not be stored, again in %.0f s: %s", len(batch), RETRY_SECONDS, error)
            self._conclude(((line, due) for line, due in decided if due.tick is None), now)
            return False
        self._conclude(decided, now)
        for one, receipt in zip(batch, receipts, strict=True):
            if receipt.verdict is records.Verdict.NEW:
                self._figures.accepted(namespace=one.namespace, function=one.function, kind=one.kind)
        return True

    def _make_tick(self, line: agenda.Line, due: schedule.Due, now: float) -> tuple[records.NewInvocation, ...]:
        """Return the delivery of a tick to its Function; nothing when that went away."""
        found = self._known.get(*line.queue)
        if found is None or due.tick is None:
            return ()
        event = schedule.make_tick_event(
            line.key,
            due.tick,
            source=publish.make_source(found.namespace, found.name),
            subject=line.name[1].key,
        )
        return publish.make_event_invocations(event, [found], origin=_ORIGIN, now=now)

    def _conclude(self, decided: Iterable[tuple[agenda.Line, schedule.Due]], now: float) -> None:
        for line, due in decided:
            line.done = max(line.done, now)
            if due.missed:
                namespace, function = line.queue
                self._figures.missed(namespace=namespace, function=function, number=due.missed)
                log.info("%d ticks of %s were missed", due.missed, line.key, extra={"function": "/".join(line.queue)})

    async def _rest(self, undone: float | None) -> None:
        """Wait until the next tick, a change of schedules, or for a while."""
        if undone is not None:
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  (spreads tries)
            return
        at = self._agenda.next_at()
        seconds = WAKE_SECONDS if at is None else min(WAKE_SECONDS, at - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def _note(self, queue: records.Queue, *, seen: float) -> None:
        """Write down since when each schedule of a Function is known."""
        found = self._known.get(*queue)
        before = self._seen.pop(queue, {})
        names = () if found is None else ((found.uid, ticker) for ticker in found.tickers)
        after = {name: before.get(name, seen) for name in names}
        if after:
            self._seen[queue] = after
        if before != after:
            self._enter(queue)

    def _enter(self, queue: records.Queue) -> None:
        if self._since is None:
            return
        found = self._known.get(*queue)
        start = max(self._since, 0.0 if found is None else found.created)
        self._agenda.set(queue, {name: max(start, seen) for name, seen in self._seen.get(queue, {}).items()})
        self._changed.set()
