"""Make the access log: a JSON object in a line for each request. Pure.

Commands: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

from __future__ import annotations

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2

from mayfly.model import handover

_KEY = "mayfly.access_log"
"""Envoy wants a runtime key beside each number; nobody sets it."""
FIELDS = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "traceparent": "%REQ(TRACEPARENT)%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    # Without the query: people put keys there.
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "protocol": "%PROTOCOL%",
    "user_agent": "%REQ(USER-AGENT)%",
    "client_address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "client": "%REQ(X-MAYFLY-CLIENT)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "namespace": "%METADATA(ROUTE:mayfly:namespace)%",
    "function": "%METADATA(ROUTE:mayfly:function)%",
    "revision": "%METADATA(CLUSTER:mayfly:revision)%",
    "cold_start": "%UPSTREAM_METADATA(mayfly:cold)%",
    # The delivery's own token tells it for sure, and must not stand here; strangers cannot set this one either.
    "attempt": f"%REQ({handover.ATTEMPT.upper()})%",
}
"""Field names and where Envoy takes their values from. Numbers and booleans are such in JSON too; what a request does
not have is ``null``."""


def make_log(
    listener: str, functions: accesslog_pb2.AccessLogFilter, *, minimum_status: int
) -> accesslog_pb2.AccessLog:
    """Return the log of a listener: of what passes ``functions`` and was answered with ``minimum_status`` or more.

    A request that got no answer at all has status 0 and is logged whatever the minimum.
    """
    wanted = _make_status_filter(functions, minimum_status) if minimum_status else functions
    made = accesslog_pb2.AccessLog(name="envoy.access_loggers.stdout", filter=wanted)
    out = stream_pb2.StdoutAccessLog()
    out.log_format.json_format.update(FIELDS | {"listener": listener})
    made.typed_config.Pack(out, deterministic=True)
    return made


def _make_status_filter(functions: accesslog_pb2.AccessLogFilter, minimum: int) -> accesslog_pb2.AccessLogFilter:
    made = accesslog_pb2.AccessLogFilter()
    made.and_filter.filters.append(functions)
    either = made.and_filter.filters.add().or_filter.filters
    for op, status in ((accesslog_pb2.ComparisonFilter.GE, minimum), (accesslog_pb2.ComparisonFilter.EQ, 0)):
        comparison = either.add().status_code_filter.comparison
        comparison.op, comparison.value.default_value = op, status
        comparison.value.runtime_key = _KEY
    return made
