"""Figures for Prometheus, and the answers to the kubelet's probes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import prometheus_client
from aiohttp import web
from prometheus_client import core, registry

from mayfly.cluster import queue, watch
from mayfly.model import status

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class State:
    """What the process is at; the leader fills in what it leads."""

    prepared: bool = False
    functions: watch.Cache | None = None
    queue: queue.WorkQueue[watch.Key] | None = None
    is_leader: Callable[[], bool] = lambda: False
    registry: prometheus_client.CollectorRegistry = field(default_factory=prometheus_client.CollectorRegistry)

    def __post_init__(self) -> None:
        self.reviews = prometheus_client.Counter(
            "mayfly_admission_reviews",
            "Functions looked at before they were stored.",
            ["verdict"],
            registry=self.registry,
        )
        prometheus_client.ProcessCollector(registry=self.registry)
        self.registry.register(_Collector(self))
        self.seconds = prometheus_client.Histogram(
            "mayfly_reconcile_seconds", "Time of one reconciliation.", buckets=BUCKETS, registry=self.registry
        )
        self.failures = prometheus_client.Counter(
            "mayfly_reconcile_failures", "Reconciliations that raised.", ["reason"], registry=self.registry
        )


class _Collector(registry.Collector):
    """Count when asked, so that no counter can drift from what it counts."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[core.Metric]:
        state = self._state
        leader = core.GaugeMetricFamily("mayfly_leader", "1 in the replica that writes.")
        leader.add_metric([], float(state.is_leader()))
        yield leader
        depth = core.GaugeMetricFamily("mayfly_queue_depth", "Functions that wait for a worker.")
        depth.add_metric([], float(state.queue.depth if state.queue else 0))
        yield depth
        functions = core.GaugeMetricFamily(
            "mayfly_functions", "Functions by the status of each condition.", labels=["condition", "status"]
        )
        counted = count_conditions(state.functions.list() if state.functions else ())
        for (kind, truth), number in sorted(counted.items()):
            functions.add_metric([kind, truth], float(number))
        yield functions


def count_conditions(functions: Iterable[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Return how many Functions have each status of each condition; one that was never set counts as Unknown."""
    counted: Counter[tuple[str, str]] = Counter()
    for function in functions:
        told = {item["type"]: item["status"] for item in (function.get("status") or {}).get("conditions") or ()}
        counted.update((str(kind), told.get(kind, "Unknown")) for kind in status.ConditionType)
    return counted


def make_app(state: State) -> web.Application:
    """Return the web application with ``/healthz``, ``/readyz`` and ``/metrics``."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        """A replica that waits for the lease is ready: it takes over when asked."""
        return web.Response(text="ok\n") if state.prepared else web.Response(status=503, text="starting\n")

    async def figures(_: web.Request) -> web.Response:
        text = prometheus_client.generate_latest(state.registry)
        return web.Response(body=text, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", figures)
    return app
