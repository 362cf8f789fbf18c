"""Claim what is due, deliver it, and go on whatever happens to the store, the functions or one delivery."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

from mayfly import errors
from mayfly.cluster import backoff
from mayfly.eventing import known, metrics
from mayfly.eventing.delivery import deliver, share, slots, strain, tenure
from mayfly.store import interface, records, waking

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.003
"""Between two claims, so that what comes meanwhile shares the next."""
LOOK_SECONDS = 0.1
"""How late a claim may be while something that is due waits for room in its Function: other due instants lie behind."""
PATIENCE_SECONDS = 1.0
"""How late when nothing is known to be due: news from another replica can be lost with its connection."""
BEAT_SECONDS = 0.02
BEATS = 5
"""How often, and how many times for one judgement, it is asked how late the loop is."""
REST_SECONDS = 0.5
"""Between two such questions while nothing is under way."""
PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
"""Between claims while the store cannot."""


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """Seconds."""

    watch: float = 1.0
    """Between two looks at what is under way."""
    verify: float = 5.0
    """An attempt that takes longer has its lease verified so often: another replica may have cancelled it."""
    extension: float = 20.0
    """So far ahead a verified lease ends at least."""
    drain: float = 20.0
    """What attempts under way are given when this process ends; Kubernetes gives it 30 in all."""
    farewell: float = 5.0
    """And then their settlements."""


TIMES = Times()


class Dispatcher:
    """Deliver everything that a store holds, beside other dispatchers that do the same."""

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        post: deliver.Post,
        figures: metrics.Figures,
        worker: str,
        me: str,
        members: Callable[[], share.Members],
        connections: int,
        clock: Callable[[], float] = time.time,
        times: Times = TIMES,
        on_dead: Callable[[records.Queue, str], None] = lambda _queue, _reason: None,
    ) -> None:
        """``worker`` holds the leases: what another process of that name still holds lapses at the start.

        ``me`` is this replica among ``members``, which gives those that are alive; ``connections`` is how many
        deliveries there may be at a time. ``on_dead`` is told of what was given up, and the reason. ``known`` must be
        complete before ``run``: what it does not know is gone.
        """
        self._store = store
        self._known = known
        self._figures = figures
        self._worker = worker
        self._clock = clock
        self._times = times
        self._connections = connections
        shares = share.Shares(me)
        self._tenure = tenure.Tenure(store=store, known=known, shares=shares, members=members)
        self._slots = slots.Slots(connections=connections, shares=shares, clock=clock)
        self._carrier = deliver.Carrier(
            store=store, known=known, post=post, figures=figures, clock=clock, on_dead=on_dead
        )
        self._under_way: dict[str, deliver.Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bell = waking.Bell()
        self._stopping = asyncio.Event()
        self._claiming = False
        self._last = 0.0
        """When the last claim was made, in monotonic seconds."""
        self._jitter = random.Random()  # noqa: S311  (spreads retries, keeps no secret)

    async def run(self) -> None:
        """Claim and deliver until cancelled; then finish what is under way, or see to it that another one does."""
        self._known.on_change.append(self._hear)
        for one in self._known:
            self._hear(one.queue)
        helpers = [
            asyncio.create_task(self._keep(each)) for each in (self._listen, self._watch, self._share, self._attend)
        ]
        claims = asyncio.create_task(self._claim_all())
        try:
            await asyncio.shield(claims)
        finally:
            self._stopping.set()
            self._bell.ring()
            try:
                await claims
                await self._drain()
            finally:
                self._known.on_change.remove(self._hear)
                for each in (claims, *helpers, *self._tasks):
                    each.cancel()
                await asyncio.gather(claims, *helpers, *self._tasks, return_exceptions=True)

    def abandon(self, invocation_id: str) -> bool:
        """Break off the attempt of what was cancelled, and tell whether one is under way here."""
        one = self._under_way.get(invocation_id)
        return one is not None and one.abort(deliver.Abort.VOID)

    # -- claiming --

    async def _claim_all(self) -> None:
        await self._persist(self._let_lapse)
        while not self._stopping.is_set():
            await self._persist(self._step)

    async def _let_lapse(self) -> None:
        number = await self._store.lapse(worker=self._worker, now=self._clock())
        if number:
            log.info(
                "leases of an earlier process of this name lapsed", extra={"worker": self._worker, "leases": number}
            )

    async def _step(self) -> None:
        """Claim once, then wait until there may be more."""
        portion = self._slots.portion
        if portion <= 0:
            await self._bell.wait(PATIENCE_SECONDS)
            return
        await asyncio.sleep(max(0.0, self._last + GATHER_SECONDS - time.monotonic()))
        self._last = time.monotonic()
        leases = await self._claim(portion)
        if self._stopping.is_set():
            await asyncio.gather(*(self._carrier.hand_back(each) for each in leases))
            return
        for each in leases:
            self._begin(each)
        if len(leases) < portion:
            await self._bell.wait(LOOK_SECONDS if leases else await self._find_pause())

    async def _claim(self, portion: int) -> tuple[records.Lease, ...]:
        self._claiming = True
        try:
            return await self._store.claim(
                worker=self._worker,
                now=self._clock(),
                limit=portion,
                default=self._slots.default,
                terms=self._slots,
            )
        finally:
            self._claiming = False

    async def _find_pause(self) -> float:
        """Return how long there is nothing to claim."""
        due = await self._store.next_due()
        if due is None:
            return PATIENCE_SECONDS
        wait = due - self._clock()
        return min(wait, PATIENCE_SECONDS) if wait > 0 else LOOK_SECONDS

    def _begin(self, held: records.Lease) -> None:
        if self._slots.turns_away(held.invocation):
            self._spawn(self._carrier.hand_back(held, due=self._clock() + PATIENCE_SECONDS))
            return
        before = self._under_way.get(held.invocation.id)
        if before is not None:  # it went on for longer than its lease
            before.abort(deliver.Abort.VOID)
        since = self._slots.take(held)
        self._figures.under_way(self._slots.total)
        self._spawn(self._carry(deliver.Delivery(held), since))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, one: deliver.Delivery, since: float) -> None:
        invocation = one.held.invocation
        self._under_way[invocation.id] = one
        try:
            await self._carrier.carry(one)
        finally:
            full = self._claiming or self._slots.is_full(invocation)
            self._slots.give_back(one.held, one.signal, started=since)
            self._figures.under_way(self._slots.total)
            if self._under_way.get(invocation.id) is one:
                del self._under_way[invocation.id]
            if full:
                self._bell.ring()

    # -- beside it --

    async def _keep(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeat ``step`` for ever; an error costs a pause."""
        while True:
            try:
                await step()
                continue
            except errors.StoreError as error:
                log.warning("the store cannot", extra={"error": str(error)})
            except Exception:
                log.exception("the dispatcher stumbled; it goes on")
            await asyncio.sleep(PATIENCE_SECONDS)

    async def _listen(self) -> None:
        """Hand on what the store says."""
        if await self._store.wait(seconds=60.0):
            self._bell.ring()

    async def _watch(self) -> None:
        """Verify the leases of long attempts, and forget what is long over."""
        await asyncio.sleep(self._times.watch)
        for one in self._under_way.values():
            if one.seconds >= one.verified + self._times.verify:
                one.verified = one.seconds
                self._spawn(self._verify(one))
        self._slots.forget_idle()

    async def _verify(self, one: deliver.Delivery) -> None:
        held = one.held
        until = max(one.until, self._clock() + self._times.extension)
        try:
            current = await self._store.extend(invocation_id=held.invocation.id, epoch=held.epoch, until=until)
        except errors.StoreError:
            return  # nothing is known; the next look may tell
        if current:
            one.until = until
        else:
            one.abort(deliver.Abort.VOID)

    async def _attend(self) -> None:
        """Find out how late the loop is, and have it do so much at a time that it is not."""
        worst = 0.0
        for _ in range(BEATS if self._slots.total else 0):
            begun = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            worst = max(worst, time.monotonic() - begun - BEAT_SECONDS)
        self._slots.width = strain.adapt(self._slots.width, most=self._connections, late=worst)
        if not self._slots.total:
            await asyncio.sleep(REST_SECONDS)

    async def _share(self) -> None:
        """Take up what falls to this replica."""
        if await self._tenure.look(self._slots.inside):
            self._bell.ring()
        await self._tenure.wait()

    def _hear(self, queue: records.Queue) -> None:
        self._slots.hear(queue, self._known.get(*queue))
        self._tenure.hear(queue)
        self._bell.ring()

    # -- trouble and the end --

    async def _persist(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do ``step`` until it succeeds or this process ends, with growing pauses."""
        failures = 0
        while True:
            try:
                return await step()
            except errors.StoreError as error:
                log.warning("the store cannot; deliveries wait", extra={"error": str(error)})
            except Exception:
                log.exception("claiming failed for a reason that nobody foresaw")
            seconds = backoff.delay(
                attempt=failures, base=PAUSE_SECONDS, cap=LONGEST_PAUSE_SECONDS, jitter=self._jitter
            )
            failures += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
                return None

    async def _drain(self) -> None:
        """Let attempts under way end, then break off those that do not, and have all of it written down."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._times.drain)
        for one in tuple(self._under_way.values()):
            one.abort(deliver.Abort.STOP)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._times.farewell)
        if self._tasks:
            log.warning("not everything was written down; leases lapse", extra={"deliveries": len(self._tasks)})
