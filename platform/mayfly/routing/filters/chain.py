"""Give a route a chain of filters of its own.

A listener has one filter for all policies, Envoy's ``composite``, and it is the same whatever routes say: the filters
that a route needs stand in the route, each with its whole configuration. So no change of a policy touches a listener,
where it would drain connections, and a route without a policy pays for none. The chain is chosen when the request
passes the filter: another of Envoy's, ``filter_chain``, chooses before the first filter runs, and a request whose
route is only found after its host was written in lower case would pass without any
(https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/composite_filter). Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2
from xds.type.matcher.v3 import matcher_pb2

from mayfly.routing import wire

NAME = "policy"
"""What the filter is called in the listeners, and its part in a route."""
_PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.composite.v3.CompositePerRoute"
_MATCHER_FIELD = 1
"""``CompositePerRoute.matcher``; the library does not know the message."""


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """Name a filter within its chain, and say what it does."""

    name: str
    config: any_pb2.Any


def make_filter(name: str, message: Any, *, unknown: bytes = b"") -> Filter:
    """Return a filter; ``unknown`` holds fields that Envoy has and the library's ``message`` lacks."""
    config = any_pb2.Any()
    config.Pack(message, deterministic=True)
    config.value += unknown
    return Filter(name, config)


def make_listener_filter() -> any_pb2.Any:
    """Return what the listeners install: nothing is done unless a route says so."""
    return _pack(composite_pb2.Composite())


def make_route_filter(
    filters: Iterable[Filter], *, unless: tuple[str, str] | None = None, carried: Mapping[str, str] | None = None
) -> any_pb2.Any:
    """Return what a route says about itself: its filters, first the one that sees a request first.

    Requests with the header ``unless``, a name and a value, meet none of them; everybody else does, whatever they send.
    Of such a request alone each header of ``carried`` gets the value of the one that it is mapped to.
    """
    made = matcher_pb2.Matcher()
    met = tuple(filters)
    if met:
        _execute(made.on_no_match, met)
    if unless is not None:
        name, value = unless
        exempt = made.matcher_list.matchers.add()
        shown = exempt.predicate.single_predicate
        shown.input.name = name
        shown.input.typed_config.CopyFrom(_pack(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=name)))
        shown.value_match.exact = value
        _execute(exempt.on_match, [_make_exempt(name, carried or {})])
    return any_pb2.Any(type_url=_PER_ROUTE, value=wire.field(_MATCHER_FIELD, wire.serialise(made)))


def make_exemption() -> any_pb2.Any:
    """Return what a route says that meets no filters although all others of its host do."""
    return any_pb2.Any(type_url=_PER_ROUTE, value=wire.field(_MATCHER_FIELD, b""))


def _execute(found: matcher_pb2.Matcher.OnMatch, filters: Iterable[Filter]) -> None:
    action = composite_pb2.ExecuteFilterAction()
    for item in filters:
        action.filter_chain.typed_config.add(name=item.name, typed_config=item.config)
    found.action.name = NAME
    found.action.typed_config.CopyFrom(_pack(action))


def _make_exempt(header: str, carried: Mapping[str, str]) -> Filter:
    """Return the filter that requests with ``header`` meet, which is not shown to the function, like those carried."""
    mutation = header_mutation_pb2.HeaderMutation()
    for name, source in carried.items():
        order = mutation.mutations.request_mutations.add().append
        order.header.key, order.header.value = name, f"%REQ({source})%"
        order.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        mutation.mutations.request_mutations.add(remove=source)
    mutation.mutations.request_mutations.add(remove=header)
    return make_filter("exempt", mutation)


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed
