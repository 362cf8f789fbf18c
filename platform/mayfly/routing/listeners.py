"""Make Envoy's listeners: how strangers and the cluster may speak to functions. Pure.

Limits follow Envoy's edge guide
(https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2, extension_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.http.cdn_loop.v3 import cdn_loop_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2 as header_mutation_filter_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.http.original_ip_detection.xff.v3 import xff_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.extensions.request_id.uuid.v3 import uuid_pb2
from google.protobuf import any_pb2, wrappers_pb2
from xds.core.v3 import cidr_pb2 as xds_cidr_pb2
from xds.type.matcher.v3 import ip_pb2, matcher_pb2

from mayfly.routing import alias, certificates, edge, ingress, observe, policy, routes, unusual, wire

CERTIFICATE_SECONDS = 5
"""A changed listener waits so long for the certificates of its new hosts."""
STREAMS = 100
STREAM_WINDOW = 64 * 1024
CONNECTION_WINDOW = 1024 * 1024
BUFFER_BYTES = 32 * 1024

PASSES = 10
"""How often a request may come back to the internal listener, by ``CDN-Loop`` (RFC 8586); then it is answered 502. A
route may lead to the gateway itself, once for a DomainMapping, and in a circle when it is wrong."""

FORGED_PREFIXES = ("x-envoy-", "k-proxy-", "x-mayfly-")
FORGED_NAMES = (
    "k-kubelet-probe",
    "knative-serving-revision",
    "knative-serving-namespace",
    "knative-serving-default-route",
)
"""Headers that only the platform sets, whoever sends them: they choose a revision, or have activator and queue-proxy
take the call for a probe and answer it in the function's place."""
OWN_PREFIX = "mayfly-"
"""What the eventing process says to the gateway and to functions (``mayfly.model.handover``), through the internal
listener; strangers may set nothing of it."""
FORWARDED_PREFIX = "x-forwarded-"
STRANGERS_NAMES = (
    "forwarded",
    "x-real-ip",
    "k-original-host",
    "k-passthrough-lb",
    "proxy",
    "proxy-authorization",
)
"""Headers that a client outside may not set: they choose a host or an identity, or are meant for the gateway, or, as
``Proxy`` does in CGI, become ``HTTP_PROXY``. ``Knative-Serving-Tag`` and the probe headers stay: Knative gives them to
clients."""
ENVOYS_NAMES = ("x-envoy-external-address", "x-envoy-internal")
"""Headers that Envoy sets by itself; ``X-Forwarded-For`` says it already."""


def make_listener(listener: Literal["public", "internal"], place: edge.Edge) -> wire.Resource:
    """Return a listener that takes the routes of its own scopes."""
    made = _make_bare(listener, place)
    if listener == "public" and place.trusted_proxies:
        chain = made.filter_chains.add(name="trusted", filters=[_make_filter(listener, place, trusted=True)])
        chain.filter_chain_match.source_prefix_ranges.extend(_make_ranges(place.trusted_proxies))
    made.filter_chains.add(name=listener, filters=[_make_filter(listener, place)])
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
    made.listener_filters_timeout.FromMilliseconds(_milliseconds(place.limits.handshake))
    source = _ads()
    # A certificate that does not come must not hold up the chains of all others.
    source.initial_fetch_timeout.FromSeconds(CERTIFICATE_SECONDS)
    kinds = {"": _make_filter("secure", place)}
    if place.trusted_proxies:
        kinds[_TRUSTED] = _make_filter("secure", place, trusted=True)
    for secret, kind in itertools.product(sorted(set(secrets.values())), kinds):
        chain = made.filter_chains.add(name=f"{secret}{kind}", filters=[kinds[kind]])
        chain.transport_socket.name = "envoy.transport_sockets.tls"
        chain.transport_socket.typed_config.CopyFrom(_pack(certificates.make_context(secret, source=source)))
        chain.transport_socket_connect_timeout.FromMilliseconds(_milliseconds(place.limits.handshake))
    tree = made.filter_chain_matcher.matcher_tree
    tree.input.name = "server-name"
    tree.input.typed_config.CopyFrom(_pack(network_inputs_pb2.ServerNameInput()))
    for host, secret in sorted(secrets.items()):
        _choose_chain(tree.exact_match_map.map[host], secret, place)
    return wire.pack(wire.LISTENER, "secure", wire.serialise(made))


