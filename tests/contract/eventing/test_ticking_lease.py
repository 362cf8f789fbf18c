"""What a new leader takes over from the last one: its Lease on a real API server, and what the real store holds."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time

import pytest

from mayfly import errors
from mayfly.cluster import election, kinds
from mayfly.eventing import metrics
from mayfly.eventing.clock import leading, ticking
from mayfly.model import names
from mayfly.store import sqlite
from tests.contract.cluster.conftest import cluster, kubeconfig, namespace  # noqa: F401
from tests.contract.eventing import clock as clocks

DEADLINE = 45.0
TERMS = election.Terms(lease=4, deadline=2, retry=0.2)
ONCE = {"cron": "*/10 * * * *", "missed": "once"}
"""Ticks are looked for from the last renewal on, however long that is ago."""


class Place:
    """The platform's namespace, with the Lease."""

    def __init__(self, api, name):
        self.api, self.namespace = api, name

    async def put_lease(self, *, renewed, undone=None):
        """Leave the Lease of a leader that renewed it last at ``renewed`` and gave it back, so nobody has to wait."""
        annotations = {} if undone is None else {leading.UNDONE: undone}
        metadata = {"namespace": self.namespace, "name": names.EVENTING, "annotations": annotations}
        spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": renewed, "leaseTransitions": 3}
        await self.api.create(
            {"apiVersion": kinds.LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}
        )

    async def read_lease(self):
        return await self.api.get(kinds.LEASE, self.namespace, names.EVENTING)

    async def read_undone(self):
        return leading.read_undone(await self.read_lease())

    async def read_renewal(self):
        return (await self.read_lease())["spec"]["renewTime"]


class Store:
    """The real store; while it is ``away`` it takes nothing."""

    def __init__(self, store):
        self._store = store
        self.away = False

    async def accept(self, batch, *, now):
        if self.away:
            raise errors.StoreUnavailable("the store is away")
        return await self._store.accept(batch, now=now)


@pytest.fixture
def place(cluster, namespace):  # noqa: F811
    return Place(cluster, namespace)


@pytest.fixture
async def store(tmp_path):
    opened = await sqlite.SqliteStore.open(path=tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
async def replicas(place, store, monkeypatch):
    """Start replicas with a clock of their own; ``leave`` ends one as SIGTERM does."""
    monkeypatch.setattr(ticking, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(ticking, "WAKE_SECONDS", 0.05)
    async with contextlib.AsyncExitStack() as stack:

        def start(clock, *, over=store, name="one", beside=()):
            known = clocks.make_known(clocks.make_function("mail", ONCE))
            made = ticking.Ticking(known=known, store=over, figures=metrics.Figures(), clock=clock)
            made.follow()
            leader = leading.Leader(
                place.api,
                namespace=place.namespace,
                identity=name,
                ticking=made,
                beside=beside,
                terms=TERMS,
                clock=clock,
            )
            task = asyncio.create_task(leader.run())

            async def leave():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

            stack.push_async_callback(leave)
            leader.leave = leave
            return leader

        yield start


class Beside:
    """What the leader does besides: it says that it was begun."""

    def __init__(self):
        self.began = asyncio.Event()

    async def __call__(self):
        self.began.set()

    async def wait(self):
        async with asyncio.timeout(DEADLINE):
            await self.began.wait()


async def until(probe):
    """Return once ``probe``, which may be asynchronous, says yes."""
    deadline = time.monotonic() + DEADLINE
    while True:
        found = probe()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("left", "wanted"),
    [
        ({"renewed": "2026-11-21T10:09:59.900000Z"}, ["mail 21 10:10"]),
        ({"renewed": "2026-11-21T10:10:00.100000Z"}, ["mail 21 10:10"]),
        ({"renewed": "2026-11-21T10:11:00.000000Z"}, []),
        ({"renewed": "2026-11-21T08:00:00.000000Z"}, ["mail 21 10:10"]),
        ({"renewed": "2026-11-21T10:11:00.000000Z", "undone": "2026-11-21T09:50:00Z"}, ["mail 21 10:10"]),
        ({"renewed": "2026-11-21T10:11:00.000000Z", "undone": "2026-11-21T10:11:00Z"}, []),
    ],
    ids=["before the tick", "in the middle of it", "after it", "hours ago", "without storing", "all stored"],
)
async def test_a_leader_begins_where_the_last_one_ended(place, store, replicas, left, wanted):
    """By the last renewal, or by what the last leader wrote beside it; then nothing is undone any more."""
    await place.put_lease(**left)
    beside = Beside()
    leader = replicas(clocks.Clock(clocks.at("2026-11-21T10:12")), beside=[beside])
    await beside.wait()
    assert leader.is_leader()
    assert await clocks.stored_ticks(store) == wanted
    await until(lambda: _is_none(place.read_undone()))
    assert (await place.read_lease())["spec"]["leaseTransitions"] == 4


async def test_the_first_leader_has_nothing_to_make_up_for(store, replicas):
    """Without a Lease nobody has promised anything yet."""
    beside = Beside()
    replicas(clocks.Clock(clocks.at("2026-11-21T10:12")), beside=[beside])
    await beside.wait()
    assert await clocks.stored_ticks(store) == []


async def test_one_leader_follows_another(store, replicas):
    """The second goes on when the first leaves; the tick that both may have made is there once."""
    clock = clocks.Clock(time.time())
    first = replicas(clock)
    await until(first.is_leader)
    clock.now = tick = (clock.now // 600 + 1) * 600
    second = replicas(clock, name="two")
    wanted = [f"mail {dt.datetime.fromtimestamp(each, dt.UTC):%d %H:%M}" for each in (tick, tick + 600)]
    await until(lambda: _is(clocks.stored_ticks(store), wanted[:1]))
    assert not second.is_leader()
    await first.leave()
    await until(second.is_leader)
    clock.now = tick + 600
    await until(lambda: _is(clocks.stored_ticks(store), wanted))


async def test_a_leader_says_what_it_cannot_store(place, store, replicas):
    """While it renews the Lease; its successor makes up for that, and does nothing besides until it has."""
    tick, beside, over = clocks.at("2026-11-21T10:10"), Beside(), Store(store)
    await place.put_lease(renewed="2026-11-21T10:09:00.000000Z")
    over.away = True
    first = replicas(clocks.Clock(tick + leading.TELL_SECONDS + 1), over=over, beside=[beside])
    await until(lambda: _is(place.read_undone(), tick))
    renewed = await place.read_renewal()
    await until(lambda: _is_not(place.read_renewal(), renewed))
    await first.leave()
    assert not beside.began.is_set()
    over.away = False
    replicas(clocks.Clock(clocks.at("2026-11-21T10:19")), name="two", over=over, beside=[beside])
    await beside.wait()
    assert await clocks.stored_ticks(store) == ["mail 21 10:10"]
    await until(lambda: _is_none(place.read_undone()))


async def _is(found, wanted):
    return await found == wanted


async def _is_not(found, unwanted):
    return await found != unwanted


async def _is_none(found):
    return await found is None
