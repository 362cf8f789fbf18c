"""Make the metrics of functions: Envoy counts each request under the function that its route names. Pure.

Labels come from the route, the cluster and the endpoint, and the status: none has a value that a client can choose.
A function appears with its first request. One that is silent for long goes again (``metrics_names.EVICTION_SECONDS``),
and no more than ``MAX_COUNTERS`` and ``MAX_HISTOGRAMS`` are kept, so that memory has an end.
"""

from __future__ import annotations

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2
from google.protobuf import wrappers_pb2

from mayfly.routing import metrics_names, wire

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
    requests.stat.name = metrics_names.REQUESTS
    duration = made.histograms.add(unit=stats_pb2.Config.Histogram.Milliseconds, value_format="%DURATION%")
    duration.stat.name = metrics_names.DURATION
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
        + wire.field(_SCOPE_PREFIX, metrics_names.PREFIX)
        + wire.field(_SCOPE_SHARING, metrics_names.PREFIX)
    )
