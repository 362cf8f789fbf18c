"""Make the routes of an ingress: for each of its hosts a scope with a route configuration of its own.

Envoy finds the scope by listener and host, and replaces one without looking at the others, so the price of a change
does not grow with the number of routes. One route configuration with a virtual host for each host, however it is
delivered, is built anew at every change (``docs/gateway-design.md`` has the figures). Pure.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2, scoped_route_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from google.protobuf import wrappers_pb2

from mayfly.model import handover
from mayfly.routing import asynchronous, edge, ingress, observe, policy, wire

Listener = edge.Listener
LISTENERS = edge.LISTENERS
Policies = Mapping[Listener, policy.Policy]
"""The policy of an ingress on each listener; nothing is enforced on one that is left out."""

HASH_HEADER = "k-network-hash"
"""Knative's header that asks which version of a route serves (``networking/pkg/http/header``)."""
HASH_ASK = "override"
SCHEME_HEADER = "x-forwarded-proto"
"""Set by Envoy on every request, unless by a trusted proxy."""
PROBE_HEADER = "k-network-probe"
"""With ``probe`` a request is answered by activator or queue-proxy and never reaches a function, so that it may pass
where callers must authenticate."""
PROBE_ASK = "probe"
EXPOSURE_HEADER = "x-mayfly-exposure"
"""On answers to probes: which version of the Function's ``exposure`` serves."""
FLAGS_HEADER = "x-mayfly-response-flags"
"""On answers to probes: what Envoy itself had to object to, such as ``UH``, no healthy upstream
(https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage)."""
NO_FLAGS = "-"
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
"""Only failures where the function cannot have seen the request."""
RETRIES = 4
"""So many instances may die at once before a call is lost: a dead one is idle, so the load balancer tries it first."""
HOST_ATTEMPTS = 200
"""How often the load balancer is asked for an endpoint that was not tried yet. It takes the idler one of two that it
draws, so that with two of three endpoints dead it names the living one once in nine times."""

UPLOAD_SLACK_SECONDS = 15
"""What a request may be silent beyond the function's timeout, which counts from its arrival at an instance."""

LISTENER_HEADER = "x-mayfly-listener"
"""Set by each listener on every request before routes are looked up, and removed again on the way to the function."""
REMOVED_HEADERS = (LISTENER_HEADER, handover.ASYNC, handover.DELIVERY)
"""What routes are found by and nobody behind them sees, whatever route it was."""
_FIELDS = scoped_route_pb2.ScopedRouteConfiguration


def visible_rules(subject: ingress.Ingress, listener: Listener) -> tuple[ingress.Rule, ...]:
    """Return the rules that ``listener`` may serve.

    The internal listener serves all of them, so that callers inside may use a public name; the public one serves
    no cluster-local rule, the secure one of the public rules the hosts that have a certificate.
    """
    if listener == "internal":
        return subject.rules
    public = tuple(rule for rule in subject.rules if rule.visibility == "ExternalIP")
    if listener == "public":
        return public
    secured = {host for host, _ in subject.tls}
    hosts = (tuple(host for host in rule.hosts if host in secured) for rule in public)
    return tuple(dataclasses.replace(rule, hosts=kept) for rule, kept in zip(public, hosts, strict=True) if kept)


def make_scopes(
    subject: ingress.Ingress, policies: Policies | None = None, *, takes_calls: bool = False
) -> dict[str, wire.Resource]:
    """Return the scopes that an ingress asks for, by name: one for each of its hosts on each listener.

    A host named by several rules has their paths in that order. ``takes_calls`` says whether asynchronous calls are
    handed over; those to a tagged revision are not: what was tried out on it would be carried out by another one.
    """
    policies = policies or {}
    scopes = {}
    for listener in LISTENERS:
        rules = visible_rules(subject, listener)
        made: dict[tuple[int, ...], bytes] = {}
        for host in sorted({host for rule in rules for host in rule.hosts}):
            indices = tuple(i for i, rule in enumerate(rules) if host in rule.hosts)
            if indices not in made:
                protection = policies.get(listener, policy.EMPTY)
                found = make_routes(
                    subject,
                    [path for i in indices for path in rules[i].paths],
                    protection,
                    redirect=subject.redirect and listener == "public",
                    takes_calls=takes_calls and host in subject.own_hosts,
                )
                made[indices] = make_route_configuration(str(subject.key), found, protection)
            scope = make_scope(listener, host, made[indices])
            scopes[scope.name] = scope
    return scopes


def make_scope(listener: Listener, host: str, route_configuration: bytes) -> wire.Resource:
    """Return the scope of a host on a listener, with a route configuration of its own."""
    name = scope_name(listener, host)
    body = (
        wire.field(_FIELDS.NAME_FIELD_NUMBER, name)
        + wire.field(_FIELDS.KEY_FIELD_NUMBER, wire.serialise(_make_key(listener, host)))
        + wire.field(_FIELDS.ROUTE_CONFIGURATION_FIELD_NUMBER, route_configuration)
    )
    return wire.pack(wire.SCOPES, name, body)


def scope_name(listener: Listener, host: str) -> str:
    """Return the name of the scope of a host on a listener."""
    return f"{listener}/{host}"


def host_of(scope: str) -> str:
    """Return the host of a scope by its name."""
    return scope.rsplit("/", 1)[1]


def listener_of(scope: str) -> str:
    """Return the listener of a scope by its name."""
    return scope.split("/", 1)[0]


