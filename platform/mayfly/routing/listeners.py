"""Make Envoy's listeners: how strangers and the cluster may speak to functions. Pure.

Limits follow Envoy's edge guide
(https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge).
"""

from __future__ import annotations

from typing import Any

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import address_pb2, config_source_pb2, extension_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from google.protobuf import any_pb2, wrappers_pb2

from mayfly.routing import edge, routes, wire

HEADERS_SECONDS = 10
"""A client that needs longer to say what it wants is answered 408."""
REQUEST_SECONDS = 300
"""Longest upload; Knative's own default for a whole request."""
SILENCE_SECONDS = 660
"""Longest silence within a request, over Knative's largest function timeout of 600 s."""
IDLE_SECONDS = 300
"""A kept connection without a request is closed after this."""
STREAMS = 100
STREAM_WINDOW = 64 * 1024
CONNECTION_WINDOW = 1024 * 1024
BUFFER_BYTES = 32 * 1024

FORGED_PREFIXES = ("x-envoy-", "k-proxy-", "x-mayfly-")
"""Headers that only the platform sets, whoever sends them."""
STRANGERS_PREFIXES = ("x-forwarded-",)
STRANGERS_NAMES = (
    "forwarded",
    "x-real-ip",
    "k-original-host",
    "k-kubelet-probe",
    "k-passthrough-lb",
    "knative-serving-revision",
    "knative-serving-namespace",
    "knative-serving-default-route",
)
"""Headers that a client outside may not set: they choose a revision, a host or an identity. ``Knative-Serving-Tag``
and the probe headers stay: Knative gives them to clients."""


def make_listener(listener: routes.Listener, place: edge.Edge) -> wire.Resource:
    """Return a listener that takes its routes from the route configuration of the same name."""
    manager = listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=_pack(_make_manager(listener))
    )
    port = place.public_port if listener == "public" else place.internal_port
    made = listener_pb2.Listener(
        name=listener,
        address=address_pb2.Address(socket_address=address_pb2.SocketAddress(address=place.address, port_value=port)),
        filter_chains=[listener_components_pb2.FilterChain(filters=[manager])],
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=BUFFER_BYTES),
    )
    return wire.pack(wire.LISTENER, listener, wire.serialise(made))


def _make_manager(listener: routes.Listener) -> hcm_pb2.HttpConnectionManager:
    public = listener == "public"
    manager = hcm_pb2.HttpConnectionManager(
        stat_prefix=listener,
        rds=hcm_pb2.Rds(route_config_name=listener, config_source=_ads()),
        http_filters=[hcm_pb2.HttpFilter(name="envoy.filters.http.router", typed_config=_pack(_ROUTER))],
        upgrade_configs=[hcm_pb2.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        use_remote_address=wrappers_pb2.BoolValue(value=True),
        always_set_request_id_in_response=True,
        normalize_path=wrappers_pb2.BoolValue(value=True),
        merge_slashes=True,
        path_with_escaped_slashes_action=hcm_pb2.HttpConnectionManager.REJECT_REQUEST,
        server_header_transformation=hcm_pb2.HttpConnectionManager.PASS_THROUGH,
        common_http_protocol_options=_make_common(public=public),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams=wrappers_pb2.UInt32Value(value=STREAMS),
            initial_stream_window_size=wrappers_pb2.UInt32Value(value=STREAM_WINDOW),
            initial_connection_window_size=wrappers_pb2.UInt32Value(value=CONNECTION_WINDOW),
        ),
        early_header_mutation_extensions=[_make_hygiene(public=public)],
    )
    manager.request_headers_timeout.FromSeconds(HEADERS_SECONDS)
    manager.request_timeout.FromSeconds(REQUEST_SECONDS)
    manager.stream_idle_timeout.FromSeconds(SILENCE_SECONDS)
    return manager


def _make_common(*, public: bool) -> protocol_pb2.HttpProtocolOptions:
    """Refuse names with underscores from strangers: ``X_Forwarded_For`` becomes ``X-Forwarded-For`` in CGI and WSGI."""
    options = protocol_pb2.HttpProtocolOptions()
    options.idle_timeout.FromSeconds(IDLE_SECONDS)
    if public:
        options.headers_with_underscores_action = protocol_pb2.HttpProtocolOptions.REJECT_REQUEST
    return options


def _make_hygiene(*, public: bool) -> extension_pb2.TypedExtensionConfig:
    """Remove headers that the caller has no right to set, before anything else reads them."""
    mutation = header_mutation_pb2.HeaderMutation()
    for prefix in FORGED_PREFIXES + (STRANGERS_PREFIXES if public else ()):
        removal = mutation_rules_pb2.HeaderMutation.RemoveOnMatch()
        removal.key_matcher.prefix = prefix
        mutation.mutations.append(mutation_rules_pb2.HeaderMutation(remove_on_match=removal))
    for name in STRANGERS_NAMES if public else ():
        mutation.mutations.append(mutation_rules_pb2.HeaderMutation(remove=name))
    return extension_pb2.TypedExtensionConfig(
        name="envoy.http.early_header_mutation.header_mutation", typed_config=_pack(mutation)
    )


def _ads() -> config_source_pb2.ConfigSource:
    source = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.ApiVersion.V3
    )
    # Without routes a listener answers nothing: better closed than 404 for a host that exists.
    source.initial_fetch_timeout.FromSeconds(0)
    return source


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed


_ROUTER = router_pb2.Router(suppress_envoy_headers=True)
