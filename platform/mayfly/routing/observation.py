"""Say what the gateway tells of the requests that it takes. Pure."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """Hold what is logged and traced; the defaults are what is installed."""

    log: bool = True
    """One line on Envoy's standard output for each request."""
    log_minimum_status: int = 0
    """Requests answered with a lower status are not logged."""
    otlp_endpoint: str = ""
    """``HOST:PORT`` of a collector that takes OTLP over gRPC; empty: nothing is exported."""
    sampling_percent: float = 1.0
    """Share of the traces that begin here which is exported."""
