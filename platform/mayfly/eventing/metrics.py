"""Figures for Prometheus: what came in, what became of it, how late it is, and whether the books balance."""

from __future__ import annotations

import prometheus_client


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

    def accepted(self, *, namespace: str, function: str, kind: str) -> None:
        """Count an invocation that was stored."""
        self._accepted.labels(namespace=namespace, function=function, kind=kind).inc()

    def duplicate(self, *, namespace: str, function: str) -> None:
        """Count an invocation that was sent again."""
        self._duplicates.labels(namespace=namespace, function=function).inc()

    def refused(self, *, reason: str) -> None:
        """Count a request that was refused."""
        self._refused.labels(reason=reason).inc()

    def unwanted(self, *, namespace: str) -> None:
        """Count an event that nobody wanted."""
        self._unwanted.labels(namespace=namespace).inc()

    def _count(self, name: str, text: str, labels: list[str]) -> prometheus_client.Counter:
        return prometheus_client.Counter(f"mayfly_eventing_{name}", text, labels, registry=self.registry)
