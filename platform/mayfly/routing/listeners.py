"""Make Envoy's listeners: how strangers and the cluster may speak to functions. Pure.

Limits follow Envoy's edge guide
(https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import address_pb2, config_source_pb2, extension_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2, wrappers_pb2

from mayfly.routing import certificates, edge, ingress, policy, routes, wire

HANDSHAKE_SECONDS = 10
"""A client that needs longer for its TLS handshake is hung up on."""
CERTIFICATE_SECONDS = 5
"""A changed listener waits so long for the certificates of its new hosts."""
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


def make_listener(listener: Literal["public", "internal"], place: edge.Edge) -> wire.Resource:
    """Return a listener that takes the routes of its own scopes."""
    made = _make_bare(listener, place)
    made.filter_chains.add(filters=[_make_filter(listener)])
    return wire.pack(wire.LISTENER, listener, wire.serialise(made))


def make_secure_listener(place: edge.Edge, secrets: Mapping[str, ingress.SecretName]) -> wire.Resource | None:
    """Return the listener that terminates TLS; ``secrets`` says whose certificate each host shows.

    ``None`` when there is nothing to serve. One filter chain for each Secret, chosen by the name that the client asks
    for (SNI): a client that asks for another name, or for none, is hung up on. A chain says only where its
    certificate comes from, and which hosts it is for stands beside the chains, so neither a new certificate nor a
    further host touches a connection.
    """
    if place.secure_port is None or not secrets:
        return None
    made = _make_bare("secure", place)
    made.listener_filters.add(name="envoy.filters.listener.tls_inspector").typed_config.CopyFrom(_pack(_INSPECTOR))
    http = _make_filter("secure")
    source = _ads()
    # A certificate that does not come must not hold up the chains of all others.
    source.initial_fetch_timeout.FromSeconds(CERTIFICATE_SECONDS)
    for secret in sorted(set(secrets.values())):
        chain = made.filter_chains.add(name=str(secret), filters=[http])
        chain.transport_socket.name = "envoy.transport_sockets.tls"
        chain.transport_socket.typed_config.CopyFrom(_pack(certificates.make_context(secret, source=source)))
        chain.transport_socket_connect_timeout.FromSeconds(HANDSHAKE_SECONDS)
    tree = made.filter_chain_matcher.matcher_tree
    tree.input.name = "server-name"
    tree.input.typed_config.CopyFrom(_pack(network_inputs_pb2.ServerNameInput()))
    for host, secret in sorted(secrets.items()):
        action = tree.exact_match_map.map[host].action
        action.name = str(secret)
        action.typed_config.CopyFrom(_pack(wrappers_pb2.StringValue(value=str(secret))))
    return wire.pack(wire.LISTENER, "secure", wire.serialise(made))


def _make_bare(listener: routes.Listener, place: edge.Edge) -> listener_pb2.Listener:
    port = place.port(listener)
    return listener_pb2.Listener(
        name=listener,
        address=address_pb2.Address(socket_address=address_pb2.SocketAddress(address=place.address, port_value=port)),
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=BUFFER_BYTES),
    )


def _make_filter(listener: routes.Listener) -> listener_components_pb2.Filter:
    return listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=_pack(_make_manager(listener))
    )


def _make_manager(listener: routes.Listener) -> hcm_pb2.HttpConnectionManager:
    public = listener != "internal"
    manager = hcm_pb2.HttpConnectionManager(
        stat_prefix=listener,
        scoped_routes=_make_scoped_routes(),
        http_filters=[
            hcm_pb2.HttpFilter(name="lower-case-host", typed_config=_pack(_make_host_filter())),
            *policy.make_http_filters(),
            hcm_pb2.HttpFilter(name="envoy.filters.http.router", typed_config=_pack(_ROUTER)),
        ],
        upgrade_configs=[hcm_pb2.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        use_remote_address=wrappers_pb2.BoolValue(value=True),
        always_set_request_id_in_response=True,
        normalize_path=wrappers_pb2.BoolValue(value=True),
        merge_slashes=True,
        strip_trailing_host_dot=True,
        path_with_escaped_slashes_action=hcm_pb2.HttpConnectionManager.REJECT_REQUEST,
        server_header_transformation=hcm_pb2.HttpConnectionManager.PASS_THROUGH,
        common_http_protocol_options=_make_common(public=public),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams=wrappers_pb2.UInt32Value(value=STREAMS),
            initial_stream_window_size=wrappers_pb2.UInt32Value(value=STREAM_WINDOW),
            initial_connection_window_size=wrappers_pb2.UInt32Value(value=CONNECTION_WINDOW),
        ),
        early_header_mutation_extensions=[_make_hygiene(listener)],
    )
    manager.request_headers_timeout.FromSeconds(HEADERS_SECONDS)
    manager.request_timeout.FromSeconds(REQUEST_SECONDS)
    manager.stream_idle_timeout.FromSeconds(SILENCE_SECONDS)
    return manager


def _make_scoped_routes() -> hcm_pb2.ScopedRoutes:
    """Find routes by listener and host, without its port; the function still sees the port.

    All listeners say exactly the same here, so that they share one set of routes in Envoy's memory.
    """
    made = hcm_pb2.ScopedRoutes(name="routes", rds_config_source=_ads())
    made.scoped_rds.scoped_rds_config_source.CopyFrom(_ads())
    for name, separator in ((routes.LISTENER_HEADER, ""), (":authority", ":")):
        extractor = made.scope_key_builder.fragments.add().header_value_extractor
        extractor.name, extractor.element_separator, extractor.index = name, separator, 0
    return made


def _make_host_filter() -> extension_matcher_pb2.ExtensionWithMatcher:
    """Write the host in lower case before routes are looked up: scopes are found by exact text, DNS names are not.

    A host that is in lower case, as all browsers send it, skips the filter.
    """
    made = extension_matcher_pb2.ExtensionWithMatcher()
    lua = lua_pb2.Lua()
    lua.default_source_code.inline_string = _LOWER_CASE
    made.extension_config.name = "envoy.filters.http.lua"
    made.extension_config.typed_config.CopyFrom(_pack(lua))
    skip = made.xds_matcher.matcher_list.matchers.add()
    predicate = skip.predicate.single_predicate
    predicate.input.name = "host"
    predicate.input.typed_config.CopyFrom(_pack(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=":authority")))
    predicate.value_match.safe_regex.regex = "[^A-Z]*"
    predicate.value_match.safe_regex.google_re2.SetInParent()
    skip.on_match.action.name = "skip"
    skip.on_match.action.typed_config.CopyFrom(_pack(skip_action_pb2.SkipFilter()))
    return made


def _make_common(*, public: bool) -> protocol_pb2.HttpProtocolOptions:
    """Refuse names with underscores from strangers: ``X_Forwarded_For`` becomes ``X-Forwarded-For`` in CGI and WSGI."""
    options = protocol_pb2.HttpProtocolOptions()
    options.idle_timeout.FromSeconds(IDLE_SECONDS)
    if public:
        options.headers_with_underscores_action = protocol_pb2.HttpProtocolOptions.REJECT_REQUEST
    return options


def _make_hygiene(listener: routes.Listener) -> extension_pb2.TypedExtensionConfig:
    """Remove headers that the caller has no right to set, before anything else reads them, and name the listener."""
    public = listener != "internal"
    mutation = header_mutation_pb2.HeaderMutation()
    for prefix in FORGED_PREFIXES + (STRANGERS_PREFIXES if public else ()):
        removal = mutation_rules_pb2.HeaderMutation.RemoveOnMatch()
        removal.key_matcher.prefix = prefix
        mutation.mutations.append(mutation_rules_pb2.HeaderMutation(remove_on_match=removal))
    for name in STRANGERS_NAMES if public else ():
        mutation.mutations.append(mutation_rules_pb2.HeaderMutation(remove=name))
    mutation.mutations.append(
        mutation_rules_pb2.HeaderMutation(append=routes.set_header(routes.LISTENER_HEADER, listener))
    )
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


_LOWER_CASE = """
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace(":authority", headers:get(":authority"):lower())
  handle:clearRouteCache()
end
"""
_INSPECTOR = tls_inspector_pb2.TlsInspector()
_ROUTER = router_pb2.Router(suppress_envoy_headers=True)
