"""What ``spec.http`` becomes in Envoy's configuration, and which credentials are taken.

``MAYFLY_UPDATE_GOLDEN=1 pytest tests/unit/routing`` writes the expected files anew; read the difference first.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from envoy.config.route.v3 import route_components_pb2
from google.protobuf import descriptor_pool, empty_pb2, message_factory, unknown_fields
from hypothesis import given
from hypothesis import strategies as st
from xds.type.matcher.v3 import matcher_pb2

from mayfly import errors
from mayfly.model import exposure
from mayfly.routing import policy
from mayfly.routing.filters import jwks, sizes
from tests.unit.routing import test_golden


def encode(number: int, size: int) -> str:
    """Return a number as JWK writes it."""
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


RSA = {"kty": "RSA", "kid": "a", "alg": "RS256", "n": encode(2**2047 + 1, 256), "e": "AQAB"}
# The base point of P-256 (FIPS 186-4, appendix D.1.2.3).
X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
EC = {"kty": "EC", "kid": "b", "crv": "P-256", "x": encode(X, 32), "y": encode(Y, 32)}
ED = {"kty": "OKP", "kid": "c", "crv": "Ed25519", "x": encode(1, 32)}
KEYS = (("alice", "one"), ("bob", "two"))
JWT = {"issuer": "https://issuer.example", "jwksUrl": "https://issuer.example/keys"}

POLICIES: dict[str, tuple[dict[str, Any], policy.Credentials]] = {
    "jwt": (
        {"auth": {"jwt": {**JWT, "audiences": ["shop"], "claims": {"realm.role": ["admin", "7"], "scope": ["read"]}}}},
        policy.Credentials(jwks=json.dumps({"keys": [RSA, EC, ED]})),
    ),
    "api-key": ({"auth": {"apiKey": {"secret": "keys"}}}, policy.Credentials(api_keys=KEYS)),
    "api-key-query": ({"auth": {"apiKey": {"secret": "keys", "query": "key"}}}, policy.Credentials(api_keys=KEYS)),
    "no-credentials": ({"auth": {"jwt": JWT}}, policy.Credentials(problem="Secret shop/keys does not exist")),
    "cors": (
        {"cors": {"origins": ["https://shop.example", "https://*.shop.test:8443"], "exposeHeaders": ["X-Total"]}},
        policy.Credentials(),
    ),
    "limits": (
        {
            "auth": {"apiKey": {"secret": "keys"}},
            "rateLimit": {
                "total": {"requests": 9},
                "perClient": {"requests": 5, "window": "1m"},
                "perKey": {"requests": 2},
            },
        },
        policy.Credentials(api_keys=KEYS),
    ),
    "sizes": ({"maxRequestSize": "1Mi", "maxResponseSize": "6Mi", "compression": True}, policy.Credentials()),
}


def decode(message: Any) -> Any:
    """Return a message as JSON; what the library does not know is shown by field number."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        kind = message.type_url.rsplit("/", 1)[1]
        if kind.endswith(".CompositePerRoute"):
            (held,) = unknown_fields.UnknownFieldSet(empty_pb2.Empty.FromString(message.value))
            return {"@type": kind, "matcher": decode(matcher_pb2.Matcher.FromString(held.data))}
        try:
            found = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind))()
        except KeyError:
            return {"@type": kind, "bytes": message.value.hex()}
        found.ParseFromString(message.value)
        return {"@type": kind, **decode(found)}
    made = {field.name: _decode_field(field, value) for field, value in message.ListFields()}
    unknown = {f"field {item.field_number}": _text(item.data) for item in unknown_fields.UnknownFieldSet(message)}
    return {**made, **unknown}


def _decode_field(field: Any, value: Any) -> Any:
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        return {key: decode(value[key]) for key in sorted(value)}
    return [decode(item) for item in value] if field.is_repeated else decode(value)


def _text(data: Any) -> Any:
    return data.hex() if isinstance(data, bytes) else data


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_becomes_filters_of_a_route(name: str) -> None:
    """Each policy is exactly these filters in this order."""
    http, credentials = POLICIES[name]
    found = exposure.Http.model_validate(http)
    route = route_components_pb2.Route()
    policy.make_policy(found, listener="public", credentials=credentials).apply(route)
    test_golden.compare(f"policy-{name}", decode(route))


def test_nothing_asked_for_is_nothing() -> None:
    """A Function without policies, whatever its visibility, leaves the route as it is."""
    found = exposure.Http.model_validate({"visibility": "cluster-local"})
    assert policy.make_policy(found, listener="public", credentials=policy.Credentials()) is policy.EMPTY


