"""The work queue in an event loop."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mayfly import errors
from mayfly.cluster import queue

DEADLINE = 10.0


@contextlib.asynccontextmanager
async def running(work, handler, *, workers=4):
    task = asyncio.create_task(work.run(handler, workers=workers))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def work():
    return queue.WorkQueue(name="test", base_seconds=0.001, cap_seconds=0.002)


async def test_one_key_never_runs_twice_at_a_time(work):
    """Added while it runs, a key runs once more, afterwards."""
    runs, at_once, entered, go_on = [], 0, asyncio.Event(), asyncio.Event()
    finished = asyncio.Event()

    async def handle(key):
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        runs.append(key)
        entered.set()
        await go_on.wait()
        at_once -= 1
        if len(runs) == 2:
            finished.set()

    async with asyncio.timeout(DEADLINE), running(work, handle):
        work.add("a")
        await entered.wait()
        for _ in range(5):
            work.add("a")
        go_on.set()
        await finished.wait()
    assert runs == ["a", "a"]


async def test_failures_come_back_until_they_succeed(work):
    """A handler that raises is tried again; whatever it raises, other keys go on."""
    tries, good, bad = {"bad": 0}, asyncio.Event(), asyncio.Event()

    async def handle(key):
        if key == "good":
            good.set()
            return
        tries["bad"] += 1
        if tries["bad"] < 4:
            raise (errors.Conflict("changed"), ZeroDivisionError("x"), errors.Throttled("slow", retry_after_seconds=0))[
                tries["bad"] - 1
            ]
        bad.set()

    async with asyncio.timeout(DEADLINE), running(work, handle, workers=1):
        work.add("bad")
        work.add("good")
        await good.wait()
        await bad.wait()
    assert (tries["bad"], work.retries, work.depth) == (4, 3, 0)


async def test_a_returned_number_asks_to_look_again(work):
    """A handler that returns seconds is called again without anyone's adding."""
    count, third = 0, asyncio.Event()

    async def handle(_):
        nonlocal count
        count += 1
        if count == 3:
            third.set()
            return None
        return 0.001

    async with asyncio.timeout(DEADLINE), running(work, handle):
        work.add_after("a", 0)
        await third.wait()
    assert work.retries == 0


async def test_cut_short_keys_are_handled_by_the_next_run(work):
    """A key whose handling is cancelled (leadership lost) is handled when the queue runs again."""
    entered, again = asyncio.Event(), asyncio.Event()

    async def hang(_):
        entered.set()
        await asyncio.Event().wait()

    async def finish(_):
        again.set()

    async with asyncio.timeout(DEADLINE):
        async with running(work, hang):
            work.add("a")
            await entered.wait()
        async with running(work, finish):
            await again.wait()


async def test_many_keys_share_the_workers(work):
    """Five hundred keys at once all get their turn, in order, with so many at a time as there are workers."""
    seen, busy, most, everything = [], 0, 0, asyncio.Event()

    async def handle(key):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        seen.append(key)
        await asyncio.sleep(0)
        busy -= 1
        if len(seen) == 500:
            everything.set()

    for key in range(500):
        work.add(key)
    async with asyncio.timeout(DEADLINE), running(work, handle, workers=8):
        await everything.wait()
    assert seen == list(range(500))
    assert most == 8


async def test_a_cancellation_from_within_is_only_a_failure(work):
    """A handler whose own task was cancelled by others costs no worker; the key is tried again."""
    tries, again = 0, asyncio.Event()

    async def handle(_):
        nonlocal tries
        tries += 1
        if tries == 1:
            inner = asyncio.create_task(asyncio.Event().wait())
            asyncio.get_running_loop().call_soon(inner.cancel)
            await inner
        again.set()

    async with asyncio.timeout(DEADLINE), running(work, handle, workers=1):
        work.add("a")
        await again.wait()
    assert (tries, work.retries) == (2, 1)
