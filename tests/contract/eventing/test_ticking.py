"""Ticks on the real store: each once, or skipped by the stated policy, never twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

import pytest

from mayfly import errors
from mayfly.eventing import metrics
from mayfly.eventing.clock import ticking
from mayfly.store import records, sqlite
from tests.conftest import ROOT
from tests.contract.eventing import clock as clocks

PATIENCE_SECONDS = 20.0


@pytest.fixture
async def store(tmp_path):
    opened = await sqlite.SqliteStore.open(path=tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def clock():
    return clocks.Clock(clocks.at("2026-11-21T10:00"))


def make(store, known, clock, figures=None):
    """Return a replica that knows ``known`` and does not lead yet."""
    made = ticking.Ticking(known=known, store=store, figures=figures or metrics.Figures(), clock=clock)
    made.follow()
    return made


async def pass_time(one, clock, *instants):
    """Let the leader look at the clock at each of ``instants``."""
    for instant in instants:
        clock.to(instant)
        assert await one.round() is None


def count(figures, name):
    return sum(
        sample.value
        for family in figures.registry.collect()
        for sample in family.samples
        if sample.name == f"mayfly_eventing_{name}_total"
    )


async def test_a_tick_is_an_event_for_its_function_alone(store, clock):
    """Its id is made of Function, trigger and instant; another Function with the same schedule gets its own."""
    nightly = {"cron": "*/10 * * * *", "timezone": "Europe/Berlin"}
    mail = clocks.make_function("mail", delivery={"maxAge": "1h"})
    mail["spec"]["triggers"] = [{"name": "nightly", "schedule": nightly}, {"event": {"type": "dev.mayfly.schedule"}}]
    stock = clocks.make_function("stock", "*/10 * * * *", uid="u2")
    figures = metrics.Figures()
    one = make(store, clocks.make_known(mail, stock), clock, figures)
    one.begin(clock())
    await pass_time(one, clock, "2026-11-21T10:10:00.040")
    assert await clocks.stored_ticks(store) == ["mail 21 10:10", "stock 21 10:10"]
    (found,) = (await store.list(namespace="shop", selection=records.Selection(function="mail"))).items
    assert (found.kind, found.due, found.expires) == ("schedule", clock(), clock() + 3600)
    message = await store.message(namespace="shop", invocation_id=found.id)
    assert (message.method, message.body) == ("POST", b"")
    assert dict(message.headers) == {
        "ce-specversion": "1.0",
        "ce-id": "u1/nightly@2026-11-21T10:10:00Z",
        "ce-source": "/mayfly/namespaces/shop/functions/mail",
        "ce-type": "dev.mayfly.schedule",
        "ce-time": "2026-11-21T10:10:00Z",
        "ce-subject": "nightly",
    }
    assert (count(figures, "accepted"), count(figures, "missed_ticks")) == (2, 0)


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        (("2026-03-28", "2026-03-29", "2026-03-30"), ["28 01:30", "29 01:00", "30 00:30"]),
        (("2026-10-24", "2026-10-25", "2026-10-26"), ["24 00:30", "25 00:30", "26 01:30"]),
    ],
    ids=["spring", "autumn"],
)
async def test_changes_of_the_clock(store, clock, days, wanted):
    """A daily tick at half past two comes every day once, also when that is no time or two."""
    clock.to(days[0])
    schedule = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    one = make(store, clocks.make_known(clocks.make_function("mail", schedule)), clock)
    one.begin(clock())
    for day in days:
        await pass_time(one, clock, *(f"{day}T{hour:02}:{minute:02}" for hour in range(4) for minute in (0, 15, 30)))
    assert await clocks.stored_ticks(store) == [f"mail {each}" for each in wanted]


async def test_a_leader_that_was_away(store, clock):
    """Ticks that were missed are skipped, or one call makes up for them; the figures tell how many were missed."""
    figures = metrics.Figures()
    skip = clocks.make_function("skip", {"cron": "*/10 * * * *", "missed": "skip"})
    once = clocks.make_function("once", {"cron": "*/10 * * * *", "missed": "once"}, uid="u2")
    one = make(store, clocks.make_known(skip, once), clock, figures)
    one.begin(clock())
    await pass_time(one, clock, "2026-11-21T10:35", "2026-11-21T10:36", "2026-11-21T10:40:01")
    assert await clocks.stored_ticks(store) == ["once 21 10:30", "once 21 10:40", "skip 21 10:40"]
    assert count(figures, "missed_ticks") == 3 + 2


@pytest.mark.parametrize("offset", [-0.001, 0.0, 0.001])
async def test_a_leader_change_exactly_at_a_tick(store, clock, offset):
    """Two leaders for a moment, both of whom make it; it is stored once and counted once."""
    figures, known = metrics.Figures(), clocks.make_known(clocks.make_function("mail", "*/10 * * * *"))
    first, second = make(store, known, clock, figures), make(store, known, clock, figures)
    tick = clocks.at("2026-11-21T10:10")
    first.begin(tick - 60)
    second.begin(tick + offset - 30)
    clock.now = tick + offset
    await asyncio.gather(first.round(), second.round())
    clock.now = tick + 0.1
    await asyncio.gather(first.round(), second.round())
    assert await clocks.stored_ticks(store) == ["mail 21 10:10"]
    assert count(figures, "accepted") == 1


async def test_a_leader_killed_before_it_knew_what_it_stored(tmp_path, clock):
    """SIGKILL right after the commit: the successor makes the tick again, the store has it, it is there once."""
    path = tmp_path / "store.db"
    script = str(ROOT / "tests" / "contract" / "eventing" / "tick_process.py")
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}", "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(sys.executable, script, str(path), env=environment)
    assert await process.wait() == -signal.SIGKILL
    store = await sqlite.SqliteStore.open(path=path)
    try:
        assert await clocks.stored_ticks(store) == ["mail 21 10:10"]
        one = make(store, clocks.make_known(clocks.make_function("mail", "*/10 * * * *")), clock)
        one.begin(clocks.at("2026-11-21T10:09:30"))
        await pass_time(one, clock, "2026-11-21T10:10:16")
        assert await clocks.stored_ticks(store) == ["mail 21 10:10"]
        assert (await store.conservation()).drift == 0
    finally:
        await store.close()


class Absent:
    """A store that is away for a number of calls, then the real one."""

    def __init__(self, store, times):
        self._store = store
        self.times = times

    async def accept(self, batch, *, now):
        if self.times:
            self.times -= 1
            raise errors.StoreUnavailable("the store is away")
        return await self._store.accept(batch, now=now)


async def test_a_store_that_is_away_is_tried_again(store, clock):
    """A tick is stored as soon as that is possible, if it is still due then, and counts as undone until then."""
    skip = clocks.make_function("skip", {"cron": "*/10 * * * *", "missed": "skip"})
    once = clocks.make_function("once", {"cron": "*/10 * * * *", "missed": "once"}, uid="u2")
    one = make(Absent(store, times=3), clocks.make_known(skip, once), clock)
    one.begin(clock())
    tick = clocks.at("2026-11-21T10:10")
    for second in (0, 10):
        clock.now = tick + second
        assert await one.round() == tick
    clock.now = tick + 40
    assert await one.round() == tick
    assert await clocks.stored_ticks(store) == []
    clock.now = tick + 50
    assert await one.round() is None
    assert await clocks.stored_ticks(store) == ["once 21 10:10"]


async def test_a_clock_that_is_set_back_repeats_nothing(store, clock):
    """Ticks made by a wrong clock are not made again by the right one, and the next ones are not missed."""
    one = make(store, clocks.make_known(clocks.make_function("mail", "*/10 * * * *")), clock)
    one.begin(clock())
    await pass_time(one, clock, "2026-11-21T10:10", "2026-11-21T12:10", "2026-11-21T10:11", "2026-11-21T10:20")
    assert await clocks.stored_ticks(store) == ["mail 21 10:10", "mail 21 10:20", "mail 21 12:10"]
    await pass_time(one, clock, *(f"2026-11-21T{hour}:{minute}" for hour in (11, 12) for minute in (10, 20)))
    assert (await clocks.stored_ticks(store))[-3:] == ["mail 21 11:20", "mail 21 12:10", "mail 21 12:20"]
    assert len(await clocks.stored_ticks(store)) == 6


async def test_a_schedule_begins_when_it_appears(store, clock):
    """Never before its Function, and not before anybody saw it, whoever leads then; one that went away ends."""
    every = {"cron": "*/10 * * * *", "missed": "once"}
    known = clocks.make_known(clocks.make_function("old", every))
    one = make(store, known, clock)
    clock.to("2026-11-21T10:05")
    known.put(clocks.make_function("added", every, uid="u2"))
    known.put(clocks.make_function("young", every, uid="u3", created="2026-11-21T10:05:00Z"))
    clock.to("2026-11-21T10:12")
    one.begin(clocks.at("2026-11-21T09:55"))
    known.put(clocks.make_function("late", every, uid="u4"))
    await pass_time(one, clock, "2026-11-21T10:12")
    assert await clocks.stored_ticks(store) == ["added 21 10:10", "old 21 10:10", "young 21 10:10"]
    known.drop(("shop", "old"))
    known.put(clocks.make_function("added", {**every, "cron": "*/20 * * * *"}, uid="u2"))
    known.put(clocks.make_function("young", every, uid="u3", created="2026-11-21T10:05:00Z", timeout="9s"))
    await pass_time(one, clock, "2026-11-21T10:20")
    assert (await clocks.stored_ticks(store))[3:] == ["added 21 10:20", "late 21 10:20", "young 21 10:20"]


async def test_a_function_made_anew_is_another_one(store, clock):
    """Deleted and made again under its name it has its ticks, also one that its predecessor had."""
    known = clocks.make_known(clocks.make_function("mail", "*/10 * * * *"))
    one = make(store, known, clock)
    one.begin(clock())
    await pass_time(one, clock, "2026-11-21T10:10:00")
    known.drop(("shop", "mail"))
    clock.to("2026-11-21T10:10:05")
    known.put(clocks.make_function("mail", "*/10 * * * *", uid="u2", created="2026-11-21T10:10:05Z"))
    await pass_time(one, clock, "2026-11-21T10:10:10", "2026-11-21T10:20")
    assert await clocks.stored_ticks(store) == ["mail 21 10:10", "mail 21 10:20"]


async def test_many_ticks_at_once(store, clock):
    """More than one batch: all of them, each for its own Function."""
    number = 2 * ticking.BATCH + 50
    functions = [clocks.make_function(f"f{each}", "*/10 * * * *", uid=f"u{each}") for each in range(number)]
    one = make(store, clocks.make_known(*functions), clock)
    one.begin(clock())
    await pass_time(one, clock, "2026-11-21T10:10")
    assert sorted(await clocks.stored_ticks(store)) == sorted(f"f{each} 21 10:10" for each in range(number))


@contextlib.asynccontextmanager
async def leading(one, since, told=None):
    async def ignore(_undone):
        pass

    task = asyncio.create_task(one.lead(since=since, told=told or ignore))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_stored(store, number):
    """Return the ticks once there are ``number``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := await clocks.stored_ticks(store)) < number:
        assert time.monotonic() < deadline, found
        await store.wait(seconds=0.2)
    return found


