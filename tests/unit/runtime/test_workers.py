"""Threads for synchronous code."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from mayfly_runtime import workers

color: contextvars.ContextVar[str] = contextvars.ContextVar("color")


async def test_context_and_outcome():
    """The function sees the caller's context variables; results and exceptions come back."""
    threads = workers.Workers(2)
    color.set("red")
    assert await threads.run(color.get) == "red"
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)
    with pytest.raises(SystemExit):
        await threads.run(exit, 3)
    with pytest.raises(RuntimeError, match="StopIteration: 5"):
        await threads.run(next, iter_that_stops())


def iter_that_stops():
    def produce():
        return 5
        yield

    return produce()


async def test_size_one_is_one_thread():
    """With one worker every job runs on the same thread, one after the other."""
    threads = workers.Workers(1)
    names = await asyncio.gather(*(threads.run(threading.get_ident) for _ in range(20)))
    assert len(set(names)) == 1


async def test_no_more_than_size():
    """Jobs beyond the size wait their turn."""
    threads, gate, running, begun = workers.Workers(3), threading.Event(), [], threading.Semaphore(0)

    def work():
        running.append(1)
        begun.release()
        gate.wait(30)

    jobs = [asyncio.create_task(threads.run(work)) for _ in range(6)]
    for _ in range(3):
        await asyncio.to_thread(begun.acquire, timeout=30)
    assert len(running) == 3
    gate.set()
    await asyncio.gather(*jobs)
    assert len(running) == 6


async def test_stuck_thread_is_replaced():
    """A job whose caller has given up does not keep its place; when it returns the surplus thread ends."""
    threads, gate, began = workers.Workers(1), threading.Event(), threading.Event()

    def hang():
        began.set()
        gate.wait(30)

    stuck = asyncio.create_task(threads.run(hang))
    await asyncio.to_thread(began.wait, 30)
    stuck.cancel()
    assert await threads.run(lambda: "free") == "free"
    gate.set()
    assert await threads.run(lambda: "still") == "still"


async def test_job_cancelled_in_line_never_runs():
    """A caller that gives up before its turn leaves nothing behind."""
    threads, gate, began, ran = workers.Workers(1), threading.Event(), threading.Event(), []

    def hold():
        began.set()
        gate.wait(30)

    first = asyncio.create_task(threads.run(hold))
    await asyncio.to_thread(began.wait, 30)
    second = asyncio.create_task(threads.run(ran.append, 2))
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    await first
    await threads.run(ran.append, 3)
    assert ran == [3]
