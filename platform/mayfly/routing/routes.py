"""Make virtual hosts of an ingress, and a route configuration of virtual hosts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from google.protobuf import wrappers_pb2

from mayfly.routing import ingress, wire

Listener = Literal["public", "internal"]
LISTENERS: tuple[Listener, ...] = ("public", "internal")

HASH_HEADER = "k-network-hash"
"""Knative's header that asks which version of a route serves (``networking/pkg/http/header``)."""
HASH_ASK = "override"
FLAGS_HEADER = "x-mayfly-response-flags"
"""On answers to probes: what Envoy itself had to object to, such as ``UH``, no healthy upstream
(https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage)."""
NO_FLAGS = "-"
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
"""Only failures where the function cannot have seen the request."""
RETRIES = 2
HOST_ATTEMPTS = 5
"""How often the load balancer is asked for an endpoint that was not tried yet."""
_VIRTUAL_HOSTS_FIELD = route_pb2.RouteConfiguration.VIRTUAL_HOSTS_FIELD_NUMBER

Domains = Mapping[Listener, frozenset[str]]


def domains(subject: ingress.Ingress) -> dict[Listener, frozenset[str]]:
    """Return the hosts that the ingress asks for on each listener.

    The internal listener serves all of them, so that callers inside may use a public name; the public one serves
    no cluster-local rule.
    """
    return {
        listener: frozenset(host for rule in visible_rules(subject, listener) for host in rule.hosts)
        for listener in LISTENERS
    }


def visible_rules(subject: ingress.Ingress, listener: Listener) -> tuple[ingress.Rule, ...]:
    """Return the rules that ``listener`` may serve."""
    return tuple(rule for rule in subject.rules if listener == "internal" or rule.visibility == "ExternalIP")


def make_virtual_hosts(
    subject: ingress.Ingress, listener: Listener, *, allowed: Collection[str]
) -> dict[str, route_components_pb2.VirtualHost]:
    """Return the virtual hosts of an ingress on ``listener`` by name, for those of its hosts that are ``allowed``.

    Hosts with the same rules share a virtual host; a host named by several rules has their paths in that order.
    """
    rules = visible_rules(subject, listener)
    groups: dict[tuple[int, ...], list[str]] = {}
    for host in sorted({host for rule in rules for host in rule.hosts} & set(allowed)):
        groups.setdefault(tuple(i for i, rule in enumerate(rules) if host in rule.hosts), []).append(host)
    redirect = subject.redirect and listener == "public"
    made = {}
    for indices, hosts in groups.items():
        name = f"{subject.key}/{'.'.join(map(str, indices))}"
        paths = [path for i in indices for path in rules[i].paths]
        made[name] = route_components_pb2.VirtualHost(
            name=name,
            domains=hosts,
            routes=_make_routes(paths, version=subject.version, redirect=redirect),
            retry_policy=_RETRY,
        )
    return made


def make_route_configuration(listener: Listener, virtual_hosts: Mapping[str, bytes]) -> wire.Resource:
    """Return the route configuration of a listener from its serialised virtual hosts by name."""
    parts = [_ROUTE_CONFIGURATION[listener]]
    parts += [wire.field(_VIRTUAL_HOSTS_FIELD, virtual_hosts[name]) for name in sorted(virtual_hosts)]
    return wire.pack(wire.ROUTES, listener, b"".join(parts))


def _make_routes(
    paths: Iterable[ingress.Path], *, version: str, redirect: bool
) -> Iterable[route_components_pb2.Route]:
    """Give each path twice: first for probes that ask which version serves, then for everybody."""
    paths = list(paths)
    for path in paths:
        probe = _make_route(path)
        probe.match.headers.append(_exact_header(HASH_HEADER, HASH_ASK))
        probe.request_headers_to_add.append(_set_header(HASH_HEADER, version))
        probe.response_headers_to_add.extend((_set_header(HASH_HEADER, version), _FLAGS))
        yield probe
    for path in paths:
        route = _make_route(path)
        if redirect:
            route.redirect.https_redirect = True
        yield route


def _make_route(path: ingress.Path) -> route_components_pb2.Route:
    action = route_components_pb2.RouteAction()
    headers = [_set_header(name, value) for name, value in path.headers]
    if len(path.splits) == 1:
        action.cluster = path.splits[0].backend.cluster
        own = {name for name, _ in path.splits[0].headers}
        headers = [header for header in headers if header.header.key not in own]
        headers += [_set_header(name, value) for name, value in path.splits[0].headers]
    else:
        action.weighted_clusters.clusters.extend(_make_weight(split) for split in path.splits)
    if path.rewrite_host:
        action.host_rewrite_literal = path.rewrite_host
    # The function's own timeout is kept by Knative's queue-proxy; a second clock here could only disagree.
    action.timeout.FromSeconds(0)
    match = route_components_pb2.RouteMatch(prefix=path.prefix)
    match.headers.extend(_exact_header(name, value) for name, value in path.match)
    return route_components_pb2.Route(match=match, route=action, request_headers_to_add=headers)


def _make_weight(split: ingress.Split) -> route_components_pb2.WeightedCluster.ClusterWeight:
    return route_components_pb2.WeightedCluster.ClusterWeight(
        name=split.backend.cluster,
        weight=wrappers_pb2.UInt32Value(value=split.percent),
        request_headers_to_add=[_set_header(name, value) for name, value in split.headers],
    )


def _exact_header(name: str, value: str) -> route_components_pb2.HeaderMatcher:
    matcher = route_components_pb2.HeaderMatcher(name=name)
    matcher.string_match.exact = value
    return matcher


def _set_header(name: str, value: str) -> base_pb2.HeaderValueOption:
    """Return the order to set a header, whatever the client sent; ``%`` would begin a format of Envoy's."""
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=name, value=value.replace("%", "%%")),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _make_retry() -> route_components_pb2.RetryPolicy:
    """Try another endpoint than the one that failed."""
    policy = route_components_pb2.RetryPolicy(
        retry_on=RETRY_ON,
        num_retries=wrappers_pb2.UInt32Value(value=RETRIES),
        host_selection_retry_max_attempts=HOST_ATTEMPTS,
    )
    other = policy.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
    other.typed_config.Pack(previous_hosts_pb2.PreviousHostsPredicate())
    policy.retry_back_off.base_interval.FromMilliseconds(25)
    policy.retry_back_off.max_interval.FromMilliseconds(250)
    return policy


def _make_base(listener: Listener) -> bytes:
    """Return what every route configuration says beside its virtual hosts."""
    made: Any = route_pb2.RouteConfiguration(
        name=listener,
        # ``Host: name:8080`` is ``name``; the function still sees what the client sent.
        ignore_port_in_host_matching=True,
        most_specific_header_mutations_wins=True,
    )
    return wire.serialise(made)


_FLAGS = base_pb2.HeaderValueOption(
    header=base_pb2.HeaderValue(key=FLAGS_HEADER, value="%RESPONSE_FLAGS%"),
    append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
)
_RETRY = _make_retry()
_ROUTE_CONFIGURATION: dict[Listener, bytes] = {listener: _make_base(listener) for listener in LISTENERS}