def _make_key(listener: Listener, host: str) -> scoped_route_pb2.ScopedRouteConfiguration.Key:
    fragment = scoped_route_pb2.ScopedRouteConfiguration.Key.Fragment
    return scoped_route_pb2.ScopedRouteConfiguration.Key(
        fragments=[fragment(string_key=listener), fragment(string_key=host)]
    )


def make_route_configuration(
    name: str, found: Iterable[route_components_pb2.Route], protection: policy.Policy = policy.EMPTY
) -> bytes:
    """Return a serialised route configuration for any host; the first route that matches wins.

    All routes enforce ``protection``, and count together, but those that are exempt.
    """
    virtual_host = route_components_pb2.VirtualHost(name=name, domains=["*"], routes=found, retry_policy=_RETRY)
    protection.apply(virtual_host)
    made = route_pb2.RouteConfiguration(
        name=name,
        virtual_hosts=[virtual_host],
        request_headers_to_remove=REMOVED_HEADERS,
        most_specific_header_mutations_wins=True,
    )
    return wire.serialise(made)


def make_routes(
    subject: ingress.Ingress,
    paths: Sequence[ingress.Path],
    protection: policy.Policy,
    *,
    redirect: bool,
    takes_calls: bool = False,
    stem: str = "",
) -> Iterator[route_components_pb2.Route]:
    """Give each path twice: first for probes that ask which version serves, then for everybody.

    The virtual host enforces ``protection``; probes are exempt, and who came without TLS, with ``redirect``, is sent
    away before; a trusted proxy may have ended the TLS of others. With ``takes_calls``, what is meant for the eventing
    process goes there; ``stem`` as for ``asynchronous.make_route``.
    """
    for path in paths:
        probe = mark_probe(make_route(subject, path), subject)
        protection.exempt(probe)
        yield probe
    if redirect:
        for path in paths:
            elsewhere = make_route(subject, path)
            elsewhere.match.headers.append(_exact_header(SCHEME_HEADER, "http"))
            elsewhere.redirect.https_redirect = True
            protection.exempt(elsewhere)
            yield elsewhere
    if takes_calls:
        for prefix in dict.fromkeys(path.prefix for path in paths):
            match = route_components_pb2.RouteMatch(prefix=prefix)
            yield asynchronous.make_route(subject, match, stem=stem)
    yield from (make_route(subject, path) for path in paths)


def mark_probe(route: route_components_pb2.Route, subject: ingress.Ingress) -> route_components_pb2.Route:
    """Return ``route`` for probes only; its answers say which version they come from."""
    route.match.headers.extend((_exact_header(HASH_HEADER, HASH_ASK), _exact_header(PROBE_HEADER, PROBE_ASK)))
    route.ClearField("metadata")  # neither logged nor counted, and 1.6 KB in Envoy
    route.request_headers_to_add.append(set_header(HASH_HEADER, subject.version))
    route.response_headers_to_add.extend((set_header(HASH_HEADER, subject.version), _FLAGS))
    if subject.exposure_version:
        route.response_headers_to_add.append(set_header(EXPOSURE_HEADER, subject.exposure_version))
    return route


def make_route(subject: ingress.Ingress, path: ingress.Path) -> route_components_pb2.Route:
    """Return the route of a path, for everybody."""
    action = route_components_pb2.RouteAction()
    headers = [set_header(name, value) for name, value in path.headers]
    if len(path.splits) == 1:
        action.cluster = path.splits[0].backend.cluster
        own = {name for name, _ in path.splits[0].headers}
        headers = [header for header in headers if header.header.key not in own]
        headers += [set_header(name, value) for name, value in path.splits[0].headers]
    else:
        action.weighted_clusters.clusters.extend(_make_weight(split) for split in path.splits)
    if path.rewrite_host:
        action.host_rewrite_literal = path.rewrite_host
        action.append_x_forwarded_host = True
    # The function's own timeout is kept by Knative's queue-proxy; a second clock here could only disagree.
    action.timeout.FromSeconds(0)
    if subject.exposure.timeout_seconds is not None:
        action.idle_timeout.FromSeconds(math.ceil(subject.exposure.timeout_seconds) + UPLOAD_SLACK_SECONDS)
    match = route_components_pb2.RouteMatch(prefix=path.prefix)
    match.headers.extend(_exact_header(name, value) for name, value in path.match)
    identity = observe.make_identity(namespace=subject.key.namespace, function=subject.function)
    return route_components_pb2.Route(match=match, route=action, request_headers_to_add=headers, metadata=identity)


def _make_weight(split: ingress.Split) -> route_components_pb2.WeightedCluster.ClusterWeight:
    return route_components_pb2.WeightedCluster.ClusterWeight(
        name=split.backend.cluster,
        weight=wrappers_pb2.UInt32Value(value=split.percent),
        request_headers_to_add=[set_header(name, value) for name, value in split.headers],
    )


def _exact_header(name: str, value: str) -> route_components_pb2.HeaderMatcher:
    matcher = route_components_pb2.HeaderMatcher(name=name)
    matcher.string_match.exact = value
    return matcher


def set_header(name: str, value: str) -> base_pb2.HeaderValueOption:
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


_FLAGS = base_pb2.HeaderValueOption(
    header=base_pb2.HeaderValue(key=FLAGS_HEADER, value="%RESPONSE_FLAGS%"),
    append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
)
_RETRY = _make_retry()
