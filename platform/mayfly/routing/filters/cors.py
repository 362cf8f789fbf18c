"""Let web pages of other origins call (https://fetch.spec.whatwg.org/#http-cors-protocol). Pure."""

from __future__ import annotations

import re

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import any_pb2, wrappers_pb2

from mayfly.model import duration, exposure
from mayfly.routing.filters import chain

NAME = "cors"
"""What the filter is called in the listeners, and its part in a route."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
HEADERS = ("Authorization", "Content-Type")
RESPONSE_HEADERS = tuple(
    f"access-control-{name}"
    for name in (
        "allow-credentials",
        "allow-headers",
        "allow-methods",
        "allow-origin",
        "expose-headers",
        "max-age",
    )
)
"""Headers of the protocol; those of the function are dropped, since two answers are none for a browser."""


def make_listener_filter() -> any_pb2.Any:
    """Return what the listeners install: it does what the route's policy says, and nothing without one.

    It stands for itself, since Envoy's filter looks for its policy under its own name in the route.
    """
    packed = any_pb2.Any()
    packed.Pack(cors_pb2.Cors())
    return packed


def make_exemption() -> any_pb2.Any:
    """Return what a route says that answers no preflights although all others of its host do."""
    nobody = cors_pb2.CorsPolicy()
    nobody.filter_enabled.default_value.numerator = 0
    packed = any_pb2.Any()
    packed.Pack(nobody, deterministic=True)
    return packed


def make_vary() -> chain.Filter:
    """Return what tells caches that answers depend on who asks, as Envoy's filter does not."""
    made = header_mutation_pb2.HeaderMutation()
    vary = mutation_rules_pb2.HeaderMutation()
    vary.append.header.key, vary.append.header.value = "vary", "Origin"
    vary.append.append_action = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
    made.mutations.response_mutations.append(vary)
    return chain.make_filter("vary", made)


def make_policy(cors: exposure.Cors) -> cors_pb2.CorsPolicy:
    """Return who may do what; a preflight of anybody else is answered too, and allows nothing."""
    made = cors_pb2.CorsPolicy(
        allow_origin_string_match=[_match(origin) for origin in cors.origins],
        allow_methods=", ".join(cors.methods or METHODS),
        allow_headers=", ".join(cors.headers or HEADERS),
        expose_headers=", ".join(cors.expose_headers),
        max_age=str(int(duration.parse_duration(cors.max_age))),
        forward_not_matching_preflights=wrappers_pb2.BoolValue(value=False),
    )
    made.allow_credentials.value = cors.credentials
    return made


def _match(origin: str) -> string_pb2.StringMatcher:
    """Return a matcher; ``*.`` stands for one or more labels, ``*`` for every origin, a file's ``null`` included."""
    if "*" not in origin:
        return string_pb2.StringMatcher(exact=origin)
    made = string_pb2.StringMatcher()
    made.safe_regex.regex = ".*" if origin == "*" else re.escape(origin).replace(r"\*", r"[a-z0-9-]+(\.[a-z0-9-]+)*")
    return made
