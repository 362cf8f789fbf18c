"""Figures for Prometheus: what came in, what became of it, how late it is, and whether the books balance."""

from __future__ import annotations

import prometheus_client

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 3600.0)
LONG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
"""Bounds of histograms, in seconds."""


class Figures:
    """Counters that this process keeps itself; what the store knows better is read from there when asked."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
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
