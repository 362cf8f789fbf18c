"""Make the metrics of functions: Envoy counts each request under the function that its route names. Pure.

Labels come from the route, the cluster and the endpoint, and the status: none has a value that a client can choose.
A function appears with its first request. One that is silent for ``EVICTION_SECONDS`` goes again, and no more than
``MAX_COUNTERS`` and ``MAX_HISTOGRAMS`` are kept, so that memory has an end.
"""

from __future__ import annotations

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2
from google.protobuf import wrappers_pb2

from mayfly.routing import wire

PREFIX = "mayfly_gateway"
REQUESTS = "requests_total"
DURATION = "request_duration_milliseconds"
BUCKETS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000)
"""Upper bounds in milliseconds, to Knative's largest function timeout."""
EVICTION_SECONDS = 6 * 3600
MAX_COUNTERS = 200_000
MAX_HISTOGRAMS = 40_000

_WHOSE = {
    "namespace": "%METADATA(ROUTE:mayfly:namespace)%",
    "function": "%METADATA(ROUTE:mayfly:function)%",
    "cold_start": "%UPSTREAM_METADATA(mayfly:cold)%",
}
_WHAT = _WHOSE | {"revision": "%METADATA(CLUSTER:mayfly:revision)%", "code": "%RESPONSE_CODE%"}
_SCOPE = 6
"""Field of the logger's ``Config`` that ``stats_pb2`` does not know yet, an ``envoy.type.v3.Scope``."""
_SCOPE_MAX_COUNTERS, _SCOPE_MAX_HISTOGRAMS, _SCOPE_EVICTION, _SCOPE_PREFIX, _SCOPE_SHARING = 1, 3, 4, 5, 6


def make_counting(functions: accesslog_pb2.AccessLogFilter) -> accesslog_pb2.AccessLog:
    """Return the logger that counts what passes ``functions`` and measures how long it took."""
    made = stats_pb2.Config()
    requests = made.counters.add(value_fixed=wrappers_pb2.UInt64Value(value=1))
    requests.stat.name = REQUESTS
    duration = made.histograms.add(unit=stats_pb2.Config.Histogram.Milliseconds, value_format="%DURATION%")
    duration.stat.name = DURATION
    for stat, tags in ((requests.stat, _WHAT), (duration.stat, _WHOSE)):
        for name, value in tags.items():
            stat.tags.add(name=name, value_format=value)
    made.MergeFromString(wire.field(_SCOPE, _make_scope()))
    logger = accesslog_pb2.AccessLog(name="envoy.access_loggers.stats", filter=functions)
    logger.typed_config.Pack(made, deterministic=True)
    return logger


def _make_scope() -> bytes:
    """Return the scope that all listeners share."""
    return (
        wire.field(_SCOPE_MAX_COUNTERS, wire.serialise(wrappers_pb2.UInt32Value(value=MAX_COUNTERS)))
        + wire.field(_SCOPE_MAX_HISTOGRAMS, wire.serialise(wrappers_pb2.UInt32Value(value=MAX_HISTOGRAMS)))
        + wire.number(_SCOPE_EVICTION, 1)
        + wire.field(_SCOPE_PREFIX, PREFIX)
        + wire.field(_SCOPE_SHARING, PREFIX)
    )
