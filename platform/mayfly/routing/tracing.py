"""Give each request a W3C trace context, and export spans where a collector is named. Pure.

Source: https://www.w3.org/TR/trace-context/. Envoy's OpenTelemetry tracer makes or continues the trace either way, and
its id is in the access log. Without a collector the gateway is no part of the trace: the client's ``traceparent``
reaches the function as it came, so that no span refers to one of the gateway's that nobody ever sees, and only where
there is none a new one is set. With a collector the gateway's span is the function's parent.
"""

from __future__ import annotations

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2, protocol_pb2
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
TRACEPARENT = base_pb2.HeaderValueOption(
    header=base_pb2.HeaderValue(key="traceparent", value="00-%TRACE_ID%-%SPAN_ID%-00"),
    append_action=base_pb2.HeaderValueOption.ADD_IF_ABSENT,
)
"""A trace context for who comes without."""
_NO_PROPAGATION = 13
"""``no_context_propagation`` of the connection manager's ``Tracing``, which ``hcm_pb2`` does not know yet."""
_MILLION = 1_000_000
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def make_tracing(wanted: observation.Observation) -> hcm_pb2.HttpConnectionManager.Tracing:
    """Return how a listener traces."""
    exports = bool(wanted.otlp_endpoint)
    share = percent_pb2.Percent(value=100.0 if exports else 0.0)
    made = hcm_pb2.HttpConnectionManager.Tracing(client_sampling=share, random_sampling=share, overall_sampling=share)
    made.provider.name = "envoy.tracers.opentelemetry"
    made.provider.typed_config.Pack(_make_tracer(wanted), deterministic=True)
    if not exports:
        made.MergeFromString(wire.number(_NO_PROPAGATION, 1))
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
    """Keep the decision of a trace that comes in, and decide by its id for one that begins here.

    Envoy wants the name of an exporter's cluster in any case; without a collector nothing is sampled for it.
    """
    made = opentelemetry_pb2.OpenTelemetryConfig(service_name=SERVICE)
    made.grpc_service.envoy_grpc.cluster_name = COLLECTOR
    made.grpc_service.timeout.FromSeconds(EXPORT_SECONDS)
    if wanted.otlp_endpoint:
        ratio = trace_id_ratio_based_sampler_pb2.TraceIdRatioBasedSamplerConfig()
        ratio.sampling_percentage.numerator = round(wanted.sampling_percent / 100 * _MILLION)
        ratio.sampling_percentage.denominator = percent_pb2.FractionalPercent.MILLION
        parent = parent_based_sampler_pb2.ParentBasedSamplerConfig()
        parent.wrapped_sampler.name = "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based"
        parent.wrapped_sampler.typed_config.Pack(ratio, deterministic=True)
        made.sampler.name = "envoy.tracers.opentelemetry.samplers.parent_based"
        made.sampler.typed_config.Pack(parent, deterministic=True)
    return made