async def test_a_leader_sleeps_until_the_tick(store, clock):
    """Not before its instant, and without being asked; a schedule that comes meanwhile wakes it."""
    clock.runs = True
    clock.to("2026-11-21T10:09:59.800")
    known = clocks.make_known(clocks.make_function("mail", "0 0 1 1 *"))
    one = make(store, known, clock)
    async with leading(one, clock()):
        await asyncio.sleep(0)
        known.put(clocks.make_function("stock", "*/10 * * * *", uid="u2"))
        assert await until_stored(store, 1) == ["stock 21 10:10"]
    (found,) = (await store.list(namespace="shop")).items
    assert found.accepted >= clocks.at("2026-11-21T10:10")


async def test_who_leads_tells_what_is_undone(store, clock, monkeypatch):
    """After each round: the earliest tick that is not stored, then that all are."""
    monkeypatch.setattr(ticking, "RETRY_SECONDS", 0.01)
    told, tick = [], clocks.at("2026-11-21T10:10")
    ended = asyncio.Event()

    async def tell(undone):
        told.append(undone)
        if undone is None:
            ended.set()

    one = make(Absent(store, times=2), clocks.make_known(clocks.make_function("mail", "*/10 * * * *")), clock)
    clock.now = tick
    async with asyncio.timeout(PATIENCE_SECONDS), leading(one, tick - 60, tell):
        await ended.wait()
    assert told == [tick, tick, None]
    assert await clocks.stored_ticks(store) == ["mail 21 10:10"]
