"""Have Envoy log, count and trace requests, and put its own refusals into words. Pure.

Who a request was for comes from the route, the cluster and the endpoint that it met, as metadata in the namespace
``mayfly``, never from the client: a client cannot write another function's name into logs, nor make new metrics.
"""

from __future__ import annotations

from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from mayfly.routing import accesslog, metrics, observation, replies, tracing

METADATA = "mayfly"
PROBE_HEADER, PROBE, HASH_HEADER = "k-network-probe", "probe", "k-network-hash"
"""A request with this value of the one and with the other is answered by activator and queue-proxy themselves
(``networking/pkg/http/probe``), so that leaving it out hides no call of a function; one header alone may reach it."""


def observe(manager: hcm_pb2.HttpConnectionManager, listener: str, wanted: observation.Observation) -> None:
    """Add to a listener's ``manager`` what it tells of its requests."""
    functions = _make_function_filter()
    manager.access_log.append(metrics.make_counting(functions))
    if wanted.log:
        manager.access_log.append(accesslog.make_log(listener, functions, minimum_status=wanted.log_minimum_status))
    traced = tracing.make_tracing(wanted)
    if traced is not None:
        manager.tracing.CopyFrom(traced)
    manager.local_reply_config.CopyFrom(replies.make_replies())


def make_identity(*, namespace: str, function: str, **more: str) -> base_pb2.Metadata:
    """Return the metadata of a route: whose it is."""
    return _make_metadata(namespace=namespace, function=function, **more)


def make_backend_identity(revision: str) -> base_pb2.Metadata:
    """Return the metadata of a cluster: which revision answers there."""
    return _make_metadata(revision=revision)


def make_temperature(*, cold: bool) -> base_pb2.Metadata:
    """Return the metadata of an endpoint: whether its revision had no ready instance when it was published."""
    return _make_metadata(cold=cold)


def _make_metadata(**fields: Any) -> base_pb2.Metadata:
    made = base_pb2.Metadata()
    made.filter_metadata[METADATA].update(fields)
    return made


def _make_function_filter() -> accesslog_pb2.AccessLogFilter:
    """Let everything pass but probes."""
    made = accesslog_pb2.AccessLogFilter()
    other = made.or_filter.filters.add().header_filter.header
    other.name, other.string_match.exact = PROBE_HEADER, PROBE
    other.invert_match = other.treat_missing_header_as_empty = True
    plain = made.or_filter.filters.add().header_filter.header
    plain.name, plain.present_match, plain.invert_match = HASH_HEADER, True, True
    return made
