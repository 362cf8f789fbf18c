"""Figures for Prometheus: what came in, what became of it, how late it is, and whether the books balance."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable

import prometheus_client
from aiohttp import web

from mayfly.eventing import gauges, known
from mayfly.store import interface

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 3600.0)
LONG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
"""Bounds of histograms, in seconds."""


class Figures:
    """Counters that this process keeps itself; what the store knows better is read from there when asked."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self.is_leader: Callable[[], bool] = lambda: False
        """Whether this replica does what is to be done once for all."""
        leader = prometheus_client.Gauge(
            "mayfly_eventing_leader", "1 in the replica that ticks.", registry=self.registry
        )
        leader.set_function(lambda: float(self.is_leader()))
        self._gauges: gauges.Gauges | None = None
        queue = ["namespace", "function"]
        self._accepted = self._count("accepted", "Invocations stored, durably, before their 202.", [*queue, "kind"])
        self._duplicates = self._count("duplicates", "Invocations that were there already.", queue)
        self._refused = self._count("refused", "Requests that were not accepted.", ["reason"])
        self._unwanted = self._count("unwanted_events", "Events for which no trigger was found.", ["namespace"])
        self._missed = self._count("missed_ticks", "Ticks of schedules that came too late to be made.", queue)
        self._ended = self._count(
            "attempts", "Attempts by what followed; dead also without one.", [*queue, "outcome", "reason"]
        )
        self._seconds = self._measure("attempt_seconds", "Seconds from the sending to the end of the answer.", LONG)
        self._lag = self._measure("delivery_lag_seconds", "Seconds from when it was due to the sending.", SHORT)
        self._under_way = prometheus_client.Gauge(
            "mayfly_eventing_deliveries_in_flight", "Deliveries under way here.", registry=self.registry
        )

    def read(self, *, store: interface.Store, known: known.Known) -> None:
        """Tell from now on also what ``store`` and ``known`` hold."""
        self._gauges = gauges.Gauges(store=store, known=known)
        self.registry.register(self._gauges)

    async def render(self) -> bytes:
        """Return all figures as Prometheus reads them; in a thread, since there may be tens of thousands."""
        if self._gauges is not None:
            await self._gauges.refresh()
        return await asyncio.to_thread(prometheus_client.generate_latest, self.registry)

    async def close(self) -> None:
        """End what is being read."""
        if self._gauges is not None:
            await self._gauges.close()

    # -- deliveries --

    def sent(self, *, lag: float) -> None:
        """Take note that an attempt began, ``lag`` seconds after it was due."""
        self._lag.observe(lag)

    def tried(self, *, seconds: float) -> None:
        """Take note that an attempt took ``seconds``."""
        self._seconds.observe(seconds)

    def ended(self, *, namespace: str, function: str, outcome: str, reason: str) -> None:
        """Count what followed an attempt: ``delivered``, ``retried``, or ``dead`` for ``reason``."""
        self._ended.labels(namespace=namespace, function=function, outcome=outcome, reason=reason).inc()

    def under_way(self, number: int) -> None:
        """Take note of how many deliveries are under way."""
        self._under_way.set(number)

    # -- what comes in --

    def accepted(self, *, namespace: str, function: str, kind: str) -> None:
        """Count an invocation that was stored."""
        self._accepted.labels(namespace=namespace, function=function, kind=kind).inc()

    def duplicate(self, *, namespace: str, function: str) -> None:
        """Count an invocation that was sent again."""
        self._duplicates.labels(namespace=namespace, function=function).inc()

    def refused(self, *, reason: str) -> None:
        """Count a request that was refused."""
        self._refused.labels(reason=reason).inc()

    def missed(self, *, namespace: str, function: str, number: int) -> None:
        """Count ticks of a schedule that are not made any more."""
        self._missed.labels(namespace=namespace, function=function).inc(number)

    def unwanted(self, *, namespace: str) -> None:
        """Count an event that nobody wanted."""
        self._unwanted.labels(namespace=namespace).inc()

    def _measure(self, name: str, text: str, buckets: tuple[float, ...]) -> prometheus_client.Histogram:
        return prometheus_client.Histogram(f"mayfly_eventing_{name}", text, buckets=buckets, registry=self.registry)

    def _count(self, name: str, text: str, labels: list[str]) -> prometheus_client.Counter:
        return prometheus_client.Counter(f"mayfly_eventing_{name}", text, labels, registry=self.registry)


@dataclasses.dataclass(slots=True)
class Readiness:
    """Whether callers are to be sent here: once ``serving`` is set, and while ``stays`` says so.

    It is set when all Functions were seen and the store was opened. A store that is away later takes nothing back:
    an answer 503 of this process says more than a Service without endpoints.
    """

    stays: Callable[[], bool] = lambda: True
    serving: bool = False

    def __call__(self) -> bool:
        """Say whether they are."""
        return self.serving and self.stays()


def make_app(figures: Figures, *, is_ready: Callable[[], bool]) -> web.Application:
    """Return the web application with ``/healthz``, ``/readyz`` and ``/metrics``."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if is_ready() else web.Response(status=503, text="not ready\n")

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        return web.Response(body=await figures.render(), headers=headers)

    app = web.Application()
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    return app


@contextlib.asynccontextmanager
async def serve(
    figures: Figures, is_ready: Callable[[], bool], *, port: int, host: str | None = None
) -> AsyncIterator[int]:
    """Answer probes and scrapes on ``port`` (0 takes a free one) and give the port; ``None`` is every address."""
    runner = web.AppRunner(make_app(figures, is_ready=is_ready), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host=host, port=port).start()
        address: tuple[str, int] = runner.addresses[0]
        yield address[1]
    finally:
        await runner.cleanup()
        await figures.close()
