"""Lead to the eventing process: its cluster, and the hosts at which events are posted. Pure.

Its cluster puts the token on every request, so none but our own routes may lead there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.upstream_codec.v3 import upstream_codec_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from mayfly.model import handover
from mayfly.routing import asynchronous, backends, edge, observe, policy, routes, unusual, wire
from mayfly.routing.filters import chain, sizes

RETRIES = 6
RETRY_MILLISECONDS = (250, 1000)
"""First and longest pause between tries, of which Envoy takes a random part: three seconds on the whole. The embedded
store has one writer, and that may just be starting again."""
IDLE_SECONDS = 30
"""A connection that was idle for so long is not used again: the process closes its own after 75 s, and a request on its
way there would be lost."""
NOWHERE = (edge.LOOPBACK, 1)
"""In place of no endpoint at all: it refuses, so that Envoy tries again, and finds the instance that came meanwhile.
Without any endpoint it would give up at once."""
MAX_EVENT_BYTES = 4 * 1024 * 1024
"""Largest body of a request with events."""
EVENTS = "/events(/[a-z0-9-]+)?"
"""Where events are posted: alone, or with a namespace."""
_ROUTE = f"%METADATA(ROUTE:{observe.METADATA}:{{}})%"
_TOLD = {
    handover.NAMESPACE: _ROUTE.format("namespace"),
    handover.FUNCTION: _ROUTE.format("function"),
    handover.STEM: _ROUTE.format("stem"),
    handover.ASYNC: f"%DYNAMIC_METADATA({observe.METADATA}:{unusual.MARK})%",
}
"""What the process is told, and where Envoy takes it from; what there is not is left out."""


def make_cluster(port: backends.Port | None, *, token: str) -> wire.Resource:
    """Return the cluster; it speaks HTTP/2 where ``port`` of the Service says so."""
    made = backends.make_template(http2=port is not None and port.http2)
    made.name = asynchronous.CLUSTER
    made.type = cluster_pb2.Cluster.EDS
    made.eds_cluster_config.eds_config.ads.SetInParent()
    made.eds_cluster_config.eds_config.resource_api_version = 2
    packed = made.typed_extension_protocol_options[backends.HTTP_OPTIONS]
    options = http_protocol_options_pb2.HttpProtocolOptions()
    packed.Unpack(options)
    options.common_http_protocol_options.idle_timeout.FromSeconds(IDLE_SECONDS)
    options.http_filters.add(name="handover").typed_config.Pack(_make_telling(token), deterministic=True)
    options.http_filters.add(name="envoy.filters.http.upstream_codec").typed_config.Pack(_CODEC)
    options.retry_policy.CopyFrom(_make_retry())
    packed.Pack(options, deterministic=True)
    return wire.pack(wire.CLUSTER, asynchronous.CLUSTER, wire.serialise(made))


def make_endpoints(found: Iterable[tuple[str, int]]) -> wire.Resource:
    """Return the cluster's endpoints, given as address and port."""
    return backends.make_assignment(asynchronous.CLUSTER, list(found) or [NOWHERE])


def _make_telling(token: str) -> header_mutation_pb2.HeaderMutation:
    made = header_mutation_pb2.HeaderMutation()
    for name, value in ((handover.TOKEN, token.replace("%", "%%")), *_TOLD.items()):
        option = made.mutations.request_mutations.add().append
        option.header.key, option.header.value = name, value
        option.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return made


def _make_retry() -> route_components_pb2.RetryPolicy:
    """Try again only what the process cannot have seen."""
    made = route_components_pb2.RetryPolicy(retry_on=routes.RETRY_ON)
    made.num_retries.value = RETRIES
    base, longest = RETRY_MILLISECONDS
    made.retry_back_off.base_interval.FromMilliseconds(base)
    made.retry_back_off.max_interval.FromMilliseconds(longest)
    return made


def make_scopes(place: edge.Edge) -> dict[str, wire.Resource]:
    """Return the scopes of the hosts of events, by name."""
    made = {}
    for listener, host in _find_scopes(place):
        scope = routes.make_scope(listener, host, routes.make_route_configuration(f"events {host}", [_make_events()]))
        made[scope.name] = scope
    return made


def _find_scopes(place: edge.Edge) -> Iterator[tuple[edge.Listener, str]]:
    for host in place.event_hosts:
        yield from ((listener, host) for listener in edge.LISTENERS)
    for host in place.local_event_hosts:
        yield "internal", host


def _make_events() -> route_components_pb2.Route:
    """Let requests for events pass as they are, credentials included: who may send is the process's to decide."""
    made = route_components_pb2.Route()
    made.match.safe_regex.regex = EVENTS
    made.route.cluster = asynchronous.CLUSTER
    made.route.timeout.FromSeconds(asynchronous.TIMEOUT_SECONDS)
    limit = chain.make_route_filter([sizes.make_request_limit(MAX_EVENT_BYTES)])
    policy.Policy(per_filter=((chain.NAME, limit),)).apply(made)
    return made


_CODEC = upstream_codec_pb2.UpstreamCodec()
