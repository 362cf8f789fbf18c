"""Continue W3C trace contexts, and export spans where a collector is named. Pure.

Source: https://www.w3.org/TR/trace-context/. Without a collector the gateway is no part of any trace: a client's
``traceparent`` reaches the function as it came, and who has none gets none, so that the function's own tracer decides
whether a trace begins there. With a collector the gateway's span is the function's parent.
"""

from __future__ import annotations

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import protocol_pb2
from envoy.config.trace.v3 import opentelemetry_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.tracers.opentelemetry.samplers.v3 import (
    parent_based_sampler_pb2,
    trace_id_ratio_based_sampler_pb2,
)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.v3 import percent_pb2

from mayfly.routing import observation, wire

COLLECTOR = "otlp"
"""Name of the collector's cluster; functions' clusters have a slash in theirs."""
SERVICE = "mayfly-gateway"
CONNECT_SECONDS = 3
EXPORT_SECONDS = 5
_MILLION = 1_000_000
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def make_tracing(wanted: observation.Observation) -> hcm_pb2.HttpConnectionManager.Tracing | None:
    """Return how a listener traces, ``None`` without a collector."""
    if not wanted.otlp_endpoint:
        return None
    share = percent_pb2.Percent(value=100.0)
    made = hcm_pb2.HttpConnectionManager.Tracing(client_sampling=share, random_sampling=share, overall_sampling=share)
    made.provider.name = "envoy.tracers.opentelemetry"
    made.provider.typed_config.Pack(_make_tracer(wanted), deterministic=True)
    return made


def make_collector(wanted: observation.Observation) -> wire.Resource | None:
    """Return the cluster of the collector, ``None`` when there is none."""
    if not wanted.otlp_endpoint:
        return None
    host, _, port = wanted.otlp_endpoint.rpartition(":")
    made = cluster_pb2.Cluster(name=COLLECTOR, type=cluster_pb2.Cluster.STRICT_DNS)
    made.connect_timeout.FromSeconds(CONNECT_SECONDS)
    made.dns_lookup_family = cluster_pb2.Cluster.V4_PREFERRED
    made.load_assignment.cluster_name = COLLECTOR
    address = made.load_assignment.endpoints.add().lb_endpoints.add().endpoint.address.socket_address
    address.address, address.port_value = host.strip("[]"), int(port)
    options = http_protocol_options_pb2.HttpProtocolOptions()
    options.explicit_http_config.http2_protocol_options.CopyFrom(protocol_pb2.Http2ProtocolOptions())
    made.typed_extension_protocol_options[_OPTIONS].Pack(options)
    return wire.pack(wire.CLUSTER, COLLECTOR, wire.serialise(made))


def _make_tracer(wanted: observation.Observation) -> opentelemetry_pb2.OpenTelemetryConfig:
    """Keep the decision of a trace that comes in, and decide by its id for one that begins here."""
    made = opentelemetry_pb2.OpenTelemetryConfig(service_name=SERVICE)
    made.grpc_service.envoy_grpc.cluster_name = COLLECTOR
    made.grpc_service.timeout.FromSeconds(EXPORT_SECONDS)
    ratio = trace_id_ratio_based_sampler_pb2.TraceIdRatioBasedSamplerConfig()
    ratio.sampling_percentage.numerator = round(wanted.sampling_percent / 100 * _MILLION)
    ratio.sampling_percentage.denominator = percent_pb2.FractionalPercent.MILLION
    parent = parent_based_sampler_pb2.ParentBasedSamplerConfig()
    parent.wrapped_sampler.name = "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based"
    parent.wrapped_sampler.typed_config.Pack(ratio, deterministic=True)
    made.sampler.name = "envoy.tracers.opentelemetry.samplers.parent_based"
    made.sampler.typed_config.Pack(parent, deterministic=True)
    return made
