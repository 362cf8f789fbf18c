"""Cancel, redrive and replay: what a person does to invocations, each refused with the state where it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from mayfly import errors
from mayfly.eventing import known
from mayfly.events import retry
from mayfly.store import ids, interface, records

TOGETHER = 100
"""Dead letters that are redriven at once: they share commits, and others get their turn between."""
DEAD = frozenset({records.State.DEAD})


class Redriven(NamedTuple):
    """How many dead letters wait again, and the cursor of those that are left; ``None``: none is."""

    number: int
    cursor: str | None


class Steering:
    """Every method raises ``errors.NotFound`` where there is no such invocation, ``errors.WrongState`` where its state
    forbids it, ``errors.StoreUnavailable`` as the store does.
    """  # noqa: D205

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        abandon: Callable[[str], object],
        clock: Callable[[], float],
    ) -> None:
        """``abandon`` is told the id of what was cancelled, so that an attempt under way can be given up at once."""
        self._store = store
        self._known = known
        self._abandon = abandon
        self._clock = clock

    async def cancel(self, *, namespace: str, invocation_id: str) -> records.Invocation:
        """Cancel what is not settled and return how it stands."""
        before = await self._find(namespace, invocation_id)
        if before.state in records.SETTLED:
            _refuse(before, "only what is waiting or leased can be cancelled")
        after = await self._store.cancel(namespace=namespace, invocation_id=invocation_id, now=self._clock())
        if after is None:
            raise miss(namespace, invocation_id)
        if after.state is not records.State.CANCELLED:
            _refuse(after, "it was settled before it could be cancelled")
        self._abandon(after.id)
        return after

    async def redrive(self, *, namespace: str, invocation_id: str) -> records.Invocation:
        """Have a dead invocation wait again, with a new greatest age, and return how it stands."""
        before = await self._find(namespace, invocation_id)
        if before.state is not records.State.DEAD:
            _refuse(before, "only what is dead can be redriven; replay sends once more what was settled otherwise")
        after = await self._redrive(before)
        if after is None:
            raise miss(namespace, invocation_id)
        return after

    async def redrive_all(self, *, namespace: str, function: str | None, limit: int, cursor: str | None) -> Redriven:
        """Have up to ``limit`` dead invocations of a function (``None``: of all) wait again, the newest first.

        None of them is taken twice while the cursor is passed on, even if it dies again meanwhile.
        """
        selection = records.Selection(function=function, states=DEAD)
        number = 0
        while limit > 0:
            page = await self._store.list(
                namespace=namespace, selection=selection, limit=min(limit, TOGETHER), cursor=cursor
            )
            done = await asyncio.gather(*map(self._redrive, page.items))
            number += sum(one is not None for one in done)
            limit, cursor = limit - len(page.items), page.cursor
            if cursor is None:
                break
        return Redriven(number, cursor)

    async def replay(self, *, namespace: str, invocation_id: str, revision: str | None) -> records.Invocation:
        """Send what was settled once more, to ``revision`` (``None``: where traffic goes), and return the new one."""
        before = await self._find(namespace, invocation_id)
        if before.state not in records.SETTLED:
            _refuse(before, "only what is settled can be replayed; cancel it first, or wait for its end")
        now = self._clock()
        after = await self._store.replay(
            namespace=namespace,
            invocation_id=invocation_id,
            new_id=ids.make_id(now),
            now=now,
            revision=revision,
            expires=self._find_expiry(before, now),
        )
        if after is None:
            raise miss(namespace, invocation_id)
        if after.id == before.id:
            _refuse(after, "it was redriven before it could be replayed")
        return after

    async def purge(self, *, namespace: str, function: str | None, before: float, limit: int) -> int:
        """Delete up to ``limit`` invocations that were dead ``before``, and return how many."""
        return await self._store.purge(
            settled_before=before, states=DEAD, namespace=namespace, function=function, limit=limit
        )

    async def _find(self, namespace: str, invocation_id: str) -> records.Invocation:
        found = await self._store.get(namespace=namespace, invocation_id=invocation_id)
        if found is None:
            raise miss(namespace, invocation_id)
        return found

    async def _redrive(self, one: records.Invocation) -> records.Invocation | None:
        now = self._clock()
        return await self._store.redrive(
            namespace=one.namespace, invocation_id=one.id, now=now, expires=self._find_expiry(one, now)
        )

    def _find_expiry(self, one: records.Invocation, now: float) -> float:
        """Return when what begins ``now`` is too old; that its Function has gone is for delivery to find out."""
        target = self._known.get(one.namespace, one.function)
        return now + (retry.DEFAULT if target is None else target.policy).max_age


def miss(namespace: str, invocation_id: str) -> errors.NotFound:
    """Return the error for an invocation that is not there."""
    return errors.NotFound(
        f"there is no invocation {invocation_id} in namespace {namespace}: none ever, or its retention has passed"
    )


def _refuse(one: records.Invocation, rule: str) -> NoReturn:
    raise errors.WrongState(f"invocation {one.id} is {one.state.value}: {rule}")
