"""Figures of the builder for Prometheus (https://prometheus.io/docs/practices/naming/)."""

from __future__ import annotations

import prometheus_client as prometheus

from mayfly.model import build

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """The figures of one process, in a collection of their own."""

    def __init__(self) -> None:
        self._collection = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._collection)
        self._builds = prometheus.Counter(
            "mayfly_builds", "Builds by result.", ["result", "reason"], registry=self._collection
        )
        self._steps = prometheus.Histogram(
            "mayfly_build_step_seconds", "Seconds by step.", ["step"], buckets=_BUCKETS, registry=self._collection
        )
        self.waiting = prometheus.Gauge("mayfly_builds_waiting", "Builds in the queue.", registry=self._collection)
        self.running = prometheus.Gauge("mayfly_builds_running", "Builds under way.", registry=self._collection)

    def count(self, status: build.BuildStatus) -> None:
        """Take note of a final ``status``."""
        result = "cached" if status.cached else status.state.value
        self._builds.labels(result, status.reason or "").inc()
        for step in status.steps:
            self._steps.labels(step.name).observe(step.seconds)

    def render(self) -> bytes:
        """Return all figures in the text format 0.0.4."""
        return prometheus.generate_latest(self._collection)


CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
