"""Ask callers who they are. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.api_key_auth.v3 import api_key_auth_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as rbac_filter_pb2
from envoy.type.matcher.v3 import string_pb2, value_pb2

from mayfly import errors
from mayfly.model import exposure
from mayfly.routing.filters import chain, jwks, scripts

CLIENT_HEADER = "x-mayfly-client"
"""Who calls: the name of an API key, or the subject of a token. Listeners remove what a client sends."""
PAYLOAD_HEADER = "x-mayfly-jwt-payload"
"""The claims of a token: JSON in base64url without padding."""
KEY_HEADER = "X-API-Key"
CLOCK_SKEW_SECONDS = 60
TOKENS = 100
"""Tokens whose signature each worker remembers, so that it is not checked again; their times are."""
_PROVIDER, _METADATA, _FILTER = "issuer", "claims", "envoy.filters.http.jwt_authn"
_KEY = re.compile(r"[\x21-\x7e]+")
"""What a header can carry without being changed on the way."""
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,9})?")


def make_jwt(jwt: exposure.Jwt, *, key_set: str) -> Iterator[chain.Filter]:
    """Yield what lets in only callers with a token of the issuer, signed with one of its keys.

    The token comes in ``Authorization: Bearer`` and nowhere else, has an end (``exp``), and goes on to the function.

    Raises:
        errors.InvalidRoute: as ``jwks.read``.
    """
    yield chain.make_filter("jwt", _make_authentication(jwt, json.dumps({"keys": jwks.read(key_set)})))
    if jwt.claims:
        yield chain.make_filter("claims", _make_rules(jwt))


def _make_authentication(jwt: exposure.Jwt, key_set: str) -> config_pb2.JwtAuthentication:
    made = config_pb2.JwtAuthentication(stat_prefix="policy")
    provider = made.providers[_PROVIDER]
    provider.issuer = jwt.issuer
    provider.audiences.extend(jwt.audiences)
    provider.local_jwks.inline_string = key_set
    provider.require_expiration = True
    provider.clock_skew_seconds = CLOCK_SKEW_SECONDS
    provider.forward = True
    # Named, since Envoy else takes it from the query as well, where logs and histories keep it.
    provider.from_headers.add(name="Authorization", value_prefix="Bearer ")
    provider.forward_payload_header = PAYLOAD_HEADER
    provider.claim_to_headers.add(header_name=CLIENT_HEADER, claim_name="sub")
    provider.jwt_cache_config.jwt_cache_size = TOKENS
    if jwt.claims:
        provider.payload_in_metadata = _METADATA
        provider.normalize_payload_in_metadata.space_delimited_claims.append("scope")
    rule = made.rules.add()
    rule.match.prefix = "/"
    rule.requires.provider_name = _PROVIDER
    return made


def _make_rules(jwt: exposure.Jwt) -> rbac_filter_pb2.RBAC:
    made = rbac_filter_pb2.RBAC(rules_stat_prefix="policy_")
    policy = made.rules.policies["claims"]
    policy.permissions.add(any=True)
    every = policy.principals.add().and_ids
    for claim, values in sorted(jwt.claims.items()):
        some = every.ids.add().or_ids
        for path in _paths(claim):
            some.ids.extend(_match(path, matcher) for value in values for matcher in _matchers(value))
    return made


def _paths(claim: str) -> Iterator[Sequence[str]]:
    """Yield where a claim can stand: under its own name, and ``a.b`` also as ``b`` within ``a``.

    Names that are URLs, as issuers use for their own claims, are not taken apart.
    """
    yield [claim]
    if "." in claim and not re.search("[/:]", claim):
        yield claim.split(".")


def _match(path: Sequence[str], matcher: value_pb2.ValueMatcher) -> rbac_pb2.Principal:
    made = rbac_pb2.Principal()
    found = made.sourced_metadata.metadata_matcher
    found.filter = _FILTER
    for key in (_METADATA, *path):
        found.path.add(key=key)
    found.value.CopyFrom(matcher)
    return made


def _matchers(value: str) -> Iterator[value_pb2.ValueMatcher]:
    """Yield what a claim may be: this text, the truth value or number that is written so, or a list with one."""
    singles = [value_pb2.ValueMatcher(string_match=string_pb2.StringMatcher(exact=value))]
    if value in {"true", "false"}:
        singles.append(value_pb2.ValueMatcher(bool_match=value == "true"))
    if _NUMBER.fullmatch(value):
        number = value_pb2.ValueMatcher()
        number.double_match.exact = float(value)
        singles.append(number)
    for single in singles:
        yield single
        listed = value_pb2.ValueMatcher()
        listed.list_match.one_of.CopyFrom(single)
        yield listed


def make_api_key(api_key: exposure.ApiKey, keys: Sequence[tuple[str, str]]) -> Iterator[chain.Filter]:
    """Yield what lets in only callers with one of the ``(client, key)`` pairs; the function does not see the key.

    Raises:
        errors.InvalidRoute: as ``check_keys``.
    """
    check_keys(keys)
    made = api_key_auth_pb2.ApiKeyAuth()
    for client, key in keys:
        made.credentials.add(client=client, key=key)
    source = made.key_sources.add()
    if api_key.query:
        source.query = api_key.query
    else:
        source.header = api_key.header or KEY_HEADER
    made.forwarding.header = CLIENT_HEADER
    # Of a query Envoy writes all other parameters anew, decoded and so changed.
    made.forwarding.hide_credentials = not api_key.query
    yield chain.make_filter("api-key", made)
    if api_key.query:
        yield scripts.make_hiding(api_key.query)


def check_keys(keys: Sequence[tuple[str, str]]) -> None:
    """Check API keys, given as ``(client, key)``.

    Raises:
        errors.InvalidRoute: there is none, one is empty or cannot be sent, or two clients have the same. Names the
            clients, never a key.
    """
    if not keys:
        raise errors.InvalidRoute("the Secret of auth.apiKey has no entry; add one: client name -> key")
    seen: dict[str, str] = {}
    for client, key in keys:
        if not _KEY.fullmatch(key):
            raise errors.InvalidRoute(
                f"the API key of client {client!r} is empty or has a space, a line break or a character outside "
                "ASCII, which no header can carry; write it without (a line break at the end is the usual cause)"
            )
        if key in seen:
            raise errors.InvalidRoute(
                f"the clients {seen[key]!r} and {client!r} have the same API key, so they cannot be told apart; "
                "give each its own"
            )
        seen[key] = client
