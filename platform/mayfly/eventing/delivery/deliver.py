"""Carry one lease from its claim to its settlement."""

from __future__ import annotations

import asyncio
import enum
import logging
import random
import time
from collections.abc import Callable
from typing import Protocol

from mayfly import errors
from mayfly.cluster import backoff
from mayfly.eventing import known, metrics, target
from mayfly.eventing.delivery import attempt, case, limiter, outcome
from mayfly.store import interface, records

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
"""Between tries to write a settlement down while the store cannot."""


class Post(Protocol):
    """What makes one attempt; ``post.Post`` is one."""

    async def send(self, held: records.Lease, to: target.Target | None) -> attempt.Came:
        """Return what came of it."""


class Abort(enum.Enum):
    """Why an attempt is broken off."""

    VOID = "void"
    """The lease is not the current one any more: nothing is left to be settled."""
    STOP = "stop"
    """This process ends: the next one is to try again."""


class Delivery:
    """One lease under way; belongs to the event loop."""

    def __init__(self, held: records.Lease) -> None:
        self.held = held
        self.until = held.until
        """When its lease ends unless it is extended again."""
        self.verified = 0.0
        """After so many seconds of the attempt its lease was last seen to be the current one."""
        self.started: float | None = None
        """When the attempt began, in POSIX seconds; ``None``: not yet."""
        self.signal = limiter.Signal.NOTHING
        self.aborted: Abort | None = None
        self._began = 0.0
        self._sending: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> float:
        """How long the attempt has been under way; 0 when it is not."""
        return 0.0 if self._sending is None else time.monotonic() - self._began

    def abort(self, why: Abort) -> bool:
        """Break the attempt off and tell whether one was under way; one that is over is settled as it ended."""
        if self._sending is None or self.aborted is not None:
            return False
        self.aborted = why
        self._sending.cancel()
        return True

    async def attempt(self, post: Post, to: target.Target | None, *, now: float) -> attempt.Attempt | None:
        """Make the attempt; ``None``: it was broken off."""
        task = self._sending = asyncio.current_task()
        assert task is not None
        self.started, self._began = now, time.monotonic()
        try:
            came = await post.send(self.held, to)
        except asyncio.CancelledError:
            if self.aborted is None:
                raise
            task.uncancel()
            return None
        finally:
            self._sending = None
        return attempt.Attempt(now, now + time.monotonic() - self._began, came)


class Carrier:
    """Deliver what was leased; whatever happens, the lease is settled or left to whom it belongs."""

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        post: Post,
        figures: metrics.Figures,
        clock: Callable[[], float],
        on_dead: Callable[[records.Queue, str], None],
    ) -> None:
        """``clock`` gives POSIX seconds; ``on_dead`` is told of what was given up, and the reason."""
        self._on_dead = on_dead
        self._store = store
        self._known = known
        self._post = post
        self._figures = figures
        self._clock = clock
        self._chance = random.Random()  # noqa: S311  (spreads retries, keeps no secret)

    async def carry(self, one: Delivery) -> None:
        """Deliver ``one``; raises nothing but ``CancelledError``."""
        invocation = one.held.invocation
        try:
            await self._deliver(one)
        except errors.StoreUnavailable as error:
            log.warning("a delivery was not written down; its lease lapses", extra=_name(invocation, error=str(error)))
        except Exception as error:
            log.exception("a delivery failed for a reason that nobody foresaw", extra=_name(invocation))
            await self._excuse(one, error)

    async def hand_back(self, held: records.Lease, *, due: float | None = None) -> None:
        """Settle that nothing was sent; it waits as before, or until ``due``."""
        try:
            await self._settle(Delivery(held), outcome.hand_back(held.invocation, due=due))
        except errors.StoreError as error:
            log.warning("a lease was not handed back; it lapses", extra=_name(held.invocation, error=str(error)))

    async def _deliver(self, one: Delivery) -> None:
        matter = self._make_case(one.held)
        settlement = outcome.forestall(matter, now=self._clock())
        if settlement is None:
            settlement = await self._try(one, matter)
        if settlement is not None:
            await self._settle(one, settlement)

    async def _try(self, one: Delivery, matter: case.Case) -> outcome.Settlement | None:
        """Make the attempt and return what follows; ``None``: nothing, the lease is void."""
        now = self._clock()
        self._figures.sent(lag=max(0.0, now - matter.invocation.due))
        tried = await one.attempt(self._post, matter.to, now=now)
        if tried is None:
            return None if one.aborted is Abort.VOID else outcome.interrupt(started=now, now=self._clock())
        self._figures.tried(seconds=tried.ended - tried.started)
        if not matter.invocation.target:
            one.signal = limiter.read_signal(tried.came)
        return outcome.conclude(matter, tried, chance=self._chance.random())

    async def _excuse(self, one: Delivery, error: Exception) -> None:
        now = self._clock()
        settlement = outcome.excuse(
            self._make_case(one.held),
            error,
            started=now if one.started is None else one.started,
            now=now,
            chance=self._chance.random(),
        )
        try:
            await self._settle(one, settlement)
        except Exception:
            log.exception("a delivery could not be excused; its lease lapses", extra=_name(one.held.invocation))

    async def _settle(self, one: Delivery, settlement: outcome.Settlement) -> None:
        settled = await self._write(one, settlement)
        if settled.current:
            self._count(one.held.invocation, settlement, settled)
        else:
            log.info("a lease was not the current one any more", extra=_name(one.held.invocation))

    async def _write(self, one: Delivery, settlement: outcome.Settlement) -> records.Settled:
        """Write ``settlement`` down, patiently until the lease ends: then somebody else may have it.

        Raises: errors.StoreError
        """
        failures = 0
        while True:
            try:
                return await self._store.settle(
                    invocation_id=one.held.invocation.id,
                    epoch=one.held.epoch,
                    outcome=settlement.outcome,
                    attempt=settlement.attempt,
                    now=self._clock(),
                    follow_ups=settlement.follow_ups,
                )
            except errors.StoreUnavailable:
                if self._clock() >= one.until:
                    raise
            pause = backoff.delay(attempt=failures, base=PAUSE_SECONDS, cap=LONGEST_PAUSE_SECONDS, jitter=self._chance)
            failures += 1
            await asyncio.sleep(pause)

    def _make_case(self, held: records.Lease) -> case.Case:
        to = self._known.get(held.invocation.namespace, held.invocation.function)
        return case.Case(held.invocation, held.message, to, self._known.get, self._known.find)

    def _count(self, one: records.Invocation, settlement: outcome.Settlement, settled: records.Settled) -> None:
        came = settlement.outcome
        queue = {"namespace": one.namespace, "function": one.function}
        if isinstance(came, records.Dead):
            self._figures.ended(**queue, outcome="dead", reason=came.reason)
            self._on_dead((one.namespace, one.function), came.reason)
            log.info("given up", extra=_name(one, reason=came.reason))
        elif settlement.attempt is not None:
            done = isinstance(came, records.Delivered)
            self._figures.ended(**queue, outcome="delivered" if done else "retried", reason="")
        for each, receipt in zip(settlement.follow_ups, settled.receipts, strict=True):
            if receipt.verdict is records.Verdict.NEW:
                self._figures.accepted(namespace=each.namespace, function=each.function, kind=each.kind)


def _name(one: records.Invocation, **more: str) -> dict[str, str]:
    return {"invocation": one.id, "namespace": one.namespace, "function": one.function, "kind": one.kind, **more}
