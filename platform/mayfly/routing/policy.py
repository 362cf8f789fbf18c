"""Make what ``spec.http`` asks for into the filters of its routes. Pure.

A request passes in this order: cross-origin preflight, limits for all and for each address, authentication, claims,
limit for each caller, size of its body. An answer passes size, compression, and the headers of limits and CORS.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf import any_pb2

from mayfly import errors
from mayfly.model import exposure, handover
from mayfly.routing import edge
from mayfly.routing.filters import auth, chain, compression, cors, jwks, limits, scripts, sizes


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """Hold what tells good callers from others.

    With a ``problem``, the reason why it is not known, a route that asks for authentication refuses everybody.
    """

    jwks: str | None = None
    """A JSON Web Key Set."""
    api_keys: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    """Names of clients, each with its key, sorted."""
    problem: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """Hold what is enforced on a route."""

    per_filter: tuple[tuple[str, any_pb2.Any], ...] = ()
    removed_headers: tuple[str, ...] = ()
    """Headers of the function's answers that the gateway speaks for."""

    def apply(self, route: route_components_pb2.Route | route_components_pb2.VirtualHost) -> None:
        """Have a route, or all routes of a virtual host, enforce the policy.

        Token buckets belong to what it is applied to: routes of one virtual host share those of the host.
        """
        for name, config in self.per_filter:
            route.typed_per_filter_config[name].CopyFrom(config)
        route.response_headers_to_remove.extend(self.removed_headers)

    def exempt(self, route: route_components_pb2.Route) -> None:
        """Have a route not enforce the policy of its virtual host."""
        for name, _ in self.per_filter:
            route.typed_per_filter_config[name].CopyFrom(_EXEMPTIONS[name])


EMPTY = Policy()
_EXEMPTIONS = {chain.NAME: chain.make_exemption(), cors.NAME: cors.make_exemption()}


def make_http_filters() -> list[hcm_pb2.HttpFilter]:
    """Return what each listener must have before its router; a route without a policy passes it untouched."""
    return [
        hcm_pb2.HttpFilter(name=cors.NAME, typed_config=cors.make_listener_filter()),
        hcm_pb2.HttpFilter(name=chain.NAME, typed_config=chain.make_listener_filter()),
    ]


def make_policy(http: exposure.Http, *, listener: edge.Listener, credentials: Credentials, token: str = "") -> Policy:
    """Return what routes on ``listener`` must enforce, ``EMPTY`` when that is nothing.

    Credentials that cannot be used let nobody in, whatever else is wrong. What the eventing process delivers passes,
    at the internal listener, where it shows ``token``: what caused it met the policy, and who that was comes back.
    """
    filters = tuple(_make_filters(http, listener=listener, credentials=credentials))
    unless = (handover.DELIVERY, token) if token and listener == "internal" else None
    carried = handover.CARRIED if unless and http.auth else {}
    if not filters and not carried:
        return EMPTY
    per_filter = [(chain.NAME, chain.make_route_filter(filters, unless=unless, carried=carried))]
    removed: tuple[str, ...] = ()
    if http.cors:
        allowed = any_pb2.Any()
        allowed.Pack(cors.make_policy(http.cors), deterministic=True)
        per_filter.append((cors.NAME, allowed))
        removed += cors.RESPONSE_HEADERS
    if http.rate_limit:
        removed += limits.ENVOYS_HEADERS
    return Policy(tuple(per_filter), removed)


def check_jwks(text: str) -> None:
    """Check that ``text`` is a JSON Web Key Set with a public key that can check tokens.

    Raises:
        errors.InvalidRoute: it is not; says why, and never shows a key.
    """
    jwks.read(text)


def check_api_keys(keys: tuple[tuple[str, str], ...]) -> None:
    """Check API keys, given as pairs of client and key.

    Raises:
        errors.InvalidRoute: there is none, one cannot be sent, or two are the same; names clients, never a key.
    """
    auth.check_keys(keys)


def _make_filters(http: exposure.Http, *, listener: edge.Listener, credentials: Credentials) -> Iterator[chain.Filter]:
    wanted = http.auth
    if wanted and wanted.cluster_local == exposure.ClusterLocalAuth.EXEMPT and listener == "internal":
        wanted = None
    if http.cors:
        yield cors.make_vary()
    if http.rate_limit:
        yield from _make_limits(http.rate_limit)
    if wanted:
        yield from _make_auth(wanted, credentials)
        if http.rate_limit and http.rate_limit.per_key:
            yield limits.make_per_key(http.rate_limit.per_key)
    if http.max_request_bytes is not None:
        yield sizes.make_request_limit(http.max_request_bytes)
    # Of an answer the last filter sees the first: its size as the function made it.
    if http.compression:
        yield from compression.make_filters()
    if http.max_response_bytes is not None:
        yield sizes.make_response_limit(http.max_response_bytes, shown=str(http.max_response_size))


def _make_limits(wanted: exposure.RateLimit) -> Iterator[chain.Filter]:
    yield limits.make_headers()
    if wanted.total:
        yield limits.make_total(wanted.total)
    if wanted.per_client:
        yield limits.make_per_client(wanted.per_client)


def _make_auth(wanted: exposure.Auth, credentials: Credentials) -> list[chain.Filter]:
    """Return the filters that authenticate, or one that refuses everybody when that cannot be done."""
    if not credentials.problem:
        with contextlib.suppress(errors.InvalidRoute):
            if wanted.jwt:
                return list(auth.make_jwt(wanted.jwt, key_set=credentials.jwks or ""))
            if wanted.api_key:
                return list(auth.make_api_key(wanted.api_key, credentials.api_keys))
    # Strangers read this answer: the reason is in the status of the Function.
    return [scripts.make_refusal("Authentication is not available for this Function; its status says why.\n")]
