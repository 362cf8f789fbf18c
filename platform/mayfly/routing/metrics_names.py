"""Name the metrics of functions and say how durations are grouped. Pure, and light enough for Envoy's own container."""

from __future__ import annotations

PREFIX = "mayfly_gateway"
REQUESTS = "requests_total"
DURATION = "request_duration_milliseconds"
BUCKETS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000)
"""Upper bounds of durations in milliseconds, to Knative's largest function timeout."""
EVICTION_SECONDS = 6 * 3600
"""A function that is silent for so long, or at most twice as long, is no longer among the metrics."""
