"""Several dispatchers over one PostgreSQL, and what they do when it goes away."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import signal
import time

import pytest
from aiohttp import web

from mayfly import errors
from mayfly.eventing.delivery import share
from mayfly.store import records
from tests.contract.eventing import deliveries
from tests.contract.eventing.deliveries import QUICK, until

open_store, functions = deliveries.open_store, deliveries.functions
send_out, world = deliveries.send_out, deliveries.world

BOTH = ("eventing-0", "eventing-1")


@pytest.fixture
def backend():
    """SQLite has one process."""
    return "postgres"


@pytest.fixture
async def two(world, open_store):
    """Two replicas, each with its own connections."""
    other = await open_store()
    alive = list(BOTH)

    @contextlib.asynccontextmanager
    async def run():
        def members():
            return tuple(alive)

        async with (
            world.dispatching(worker=BOTH[0], members=members),
            world.dispatching(worker=BOTH[1], members=members, store=other),
        ):
            yield alive

    return run


async def test_two_share_the_work_and_deliver_nothing_twice(world, two):
    """Each does a part of it."""
    world.put("mail")

    async def work(_request):
        await asyncio.sleep(0.005)
        return web.Response()

    world.functions.on("mail", work)
    async with two():
        ids = []
        for _ in range(6):
            ids += await world.accept(*(world.make("mail") for _ in range(50)))
        await world.all_settled()
    assert collections.Counter(one.id for one in world.functions.seen) == dict.fromkeys(ids, 1)
    workers = collections.Counter(one.worker for one in await world.list())
    assert set(workers) == set(BOTH)


async def test_a_concurrency_holds_for_both_together(world, two):
    """One of them delivers for such a function, and in order; which one, both know without asking."""
    names = [f"f{number}" for number in range(4)]
    for name in names:
        world.put(name, delivery={"concurrency": 1})

    async def work(_request):
        await asyncio.sleep(0.002)
        return web.Response()

    for name in names:
        world.functions.on(name, work)
    async with two():
        for number in range(10):
            await world.accept(*(world.make(name, body=str(number).encode()) for name in names))
        await world.all_settled()
    for name in names:
        assert world.functions.at_once[name] == 1
        mine = [one for one in world.functions.seen if one.function == name]
        assert [int(one.body) for one in mine] == list(range(10))
        assert {one.worker for one in await world.list() if one.function == name} == {
            share.find_owner(("shop", name), BOTH)
        }


async def test_who_takes_over_waits_for_the_attempt_that_is_under_way(world, open_store):
    """A replica that goes may still have the function at work; one at a time is one at a time."""
    world.put("mail", delivery={"concurrency": 1})
    owner = share.find_owner(("shop", "mail"), BOTH)
    heir = next(name for name in BOTH if name != owner)
    go_on = asyncio.Event()

    async def work(_request):
        await go_on.wait()
        return web.Response()

    world.functions.on("mail", work)
    await world.call("mail")
    terms = records.Terms(capacity=1, lease_seconds=3600)
    (old,) = await world.store.claim(worker=owner, now=time.time(), limit=1, default=terms)
    await world.call("mail")
    world.put("probe")
    async with world.dispatching(worker=heir, members=lambda: (heir,), store=await open_store()):
        for _ in range(3):
            await world.settled(await world.call("probe"))
        assert world.functions.count("mail") == 0
        done = records.Try(time.time(), time.time(), 200)
        await world.store.settle(
            invocation_id=old.invocation.id,
            epoch=old.epoch,
            outcome=records.Delivered(),
            attempt=done,
            now=time.time(),
        )
        await until(lambda: world.functions.count("mail") == 1)
        go_on.set()
        await world.all_settled()


async def test_what_a_dead_replica_held_is_done_by_the_other(world, open_store):
    """Once its lease lapses, and noted as what nobody saw the end of."""
    world.put("mail")
    identity = await world.call("mail")
    terms = records.Terms(capacity=1, lease_seconds=0.5)
    await world.store.claim(worker="dead", now=time.time(), limit=1, default=terms)
    async with world.dispatching():
        found = await world.settled(identity)
    assert (found.state, found.attempts) == (records.State.DELIVERED, 2)
    first, _ = await world.attempts(identity)
    assert first.tried is records.Tried.UNKNOWN


async def test_a_stale_acknowledgement_settles_nothing(world):
    """I3: who was stopped for longer than its lease finds that another one has it, and leaves it alone."""
    world.put("mail")
    first, go_on = asyncio.Event(), asyncio.Event()

    async def stall(_request):
        first.set()
        await go_on.wait()
        return web.Response(status=500)

    world.functions.on("mail", stall)
    identity = await world.call("mail")
    async with world.dispatching():
        await first.wait()
        assert await world.store.lapse(worker="eventing-0", now=time.time()) == 1
        terms = records.Terms(capacity=1, lease_seconds=3600)

        async def claim():
            return await world.store.claim(worker="other", now=time.time(), limit=1, default=terms)

        (held,) = await until(claim)
        go_on.set()
        await until(lambda: world.figures.registry.get_sample_value("mayfly_eventing_deliveries_in_flight") == 0)
        found = await world.get(identity)
        assert (found.state, found.epoch, found.worker) == (records.State.LEASED, held.epoch, "other")
        done = records.Try(time.time(), time.time(), 200)
        outcome = records.Delivered()
        await world.store.settle(
            invocation_id=identity, epoch=held.epoch, outcome=outcome, attempt=done, now=time.time()
        )


async def test_a_database_that_dies_and_comes_back_loses_nothing(world, postgres_server):
    """What was under way is written down later, or once more delivered; nothing is given up for it."""
    world.put("mail")

    async def work(_request):
        await asyncio.sleep(0.01)
        return web.Response()

    world.functions.on("mail", work)
    ids = await world.accept(*(world.make("mail") for _ in range(300)))
    async with world.dispatching(times=QUICK):
        await until(lambda: world.functions.count("mail") > 30)
        postgres_server.process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(postgres_server.process.wait)
        await asyncio.to_thread(postgres_server.start)
        conservation = await until(lambda: settle(world))
    assert conservation.books.delivered == 300
    seen = collections.Counter(one.id for one in world.functions.seen)
    assert set(seen) == set(ids)
    assert sum(seen.values()) <= 300 + 64, "more was delivered twice than was under way"


async def settle(world):
    """Return the books once everything is settled, ``None`` before, and while there is no database."""
    try:
        counts = (await world.store.counts()).values()
        if any(one.waiting or one.leased for one in counts):
            return None
        return await world.store.conservation()
    except errors.StoreError:
        return None