def test_an_exemption_frees_the_internal_listener_alone() -> None:
    """``clusterLocal: exempt`` leaves nothing to do inside, and everything outside."""
    found = exposure.Http.model_validate({"auth": {"jwt": JWT, "clusterLocal": "exempt"}})
    made = {
        listener: policy.make_policy(found, listener=listener, credentials=policy.Credentials())
        for listener in ("public", "secure", "internal")
    }
    assert [listener for listener, one in made.items() if one == policy.EMPTY] == ["internal"]


@given(limit=st.integers(1, 10**12), other=st.integers(0, 10**13))
def test_larger_numbers_are_found(limit: int, other: int) -> None:
    """The expressions match exactly the numbers above the limit, however many zeros stand before."""
    for number in (other, limit - 1, limit, limit + 1):
        found = any(re.fullmatch(regex, f"00{number}") for regex in sizes.larger(limit))
        assert (number > limit) == found


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["RSA", "EC", "Ed25519"])
def test_public_keys_are_taken(key: dict[str, Any]) -> None:
    """One usable key is enough, beside others that are not."""
    policy.check_jwks(json.dumps({"keys": [key, {"kty": "future"}, {**key, "use": "enc"}]}))
    assert jwks.read(json.dumps({"keys": [key, {"kty": "future"}, {**key, "use": "enc"}]})) == [key]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "has no list 'keys'"),
        ('{"keys": {}}', "has no list 'keys'"),
        ('{"keys": [1]}', "not an object"),
        ('{"keys": []}', "0 keys but none"),
        (json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}), "symmetric key"),
        (json.dumps({"keys": [RSA, {"kty": "oct", "k": "c2VjcmV0"}]}), "symmetric key"),
        (json.dumps({"keys": [RSA, {**EC, "d": "AQAB"}]}), "private key"),
        (json.dumps({"keys": [{**RSA, "n": encode(2**1023 + 1, 128)}]}), "1 keys but none"),
        (json.dumps({"keys": [{**RSA, "n": "*"}]}), "1 keys but none"),
        (json.dumps({"keys": [{**RSA, "alg": "HS256"}]}), "1 keys but none"),
        (json.dumps({"keys": [{**RSA, "use": "enc"}]}), "1 keys but none"),
        (json.dumps({"keys": [{**EC, "y": EC["x"]}]}), "1 keys but none"),
        (json.dumps({"keys": [{**EC, "crv": "secp256k1"}]}), "1 keys but none"),
        (json.dumps({"keys": [{**ED, "x": encode(1, 31)}]}), "1 keys but none"),
        (json.dumps({"keys": [{**ED, "kid": 7}]}), "1 keys but none"),
        (" " * 300_000, "larger than 256 KiB"),
    ],
    ids=range(18),
)
def test_other_key_sets_are_refused(text: str, said: str) -> None:
    """The reason is told, and no key."""
    with pytest.raises(errors.InvalidRoute, match=said) as caught:
        policy.check_jwks(text)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((), "has no entry"),
        ((("alice", ""),), "'alice' is empty"),
        ((("alice", "hunter2\n"),), "line break"),
        ((("alice", "hunter 2"),), "space"),
        ((("alice", "hunter2"), ("bob", "hunter2")), "'alice' and 'bob' have the same"),
    ],
    ids=["none", "empty", "line break", "space", "twice"],
)
def test_api_keys_that_cannot_work_are_refused(keys: tuple[tuple[str, str], ...], said: str) -> None:
    """Clients are named, keys are not; and nobody gets in."""
    with pytest.raises(errors.InvalidRoute, match=said) as caught:
        policy.check_api_keys(keys)
    assert "hunter" not in str(caught.value)
    found = exposure.Http.model_validate({"auth": {"apiKey": {"secret": "keys"}}})
    made = policy.make_policy(found, listener="public", credentials=policy.Credentials(api_keys=keys))
    assert "refusal" in str(made)


def test_credentials_do_not_show_their_keys() -> None:
    """What is logged of them names no secret."""
    assert "two" not in repr(policy.Credentials(api_keys=KEYS))


def test_who_called_comes_back_even_where_nobody_is_asked_for_it():
    """Callers inside are exempt, so the route has no filters of its own, but deliveries still say who caused them."""
    auth = {"apiKey": {"secret": "keys"}, "clusterLocal": "exempt"}
    http = exposure.Http.model_validate({"auth": auth})
    made = {
        token: policy.make_policy(http, listener="internal", credentials=policy.Credentials(), token=token)
        for token in ("", "a-token-of-16-chars")
    }
    assert made[""] == policy.EMPTY
    assert b"mayfly-client" in made["a-token-of-16-chars"].per_filter[0][1].value
