"""Answer the kubelet's probes and Prometheus."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import prometheus_client
from aiohttp import web
from prometheus_client import core, registry

from mayfly.gateway import metrics_page, table, xds
from mayfly.routing import edge

ENVOY_SECONDS = 5.0
"""Longest wait for Envoy's metrics; a scrape's own limit is 10 s by default."""


@dataclasses.dataclass(slots=True)
class State:
    """What the process is at."""

    known: table.Table
    server: xds.Server | None = None
    serving: bool = False
    is_leader: Callable[[], bool] = lambda: False
    queued: Callable[[], int] = lambda: 0
    envoy_port: int = 0
    """Where Envoy's metrics are on this machine; 0: nowhere."""


class _Collector(registry.Collector):
    """Count when asked."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[core.Metric]:
        state = self._state
        figures = {
            "mayfly_gateway_leader": ("1 in the replica that writes statuses.", float(state.is_leader())),
            "mayfly_gateway_ingresses": ("Ingresses that are routed.", state.known.size),
            "mayfly_gateway_streams": ("Envoys that are connected.", state.server.streams if state.server else 0),
            "mayfly_gateway_queue_depth": ("Ingresses whose status waits for a worker.", state.queued()),
            "mayfly_gateway_refusals": ("Configurations that Envoy refused since the start.", state.known.refusals),
        }
        for name, (text, value) in figures.items():
            yield core.GaugeMetricFamily(name, text, value=value)


def make_app(state: State) -> web.Application:
    """Return the web application with ``/healthz``, ``/readyz`` and ``/metrics``."""
    figures = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=figures)
    figures.register(_Collector(state))

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if state.serving else web.Response(status=503, text="starting\n")

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": prometheus_client.CONTENT_TYPE_PLAIN_0_0_4}
        envoys = await _ask_envoy(state.envoy_port) if state.envoy_port else b""
        return web.Response(body=prometheus_client.generate_latest(figures) + envoys, headers=headers)

    app = web.Application()
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    return app


async def _ask_envoy(port: int) -> bytes:
    """Return Envoy's metrics, and whether it gave them."""
    page = b""
    timeout = aiohttp.ClientTimeout(total=ENVOY_SECONDS)
    url = f"http://{edge.LOOPBACK}:{port}{metrics_page.PAGE}"
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(url) as answer:
            page = metrics_page.rename(await answer.read())
    return metrics_page.UP % bool(page) + page


@contextlib.asynccontextmanager
async def serve(state: State, *, port: int) -> AsyncIterator[None]:
    """Answer on ``port`` while the context lasts."""
    runner = web.AppRunner(make_app(state), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
