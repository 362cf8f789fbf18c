"""From a stored event to its delivery: how many a second, how late each is, and what a process of many waiting takes.

``python -m tests.bench.bench_delivery [FOLDER]`` needs no cluster. The function, a real Envoy with the gateway's own
configuration, and the dispatcher over one store are processes of their own on this machine; the dispatcher's prints
its figures. ``rate`` is how fast a backlog is worked off; ``lag`` is from the instant at which an event was due to the
sending of its request, with 500 events a second stored by the same process; ``flood`` is how much longer one tenant's
events take from acceptance to sending while another's 20,000 are worked off (p95 by p95).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import uvloop

from mayfly.eventing import kinds as kind_names
from mayfly.eventing import known, metrics, publish, target
from mayfly.eventing.delivery import dispatch, post
from mayfly.events import event
from mayfly.outside import client as outside
from mayfly.store import ids, interface, postgres, records, sqlite
from tests import ports
from tests.bench import bench_store, figures
from tests.contract.eventing import deliveries
from tests.contract.gateway import conftest
from tests.contract.store import server
from tests.unit.routing import objects

HOSTS = {"shop": "mail.shop.svc.cluster.local", "flood": "mail.flood.svc.cluster.local"}
BACKLOG = 5000
PER_SECOND = 500
SECONDS = 10
BEAT = 0.01
FLOOD = 20_000
CALM_PER_SECOND = 20
CALM_SECONDS = 5
WAITING = 100_000
GOAL_LAG = 50.0
GOAL_MEMORY = 250.0


class Figures(metrics.Figures):
    """The process's own, and every lag by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.lags: list[float] = []

    def sent(self, *, lag: float) -> None:
        """Take note of a lag."""
        super().sent(lag=lag)
        self.lags.append(lag)