def _choose_chain(found: matcher_pb2.Matcher.OnMatch, secret: ingress.SecretName, place: edge.Edge) -> None:
    """Take a Secret's chain, by the client's address where some are trusted."""
    if not place.trusted_proxies:
        _name_chain(found, str(secret))
        return
    matcher = found.matcher.matcher_tree
    matcher.input.name = "source-ip"
    matcher.input.typed_config.CopyFrom(_pack(network_inputs_pb2.SourceIPInput()))
    by_range = ip_pb2.IPMatcher()
    for name, ranges in ((f"{secret}{_TRUSTED}", place.trusted_proxies), (str(secret), _EVERYBODY)):
        entry = by_range.range_matchers.add()
        entry.ranges.extend(
            xds_cidr_pb2.CidrRange.FromString(piece.SerializeToString()) for piece in _make_ranges(ranges)
        )
        _name_chain(entry.on_match, name)
    matcher.custom_match.name = "ip"
    matcher.custom_match.typed_config.CopyFrom(_pack(by_range))


def _name_chain(found: matcher_pb2.Matcher.OnMatch, name: str) -> None:
    found.action.name = name
    found.action.typed_config.CopyFrom(_pack(wrappers_pb2.StringValue(value=name)))


def _make_ranges(networks: Iterable[str]) -> Iterator[address_pb2.CidrRange]:
    for network in networks:
        address, _, length = network.partition("/")
        yield address_pb2.CidrRange(address_prefix=address, prefix_len=wrappers_pb2.UInt32Value(value=int(length)))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _make_bare(listener: routes.Listener, place: edge.Edge) -> listener_pb2.Listener:
    port = place.port(listener)
    return listener_pb2.Listener(
        name=listener,
        address=address_pb2.Address(
            socket_address=address_pb2.SocketAddress(
                address=place.address, port_value=port, ipv4_compat=place.address == "::"
            )
        ),
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=BUFFER_BYTES),
        # Strangers cannot use up the connections of callers inside, which have a limit of their own (bootstrap).
        ignore_global_conn_limit=listener == "internal",
    )


def _make_filter(
    listener: routes.Listener, place: edge.Edge, *, trusted: bool = False
) -> listener_components_pb2.Filter:
    return listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager",
        typed_config=_pack(_make_manager(listener, place, trusted=trusted)),
    )


def _make_manager(listener: routes.Listener, place: edge.Edge, *, trusted: bool) -> hcm_pb2.HttpConnectionManager:
    public, limits = listener != "internal", place.limits
    manager = hcm_pb2.HttpConnectionManager(
        stat_prefix=listener,
        scoped_routes=_make_scoped_routes(),
        http_filters=[
            *([] if public else [hcm_pb2.HttpFilter(name="loops", typed_config=_pack(_LOOPS))]),
            hcm_pb2.HttpFilter(name="hygiene", typed_config=_pack(_make_late_hygiene(trusted=trusted))),
            unusual.make_filter(place),
            *([alias.make_filter(place)] if public and place.alias_hosts else []),
            *policy.make_http_filters(),
            hcm_pb2.HttpFilter(name="envoy.filters.http.router", typed_config=_pack(_ROUTER)),
        ],
        upgrade_configs=[hcm_pb2.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        use_remote_address=wrappers_pb2.BoolValue(value=not trusted),
        # A stranger's id is replaced, so that nobody can write into another's traces and logs; ``traceparent`` passes.
        preserve_external_request_id=trusted or not public,
        always_set_request_id_in_response=True,
        request_id_extension=hcm_pb2.RequestIDExtension(typed_config=_pack(_REQUEST_ID)),
        normalize_path=wrappers_pb2.BoolValue(value=True),
        merge_slashes=True,
        strip_trailing_host_dot=True,
        path_with_escaped_slashes_action=hcm_pb2.HttpConnectionManager.REJECT_REQUEST,
        server_header_transformation=hcm_pb2.HttpConnectionManager.PASS_THROUGH,
        common_http_protocol_options=_make_common(limits, public=public),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams=wrappers_pb2.UInt32Value(value=STREAMS),
            initial_stream_window_size=wrappers_pb2.UInt32Value(value=STREAM_WINDOW),
            initial_connection_window_size=wrappers_pb2.UInt32Value(value=CONNECTION_WINDOW),
        ),
        early_header_mutation_extensions=[_make_hygiene(listener, trusted=trusted)],
    )
    if trusted:
        # A proxy sends many clients' requests over one connection: a wrong one ends itself alone.
        manager.http2_protocol_options.override_stream_error_on_invalid_http_message.value = True
        manager.original_ip_detection_extensions.append(_make_detection(place.trusted_proxies))
    manager.request_headers_timeout.FromMilliseconds(_milliseconds(limits.headers))
    manager.request_timeout.FromMilliseconds(_milliseconds(limits.request))
    manager.stream_idle_timeout.FromMilliseconds(_milliseconds(limits.silence))
    manager.stream_flush_timeout.FromMilliseconds(_milliseconds(limits.flush))
    manager.delayed_close_timeout.FromMilliseconds(_milliseconds(limits.farewell))
    observe.observe(manager, listener, place.observation)
    return manager


