"""Give a route a chain of filters of its own.

A listener has one filter for all policies, Envoy's ``filter_chain``, and it is the same whatever routes say: the
filters that a route needs stand in the route, each with its whole configuration. So no change of a policy touches a
listener, where it would drain connections, and a route without a policy pays for none
(https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/filter_chain_filter). Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from envoy.config.core.v3 import extension_pb2
from google.protobuf import any_pb2

from mayfly.routing import wire

NAME = "policy"
"""What the filter is called in the listeners, and its part in a route."""
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.filter_chain.v3"
_CHAIN_FIELD, _FILTERS_FIELD = 1, 1
"""``FilterChainConfigPerRoute.filter_chain`` and ``FilterChain.filters``; the library does not know these messages."""


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
    """Return what the listeners install: a chain that is empty unless a route has one."""
    return any_pb2.Any(type_url=f"{_TYPE}.FilterChainConfig")


def make_route_filter(filters: Iterable[Filter]) -> any_pb2.Any:
    """Return what a route says about itself: its filters, first the one that sees a request first."""
    chain = b"".join(
        wire.field(
            _FILTERS_FIELD,
            wire.serialise(extension_pb2.TypedExtensionConfig(name=item.name, typed_config=item.config)),
        )
        for item in filters
    )
    return any_pb2.Any(type_url=f"{_TYPE}.FilterChainConfigPerRoute", value=wire.field(_CHAIN_FIELD, chain))
