"""Clearing away on the real store."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mayfly import errors
from mayfly.eventing.clock import retention
from mayfly.store import sqlite
from tests.contract.eventing import clock as clocks
from tests.contract.store import make

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
async def store(tmp_path):
    opened = await sqlite.SqliteStore.open(path=tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def clock():
    return clocks.Clock(make.NOW + DAY)


def make_retention(store, clock, *functions):
    return retention.Retention(store=store, known=clocks.make_known(*functions), result_seconds=DAY, clock=clock)


async def deliver(store, **changes):
    identity = await make.accept_one(store, **changes)
    (lease,) = await make.claim(store)
    assert (await make.settle(store, lease)).current
    return identity


async def left(store):
    """Return the ids that are there."""
    return {one.id for one in (await store.list(namespace="shop", limit=1000)).items}


async def test_delivered_and_cancelled_go_after_their_time(store, clock):
    """They are settled one second after NOW; what waits and what is dead stays, and the books balance."""
    delivered = await deliver(store)
    dead = await make.kill(store)
    cancelled, waiting = await make.accept_one(store), await make.accept_one(store)
    assert (await store.cancel(namespace="shop", invocation_id=cancelled, now=make.NOW + 1)).settled
    one = make_retention(store, clock)
    assert await one.sweep() == 0
    assert await left(store) == {delivered, dead, cancelled, waiting}
    clock.now += 2
    assert await one.sweep() == 2
    assert await left(store) == {dead, waiting}
    assert (await store.conservation()).drift == 0


async def test_dead_letters_go_as_their_function_says(store, clock):
    """After its own retention, also a longer one; after two weeks when the Function is gone."""
    functions = [
        clocks.make_function("short", delivery={"deadLetter": {"retention": "1h"}}),
        clocks.make_function("usual", uid="u2"),
        clocks.make_function("long", uid="u3", delivery={"deadLetter": {"retention": "720h"}}),
    ]
    dead = {name: await make.kill(store, function=name) for name in ("short", "usual", "long", "gone")}
    one = make_retention(store, clock, *functions)
    there = []
    for hours in (1, 2, 336, 337, 720, 721):
        clock.now = make.NOW + hours * HOUR
        await one.sweep()
        there.append({name for name, identity in dead.items() if identity in await left(store)})
    assert there == [
        {"short", "usual", "long", "gone"},
        {"usual", "long", "gone"},
        {"usual", "long", "gone"},
        {"long"},
        {"long"},
        set(),
    ]


async def test_a_sweep_lets_others_write(store, clock):
    """Thousands go in steps, and in between new ones come in."""
    number = 5 * retention.STEP + 7
    await store.accept([make.make_invocation() for _ in range(number)], now=make.NOW)
    settled = 0
    while leases := await make.claim(store):
        await asyncio.gather(*(make.settle(store, lease) for lease in leases))
        settled += len(leases)
    clock.now += 2
    sweep = asyncio.create_task(make_retention(store, clock).sweep())
    accepted = 0
    while not sweep.done():
        await make.accept_one(store)
        accepted += 1
    assert await sweep == settled == number
    assert accepted > number / retention.STEP
    assert len(await left(store)) == min(accepted, 1000)


class Away:
    """A store that cannot be reached, and says when somebody tried."""

    def __init__(self):
        self.tried = asyncio.Event()

    async def counts(self):
        self.tried.set()
        raise errors.StoreUnavailable("away")


async def test_it_goes_on_when_the_store_was_away(store, clock, monkeypatch):
    """A sweep that fails is no end; the next one clears away."""
    monkeypatch.setattr(retention, "SWEEP_SECONDS", 0.01)
    await deliver(store)
    clock.now += 2
    away = Away()
    one = make_retention(away, clock)
    task = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(20):
            await away.tried.wait()
            one._store = store
            while await left(store):  # noqa: ASYNC110  (there is nothing to wait for but time)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
