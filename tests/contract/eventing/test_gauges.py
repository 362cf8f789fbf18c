"""Probes and figures over HTTP, read from the real store."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from mayfly import errors
from mayfly.eventing import gauges, metrics
from mayfly.store import records, sqlite
from tests.contract.eventing import clock as clocks
from tests.contract.store import make


@pytest.fixture
async def store(tmp_path):
    opened = await sqlite.SqliteStore.open(path=tmp_path / "store.db")
    yield opened
    await opened.close()


async def get(port, path):
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def scrape(port):
    """Return the samples by name and labels, in the order of the page."""
    status, text = await get(port, "/metrics")
    assert status == 200
    found = re.findall(r"^(mayfly_eventing_\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return {name.removeprefix("mayfly_eventing_"): float(value) for name, value in found}


async def test_probes():
    """Alive at once; ready once it serves, and not any more when it is to stop."""
    stopping = asyncio.Event()
    ready = metrics.Readiness(lambda: not stopping.is_set())
    async with metrics.serve(metrics.Figures(), ready, port=0, host="127.0.0.1") as port:
        assert (await get(port, "/healthz"))[0] == 200
        assert (await get(port, "/readyz"))[0] == 503
        ready.serving = True
        assert (await get(port, "/readyz"))[0] == 200
        stopping.set()
        assert (await get(port, "/readyz"))[0] == 503
        assert (await get(port, "/healthz"))[0] == 200


async def test_figures_come_from_the_store(store):
    """What stands where, how late, that the books balance, who leads; before there is a store, what there is."""
    figures = metrics.Figures()
    await make.kill(store)
    await make.accept_one(store)
    await make.accept_one(store, function="stock", due=make.NOW + 10**9)
    async with metrics.serve(figures, metrics.Readiness(), port=0, host="127.0.0.1") as port:
        assert (await scrape(port))["leader"] == 0
        figures.read(store=store, known=clocks.make_known(clocks.make_function("mail")))
        figures.is_leader = lambda: True
        found = await scrape(port)
    states = {name: value for name, value in found.items() if name.startswith("invocations{")}
    assert states == {
        'invocations{function="mail",namespace="shop",state="waiting"}': 1,
        'invocations{function="mail",namespace="shop",state="dead"}': 1,
        'invocations{function="stock",namespace="shop",state="waiting"}': 1,
    }
    assert found['lag_seconds{function="mail",namespace="shop"}'] > 0
    assert found['lag_seconds{function="stock",namespace="shop"}'] == 0
    assert (found["drift"], found["leader"], found["functions"], found["store_up"]) == (0, 1, 1, 1)


class Drifted:
    """A store that is out of its books, and slow to count them; ``counted`` tells how often somebody asked."""

    def __init__(self):
        self.counted = 0
        self.may_end = asyncio.Event()
        self.is_away = False

    async def counts(self):
        if self.is_away:
            raise errors.StoreUnavailable("away")
        return {}

    async def lags(self):
        return {}

    async def conservation(self):
        self.counted += 1
        await self.may_end.wait()
        return records.Conservation(records.Count(accepted=5, waiting=4), {records.State.WAITING: 3})


async def test_slow_counting_holds_up_no_scrape(monkeypatch):
    """It goes on beside, once at a time and not too often; the next scrape has it."""
    monkeypatch.setattr(gauges, "WAIT_SECONDS", 0.05)
    figures, store = metrics.Figures(), Drifted()
    figures.read(store=store, known=clocks.make_known())
    async with metrics.serve(figures, metrics.Readiness(), port=0, host="127.0.0.1") as port:
        for _ in range(2):
            assert "drift" not in await scrape(port)
        store.may_end.set()
        assert (await scrape(port))["drift"] == 2
        assert (await scrape(port))["drift"] == 2
    assert store.counted == 1


async def test_a_store_that_is_away_is_said():
    """Its old figures are not told as if they were true now."""
    figures, store = metrics.Figures(), Drifted()
    store.may_end.set()
    figures.read(store=store, known=clocks.make_known())
    async with metrics.serve(figures, metrics.Readiness(), port=0, host="127.0.0.1") as port:
        assert (await scrape(port))["store_up"] == 1
        store.is_away = True
        found = await scrape(port)
    assert found["store_up"] == 0


async def test_counting_under_way_ends_with_the_process():
    """Nothing is left behind."""
    figures, store = metrics.Figures(), Drifted()
    figures.read(store=store, known=clocks.make_known())
    async with metrics.serve(figures, metrics.Readiness(), port=0, host="127.0.0.1"):
        for reading in figures._gauges._readings:
            reading.start()
        await asyncio.sleep(0)
    assert store.counted == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
