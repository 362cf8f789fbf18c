"""Limit how often a Function is called.

Token buckets within Envoy: a bucket holds ``requests`` tokens and is filled evenly, ``requests`` in each ``window``,
so a burst may use all of them at once and the n-th part of the window brings the n-th part of them back.
The answer to a call beyond is 429 with ``Retry-After``; every answer says how things stand in ``RateLimit-Limit``,
``-Remaining`` and ``-Reset`` (draft-ietf-httpapi-ratelimit-headers-03) for the last limit that counted the call. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.type.v3 import token_bucket_pb2
from google.protobuf import wrappers_pb2

from mayfly.model import duration, exposure
from mayfly.routing.filters import auth, chain

KEYS = 10_000
"""Callers with a bucket of their own, for each limit and route; beyond it the one that was silent longest is forgotten,
so it finds a full bucket when it calls again. A bucket takes about 200 bytes."""
ENVOYS_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
"""Where Envoy writes; the function's own headers of these names are dropped before."""
_RETRY_AFTER = b"\x98\x01\x01"
"""``LocalRateLimit.enable_retry_after_header: true``, field 19, which the library lacks."""


def make_total(limit: exposure.Limit) -> chain.Filter:
    """Return the limit for all callers together."""
    return chain.make_filter("limit-total", _make_limit(limit), unknown=_RETRY_AFTER)


def make_per_client(limit: exposure.Limit) -> chain.Filter:
    """Return the limit for each client address: the peer's, or what the listener takes for it."""
    action = route_components_pb2.RateLimit.Action()
    action.remote_address.SetInParent()
    return _make_keyed("limit-client", limit, action, key="remote_address")


def make_per_key(limit: exposure.Limit) -> chain.Filter:
    """Return the limit for each authenticated caller; those without a name (a token without ``sub``) share one."""
    action = route_components_pb2.RateLimit.Action()
    action.request_headers.header_name = auth.CLIENT_HEADER
    action.request_headers.descriptor_key = "client"
    return _make_keyed("limit-key", limit, action, key="client")


def make_headers() -> chain.Filter:
    """Return what gives the headers their standard names; it must stand before the limits, whose answers pass it."""
    mutation = header_mutation_pb2.HeaderMutation()
    mutation.mutations.response_mutations.extend(_rename(ENVOYS_HEADERS))
    return chain.make_filter("limit-headers", mutation)


def _rename(names: Iterable[str]) -> Iterator[mutation_rules_pb2.HeaderMutation]:
    for name in names:
        made = mutation_rules_pb2.HeaderMutation()
        made.append.header.key = name.removeprefix("x-")
        made.append.header.value = f"%RESP({name})%"
        made.append.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        yield made
        yield mutation_rules_pb2.HeaderMutation(remove=name)


def _make_keyed(
    name: str, limit: exposure.Limit, action: route_components_pb2.RateLimit.Action, *, key: str
) -> chain.Filter:
    """Return a limit with a bucket for each value of a descriptor; a call that has none takes from one for all such."""
    made = _make_limit(limit)
    made.descriptors.add(entries=[ratelimit_pb2.RateLimitDescriptor.Entry(key=key)], token_bucket=_make_bucket(limit))
    made.rate_limits.add(actions=[action])
    made.max_dynamic_descriptors.value = KEYS
    made.always_consume_default_token_bucket.CopyFrom(wrappers_pb2.BoolValue(value=False))
    return chain.make_filter(name, made, unknown=_RETRY_AFTER)


def _make_limit(limit: exposure.Limit) -> local_rate_limit_pb2.LocalRateLimit:
    always = base_pb2.RuntimeFractionalPercent()
    always.default_value.numerator = 100
    return local_rate_limit_pb2.LocalRateLimit(
        stat_prefix="policy",
        token_bucket=_make_bucket(limit),
        filter_enabled=always,
        filter_enforced=always,
        enable_x_ratelimit_headers=ratelimit_pb2.DRAFT_VERSION_03,
        rate_limited_as_resource_exhausted=True,
    )


def _make_bucket(limit: exposure.Limit) -> token_bucket_pb2.TokenBucket:
    made = token_bucket_pb2.TokenBucket(
        max_tokens=limit.requests, tokens_per_fill=wrappers_pb2.UInt32Value(value=limit.requests)
    )
    made.fill_interval.FromMilliseconds(round(duration.parse_duration(limit.window) * 1000))
    return made
