"""Choose what Envoy's metrics page shows, and give its names their final form.

Envoy counts some hundred things for each cluster, which with many functions would be nearly all of its page, and puts
``envoy_`` before every name, our own among them.
"""

from __future__ import annotations

import urllib.parse

from mayfly.routing import metrics_names

PAGE = "/stats/prometheus"
LISTENERS = "(public|internal|secure)"
SHOWN = (
    rf"{metrics_names.PREFIX}\.",
    rf"http\.{LISTENERS}\.downstream_cx_(active|total|protocol_error|overload_disable_keepalive)$",
    rf"http\.{LISTENERS}\.downstream_rq_(active|timeout|header_timeout|idle_timeout|overload_close)$",
    r"listener\..*\.(downstream_cx_overflow|downstream_global_cx_overflow|ssl\.(handshake|connection_error))$",
    r"(listener_manager\.lds|cluster_manager\.cds)\.update_rejected$",
    r"(listener_manager\.total_listeners_active|cluster_manager\.active_clusters|control_plane\.connected_state)$",
    r"server\.(uptime|concurrency|memory_allocated|memory_heap_size)$",
    r"overload\..*\.(active|pressure)$",
    r"tracing\.opentelemetry\.",
)
"""Beginnings of the Envoy names (regular expressions) that are shown: functions, and how Envoy itself is
(https://www.envoyproxy.io/docs/envoy/latest/operations/stats_overview)."""
HELP = {
    metrics_names.REQUESTS: "Requests by function, revision and status; those refused by the gateway are among them.",
    metrics_names.DURATION: "Milliseconds from a request's first byte to its answer's last one.",
}


UP = b"""\
# HELP mayfly_gateway_envoy_up 1 when Envoy gave its metrics.
# TYPE mayfly_gateway_envoy_up gauge
mayfly_gateway_envoy_up %d
"""


def query() -> str:
    """Return path and query of Envoy's admin page that shows just this."""
    return f"{PAGE}?filter={urllib.parse.quote('^(' + '|'.join(SHOWN) + ')', safe='')}"


def rename(page: bytes) -> bytes:
    """Return Envoy's page with our own metrics called ``mayfly_gateway_...`` and explained.

    >>> rename(b"# TYPE envoy_mayfly_gateway_requests_total counter").splitlines()[-1]
    b'# TYPE mayfly_gateway_requests_total counter'
    """
    ours = f"{metrics_names.PREFIX}_".encode()
    page = page.replace(b"envoy_" + ours, ours)
    for name, text in HELP.items():
        full = ours + name.encode()
        page = page.replace(b"# TYPE " + full, b"# HELP %s %s\n# TYPE %s" % (full, text.encode(), full), 1)
    return page
