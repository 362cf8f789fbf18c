"""Builds are waited for aside, once per key, and waking is all that comes of it."""

from __future__ import annotations

import asyncio

import pytest

from mayfly import errors
from mayfly.cluster import watch
from mayfly.model import build
from mayfly.reconcile import waiting

KEY = watch.Key("shop", "hello")
RUNNING = build.BuildStatus(state="running", fingerprint="f")
DONE = build.BuildStatus(state="succeeded", fingerprint="f", image="i")


def make_request(text="1"):
    return build.BuildRequest.model_validate(
        {"namespace": "shop", "name": "hello", "source": {"inline": {"files": {"a.py": text}}}}
    )


class Slow:
    """A builder whose long polls end when the test says so."""

    def __init__(self):
        self.finish = asyncio.Event()
        self.answer = DONE
        self.waits = []

    async def ask(self, *, request, wait_seconds):
        self.waits.append(wait_seconds)
        if wait_seconds < waiting.LONG_WAIT_SECONDS:
            return RUNNING
        await self.finish.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def slow():
    return Slow()


@pytest.fixture
async def woken(slow):
    """The waiters and the queue of keys that they woke."""
    keys = asyncio.Queue()
    waiters = waiting.Waiters(slow, keys.put_nowait)
    yield waiters, keys
    await waiters.close()


@pytest.mark.parametrize("answer", [DONE, errors.BuilderUnavailable("gone")], ids=["done", "trouble"])
async def test_the_key_wakes_when_there_is_news(slow, woken, answer):
    """Good or bad: the next turn finds out which."""
    waiters, keys = woken
    assert await waiters.ask(KEY, make_request(), wait_seconds=0.5) == RUNNING
    slow.answer = answer
    slow.finish.set()
    assert await keys.get() == KEY


FAILED = build.BuildStatus(state="failed", fingerprint="f", reason="SourceUnavailable", temporary=True)


@pytest.mark.parametrize("answer", [DONE, FAILED], ids=["done", "failed"])
async def test_what_was_waited_for_is_told_to_the_next_turn(slow, woken, answer):
    """Once, without asking again: the builder forgets what time may mend, and would begin anew."""
    waiters, keys = woken
    await waiters.ask(KEY, make_request(), wait_seconds=0.5)
    slow.answer = answer
    slow.finish.set()
    await keys.get()
    asked = len(slow.waits)
    assert await waiters.ask(KEY, make_request(), wait_seconds=0.5) == answer
    assert len(slow.waits) == asked
    assert await waiters.ask(KEY, make_request(), wait_seconds=0.5) == RUNNING


@pytest.mark.parametrize("other", [make_request("2"), make_request().model_copy(update={"look": "2"})])
async def test_news_of_another_question_is_none(slow, woken, other):
    """The source has changed meanwhile, or another look at its branch is due."""
    waiters, keys = woken
    await waiters.ask(KEY, make_request(), wait_seconds=0.5)
    slow.finish.set()
    await keys.get()
    assert await waiters.ask(KEY, other, wait_seconds=0.5) == RUNNING


async def test_one_build_is_waited_for_once(slow, woken):
    """However often the key is looked at meanwhile."""
    waiters, keys = woken
    for _ in range(3):
        await waiters.ask(KEY, make_request(), wait_seconds=0.5)
    slow.finish.set()
    await keys.get()
    assert slow.waits.count(waiting.LONG_WAIT_SECONDS) == 1


async def test_a_new_request_replaces_the_old(slow, woken):
    """Nobody is interested in the build of a source that is gone."""
    waiters, keys = woken
    for text in ("1", "2"):
        await waiters.ask(KEY, make_request(text), wait_seconds=0.5)
        await asyncio.sleep(0)
    slow.finish.set()
    await keys.get()
    assert keys.empty()


async def test_a_crowd_does_not_take_every_worker(slow, woken):
    """Beyond the places nobody waits in place."""
    waiters, _ = woken
    count = waiting.PLACES + 3
    all_in, entered = asyncio.Barrier(count), []

    async def ask(*, request, wait_seconds):
        entered.append(wait_seconds)
        await all_in.wait()
        return DONE

    slow.ask = ask
    keys = [watch.Key("shop", str(number)) for number in range(count)]
    await asyncio.gather(*(waiters.ask(key, make_request(), wait_seconds=0.5) for key in keys))
    assert sorted(entered) == [0.0] * 3 + [0.5] * waiting.PLACES