def _make_detection(proxies: Iterable[str]) -> extension_pb2.TypedExtensionConfig:
    """Take as the client the last address of ``X-Forwarded-For`` that is no trusted proxy."""
    xff = xff_pb2.XffConfig(skip_xff_append=wrappers_pb2.BoolValue(value=True))
    xff.xff_trusted_cidrs.cidrs.extend(_make_ranges(proxies))
    return extension_pb2.TypedExtensionConfig(name="envoy.http.original_ip_detection.xff", typed_config=_pack(xff))


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


def _make_late_hygiene(*, trusted: bool) -> header_mutation_filter_pb2.HeaderMutation:
    """Remove what Envoy itself adds, and all trailers of requests: HTTP/1.1 loses them anyway, and they may be forged.

    Behind a trusted proxy ``X-Forwarded-For`` becomes the one address that counts: what stands left of it is hearsay.
    """
    made = header_mutation_filter_pb2.HeaderMutation()
    for name in ENVOYS_NAMES:
        made.mutations.request_mutations.add(remove=name)
    if trusted:
        client = made.mutations.request_mutations.add().append
        client.header.key, client.header.value = "x-forwarded-for", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
        client.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    trailers = made.mutations.request_trailers_mutations.add().remove_on_match.key_matcher
    trailers.safe_regex.regex = ".*"
    return made


def _make_common(limits: edge.Limits, *, public: bool) -> protocol_pb2.HttpProtocolOptions:
    """Refuse names with underscores from strangers: ``X_Forwarded_For`` becomes ``X-Forwarded-For`` in CGI and WSGI."""
    options = protocol_pb2.HttpProtocolOptions()
    options.idle_timeout.FromMilliseconds(_milliseconds(limits.idle))
    if public:
        options.headers_with_underscores_action = protocol_pb2.HttpProtocolOptions.REJECT_REQUEST
    return options


def _make_hygiene(listener: routes.Listener, *, trusted: bool) -> extension_pb2.TypedExtensionConfig:
    """Remove headers that the caller has no right to set, before anything else reads them, and name the listener."""
    public = listener != "internal"
    mutation = header_mutation_pb2.HeaderMutation()
    strange = [OWN_PREFIX, *([] if trusted else [FORWARDED_PREFIX])] if public else []
    for prefix in (*FORGED_PREFIXES, *strange):
        removal = mutation_rules_pb2.HeaderMutation.RemoveOnMatch()
        removal.key_matcher.prefix = prefix
        mutation.mutations.append(mutation_rules_pb2.HeaderMutation(remove_on_match=removal))
    for name in FORGED_NAMES + (STRANGERS_NAMES if public else ()):
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


_TRUSTED = " trusted"
_EVERYBODY = ("0.0.0.0/0", "::/0")
# Envoy else writes into each id, a caller's too, whether it is traced: an invocation's would no longer be its own.
_REQUEST_ID = uuid_pb2.UuidRequestIdConfig(pack_trace_reason=wrappers_pb2.BoolValue(value=False))
_LOOPS = cdn_loop_pb2.CdnLoopConfig(cdn_id="mayfly", max_allowed_occurrences=PASSES)
_INSPECTOR = tls_inspector_pb2.TlsInspector()
_ROUTER = router_pb2.Router(suppress_envoy_headers=True, dynamic_stats=wrappers_pb2.BoolValue(value=False))