async def function(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Be a warm function: read the event, answer 200 (ASGI)."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def run(_cluster: object, _env: dict[str, str], folder: str | None = None) -> None:
    """Measure both stores, one after the other."""
    for backend in ("sqlite", "postgres"):
        made = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-bench-", dir=folder or "/var/tmp"))
        try:
            async with _serve(made) as url:
                words = [sys.executable, "-m", "tests.bench.bench_delivery", str(made), backend, url]
                process = await asyncio.create_subprocess_exec(*words)
                if await process.wait():
                    raise SystemExit(f"the benchmark of {backend} failed")
        finally:
            shutil.rmtree(made)


@contextlib.asynccontextmanager
async def _serve(folder: pathlib.Path) -> AsyncIterator[str]:
    """Give the URL of a gateway's internal listener, with the function of each namespace behind it."""
    port = ports.free_port()
    words = [
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--no-access-log",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]
    behind = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "tests.bench.bench_delivery:function", *words
    )
    try:
        async with conftest.run(folder) as gateway:
            for namespace, host in HOSTS.items():
                way = objects.path(objects.split("mail", namespace=namespace))
                rule = objects.rule([host], way, visibility="ClusterLocal")
                gateway.put(
                    objects.service("mail", namespace=namespace),
                    objects.slice_("mail", "127.0.0.1", port=port, namespace=namespace),
                    objects.ingress("mail", rule, namespace=namespace),
                )

            async def serves() -> bool:
                answers = [await gateway.call(host, listener="internal", method="POST") for host in HOSTS.values()]
                return [status for status, _ in answers] == [200, 200]

            await conftest.until(serves, what="the functions to answer")
            yield f"http://127.0.0.1:{gateway.internal}"
    finally:
        behind.terminate()
        await behind.wait()


@dataclasses.dataclass
class Bench:
    """One dispatcher over one store."""

    store: interface.Store
    figures: Figures
    known: known.Known

    async def accept(self, namespace: str, number: int) -> list[records.NewInvocation]:
        """Have so many events stored, each by itself, as the door would, and return what was stored."""
        to = self.known.get(namespace, "mail")
        assert to is not None
        made = [self.make(to) for _ in range(number)]
        await asyncio.gather(*(self.store.accept([one], now=one.due) for one in made))
        return made

    def make(self, to: target.Target) -> records.NewInvocation:
        """Return an event for ``to``, due now."""
        now = time.time()
        attributes = {"specversion": "1.0", "id": ids.make_id(now), "source": "/bench", "type": "t"}
        one = event.make_event({**attributes, "datacontenttype": "application/json"}, bench_store.BODY)
        origin = publish.Origin(kind_names.Kind.EVENT)
        (made,) = publish.make_event_invocations(one, [to], origin=origin, now=now)
        return made

    async def offer(self, namespace: str, per_second: int, seconds: float) -> list[float]:
        """Store events at a steady rate, whatever becomes of them, and return their lags once all were sent."""
        self.figures.lags.clear()
        tasks, begun, beats = [], time.perf_counter(), round(seconds / max(BEAT, 1 / per_second))
        for beat in range(beats):
            wait = begun + beat * seconds / beats - time.perf_counter()
            await asyncio.sleep(max(0.0, wait))
            tasks.append(asyncio.create_task(self.accept(namespace, round(per_second * seconds / beats))))
        await asyncio.gather(*tasks)
        await self.drain(namespace)
        return list(self.figures.lags)

    async def drain(self, *namespaces: str) -> None:
        """Wait until nothing of ``namespaces`` waits or is under way."""

        async def is_empty() -> bool:
            counts = await self.store.counts()
            return not any(counts[name, "mail"].waiting + counts[name, "mail"].leased for name in namespaces)

        await deliveries.until(is_empty, seconds=300)


async def measure(folder: pathlib.Path, backend: str, url: str) -> None:
    """Print every figure of one store."""
    async with _open(folder, backend) as store, _dispatch(store, url) as bench:
        await bench.offer("shop", PER_SECOND, 2)  # the function, the connections and the pace are warm
        lags = await bench.offer("shop", PER_SECOND, SECONDS)
        partner = {"offered_per_second": PER_SECOND, "sent": len(lags)}
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            goal = GOAL_LAG if name == "p95" else None
            value = figures.quantile(lags, share) * 1000
            figures.print_figure(f"delivery_{backend}_lag_{name}", value, "ms", goal=goal, partner=partner)
        await _measure_rate(bench, backend)
        await _measure_flood(bench, backend)
        await _measure_memory(bench, backend)
        drift = (await store.conservation()).drift
        figures.print_figure(f"delivery_{backend}_drift", drift, "invocations", goal=0)


async def _measure_rate(bench: Bench, backend: str) -> None:
    """Work a backlog off that came at once."""
    for _ in range(BACKLOG // 500):
        await bench.accept("shop", 500)
    before = (await bench.store.counts())["shop", "mail"].waiting
    begun = time.perf_counter()
    await bench.drain("shop")
    rate = before / (time.perf_counter() - begun)
    figures.print_figure(f"delivery_{backend}_rate", rate, "1/s", partner={"backlog": before})


async def _measure_flood(bench: Bench, backend: str) -> None:
    """Measure one tenant's delays, alone and while another's flood is worked off."""
    ends = time.perf_counter() + CALM_SECONDS
    idle = figures.quantile(await _measure_delays(bench, lambda _waiting: time.perf_counter() > ends), 0.95)
    flooded = target.parse_target(_name("flood"))
    assert flooded is not None
    bench.known.put(_name("flood"))
    for _ in range(FLOOD // 500):
        await bench.store.accept([bench.make(flooded) for _ in range(500)], now=time.time())
    p95 = figures.quantile(await _measure_delays(bench, lambda waiting: waiting < FLOOD // 20), 0.95)
    partner = {"idle_p95_ms": round(idle * 1000, 2), "p95_ms": round(p95 * 1000, 2)}
    figures.print_figure(f"delivery_{backend}_flood", p95 / idle, "ratio", goal=2, partner=partner)
    await bench.drain("flood")


async def _measure_delays(bench: Bench, is_over: Callable[[int], bool]) -> list[float]:
    """Return from acceptance to sending the seconds of events that come one by one until ``is_over``.

    It is told how many of the flood wait.
    """
    stored: dict[str, float] = {}
    while not is_over((await bench.store.counts()).get(("flood", "mail"), records.Count()).waiting):
        (one,) = await bench.accept("shop", 1)
        stored[one.id] = time.time()
        await asyncio.sleep(1 / CALM_PER_SECOND)
    await bench.drain("shop")
    found = {one: await bench.store.attempts(namespace="shop", invocation_id=one) for one in stored}
    assert found, "the flood was over at once"
    return [max(0.0, found[one][0].started - stored[one]) for one in stored]


async def _measure_memory(bench: Bench, backend: str) -> None:
    """Have many wait for later, while others are delivered."""
    later = time.time() + 3600
    flooded = target.parse_target(_name("flood"))
    assert flooded is not None
    for _ in range(WAITING // 500):
        made = [dataclasses.replace(bench.make(flooded), due=later) for _ in range(500)]
        await bench.store.accept(made, now=time.time())
    await bench.offer("shop", PER_SECOND, 2)
    memory = bench_store._read_memory()
    figures.print_figure(f"delivery_{backend}_memory", memory, "MB", goal=GOAL_MEMORY, partner={"waiting": WAITING})


def _name(namespace: str) -> dict[str, Any]:
    metadata = {"name": "mail", "namespace": namespace, "uid": namespace}
    return {"metadata": metadata, "spec": {"source": {"inline": {"main.py": ""}}, "scaling": {"min": 1}}}


@contextlib.asynccontextmanager
async def _open(folder: pathlib.Path, backend: str) -> AsyncIterator[interface.Store]:
    if backend == "sqlite":
        store: interface.Store = await sqlite.SqliteStore.open(path=folder / "store.db")
        yield store
        await store.close()
        return
    started = server.make(folder)
    try:
        store = await postgres.PostgresStore.open(dsn=started.dsn)
        yield store
        await store.close()
    finally:
        started.stop()


@contextlib.asynccontextmanager
async def _dispatch(store: interface.Store, url: str) -> AsyncIterator[Bench]:
    bench = Bench(store, Figures(), known.Known())
    for namespace in HOSTS:
        bench.known.put(_name(namespace))
    async with post.open_session(connections=512) as session, outside.Outside(hosts=(), networks=()) as out:
        sender = post.Post(session=session, gateway_url=url, token=lambda: "token", outside=out)
        one = dispatch.Dispatcher(
            store=store,
            known=bench.known,
            post=sender,
            figures=bench.figures,
            worker="bench",
            me="bench",
            members=lambda: ("bench",),
            connections=512,
        )
        running = asyncio.create_task(one.run())
        try:
            yield bench
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def main(words: Iterable[str]) -> None:
    """Measure what ``words`` name, or everything."""
    folder, *more = [*words, *[""] * 3][:3]
    if more[0]:
        uvloop.run(measure(pathlib.Path(folder), more[0], more[1]))
    else:
        asyncio.run(run(None, {}, folder or None))


if __name__ == "__main__":
    main(sys.argv[1:])
