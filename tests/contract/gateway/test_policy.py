"""What callers of a protected function see, through a real Envoy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from envoy.config.route.v3 import route_components_pb2, route_pb2
from grpc import aio

from mayfly.model import exposure
from mayfly.routing import edge, ingress, policy, routes, wire
from mayfly.routing.filters import limits
from tests import ports
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.shop.example.com"
ISSUER = "https://issuer.example"
EVIL = "https://evil.example"


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_number(number: int) -> str:
    """Return a whole number as JWK writes it (RFC 7518, section 2)."""
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


class Issuer:
    """Hold one key of each kind, and sign with it."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.ed = ed25519.Ed25519PrivateKey.generate()

    @property
    def jwks(self) -> str:
        """The public keys."""
        numbers, point = self.rsa.public_key().public_numbers(), self.ec.public_key().public_numbers()
        raw = self.ed.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        n, e = encode_number(numbers.n), encode_number(numbers.e)
        x, y = encode(point.x.to_bytes(32, "big")), encode(point.y.to_bytes(32, "big"))
        keys = [
            {"kty": "RSA", "kid": "RS256", "alg": "RS256", "use": "sig", "n": n, "e": e},
            {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": x, "y": y},
            {"kty": "OKP", "kid": "EdDSA", "crv": "Ed25519", "x": encode(raw)},
            {"kty": "RSA", "kid": "other", "use": "enc", "n": n, "e": e},
        ]
        return json.dumps({"keys": keys})

    @property
    def pem(self) -> bytes:
        """The public RSA key as text, which a careless library takes for a shared secret."""
        return self.rsa.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, *, alg: str = "RS256", kid: str | None = None, **claims: Any) -> str:
        """Return a signed token; a claim that is ``None`` is left out."""
        now = int(time.time())
        content = {"iss": ISSUER, "sub": "alice", "aud": "shop", "iat": now, "exp": now + 600, **claims}
        content = {name: value for name, value in content.items() if value is not None}
        header = {"alg": alg, "typ": "JWT", "kid": kid or alg}
        signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(content).encode())}"
        return f"{signed}.{encode(self._sign(alg, signed.encode()))}"

    def _sign(self, alg: str, text: bytes) -> bytes:
        if alg == "RS256":
            return self.rsa.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if alg == "EdDSA":
            return self.ed.sign(text)
        if alg == "ES256":
            r, s = utils.decode_dss_signature(self.ec.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if alg == "HS256":
            code = hmac.HMAC(self.pem, hashes.SHA256())
            code.update(text)
            return code.finalize()
        return b""


ISSUED, OTHER = Issuer(), Issuer()
KEYS = policy.Credentials(api_keys=(("alice", "s3cret-of-alice"), ("bob", "s3cret-of-bob")))


class Site:
    """A function behind a policy; ``answer`` says what it does, which is to tell what it got unless a test says."""

    def __init__(self, gateway: conftest.Gateway) -> None:
        self.gateway = gateway
        self.answer: Callable[[web.Request], Any] | None = None
        self.seen = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serve the function; every host that is protected later leads to it."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        port = ports.free_ports(1)[0]
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.gateway.put(
            objects.service("fn"),
            objects.slice_("fn", "127.0.0.1", port=port),
            objects.ingress("plain", objects.rule(["plain.example.com"], objects.path(objects.split("fn")))),
        )
        await self.gateway.serves("plain.example.com")
        await self.gateway.serves("plain.example.com", listener="internal")

    async def close(self) -> None:
        """End the function."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen += 1
        if self.answer is not None:
            found: web.StreamResponse = await self.answer(request)
            return found
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response({"path": request.raw_path, "length": len(body), "headers": headers})

    async def protect(
        self,
        http: dict[str, Any],
        *,
        host: str = HOST,
        credentials: policy.Credentials | None = None,
        listeners: tuple[edge.Listener, ...] = ("public", "internal"),
        whole_host: bool = False,
        mark: str = "1",
    ) -> None:
        """Serve ``host`` with the policy of ``http``, and wait until Envoy does; ``mark`` tells versions apart."""
        found = exposure.Http.model_validate(http)
        for listener in listeners:
            made = policy.make_policy(found, listener=listener, credentials=credentials or policy.Credentials())
            scope = make_scope(listener, host, made, whole_host=whole_host, mark=mark)
            self.gateway.control.snapshot.put(scope)

        async def serves() -> bool:
            answers = [await self.call("/mark", host=host, listener=listener) for listener in listeners]
            return all(body.get("text") == mark for _, body in answers)

        await conftest.until(serves, what=f"{host} to be protected")

    async def call(self, path: str = "/", *, host: str = HOST, **options: Any) -> tuple[int, dict[str, Any]]:
        """Return status and body of a call."""
        return await self.gateway.call(host, path, **options)


def make_scope(
    listener: edge.Listener, host: str, made: policy.Policy, *, whole_host: bool, mark: str
) -> wire.Resource:
    """Return a scope with two paths to the function, protected each for itself or both together."""
    marker = route_components_pb2.Route(match=route_components_pb2.RouteMatch(path="/mark"))
    marker.direct_response.status = 200
    marker.direct_response.body.inline_string = mark
    paths = []
    for prefix in ("/other", "/"):
        route = route_components_pb2.Route(match=route_components_pb2.RouteMatch(prefix=prefix))
        route.route.cluster = ingress.Backend("shop", "fn", 80).cluster
        route.route.timeout.FromSeconds(0)
        paths.append(route)
    virtual_host = route_components_pb2.VirtualHost(name=host, domains=["*"])
    for target in [virtual_host] if whole_host else paths:
        made.apply(target)
    virtual_host.routes.extend([marker, *paths])
    configuration = route_pb2.RouteConfiguration(
        name=host, virtual_hosts=[virtual_host], request_headers_to_remove=[routes.LISTENER_HEADER]
    )
    return routes.make_scope(listener, host, wire.serialise(configuration))


@pytest.fixture
async def site(gateway: conftest.Gateway) -> AsyncIterator[Site]:
    """Give a function that nothing protects yet."""
    made = Site(gateway)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


# Tokens

JWT = {"issuer": ISSUER, "jwksUrl": "https://issuer.example/keys", "audiences": ["shop"]}
ISSUER_KEYS = policy.Credentials(jwks=ISSUED.jwks)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_a_good_token_passes_and_tells_who_calls(site: Site, alg: str) -> None:
    """The function sees subject and claims, and the token itself; what a client claims to be is removed."""
    await site.protect({"auth": {"jwt": JWT}}, credentials=ISSUER_KEYS)
    token = ISSUED.token(alg=alg)
    forged = {"X-Mayfly-Client": "root", "X-Mayfly-Jwt-Payload": "e30"}
    status, body = await site.call("/a?b=c", headers={**forged, **bearer(token)})
    headers = body["headers"]
    assert (200, "alice", f"Bearer {token}") == (status, headers["x-mayfly-client"], headers["authorization"])
    payload = headers["x-mayfly-jwt-payload"]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["aud"] == "shop"


async def test_a_token_without_subject_names_nobody(site: Site) -> None:
    """A forged name does not fill the gap."""
    await site.protect({"auth": {"jwt": JWT}}, credentials=ISSUER_KEYS)
    headers = {"X-Mayfly-Client": "root", **bearer(ISSUED.token(sub=None))}
    status, body = await site.call(headers=headers)
    assert (status, body["headers"].get("x-mayfly-client")) == (200, None)


async def test_bad_tokens_are_refused(site: Site) -> None:
    """Whatever is wrong with a token the function is not called, and the answer says how to authenticate."""
    await site.protect({"auth": {"jwt": JWT}}, credentials=ISSUER_KEYS)
    now = int(time.time())
    good = ISSUED.token()
    head, claims, signature = good.split(".")
    tampered = encode(base64.urlsafe_b64decode(claims + "==").replace(b"alice", b"mallo"))
    bad = {
        "none at all": None,
        "expired": ISSUED.token(exp=now - 120),
        "without an end": ISSUED.token(exp=None),
        "not valid yet": ISSUED.token(nbf=now + 120),
        "of another issuer": ISSUED.token(iss="https://other.example"),
        "of no issuer": ISSUED.token(iss=None),
        "signed by another issuer's key": OTHER.token(),
        "alg none": ISSUED.token(alg="none"),
        "alg none, kid of a key": ISSUED.token(alg="none", kid="RS256"),
        "alg none, signature of another": f"{encode(json.dumps({'alg': 'none'}).encode())}.{claims}.{signature}",
        "HS256 with the public key": ISSUED.token(alg="HS256", kid="RS256"),
        "kid of a key of another kind": ISSUED.token(alg="RS256", kid="ES256"),
        "kid of no key": ISSUED.token(kid="gone"),
        "kid of a key for encryption": ISSUED.token(kid="other"),
        "tampered with": f"{head}.{tampered}.{signature}",
        "without signature": f"{head}.{claims}.",
        "not a token": "abc",
        "empty": "",
    }
    seen = site.seen
    answers = {name: await site.call(headers=bearer(token) if token is not None else {}) for name, token in bad.items()}
    assert dict.fromkeys(bad, 401) == {name: status for name, (status, _) in answers.items()}
    challenges = {name: body["answer"].get("www-authenticate", "") for name, (_, body) in answers.items()}
    assert all(challenge.startswith("Bearer ") for challenge in challenges.values()), challenges
    status, _ = await site.call(headers=bearer(ISSUED.token(aud="bank")))
    assert status == 403, "Envoy answers 403 where the token is for somebody else"
    assert seen == site.seen


@pytest.mark.parametrize("claims", [{"exp": -30}, {"nbf": 30}, {"aud": ["bank", "shop"]}], ids=str)
async def test_tokens_that_just_pass(site: Site, claims: dict[str, Any]) -> None:
    """Clocks may differ by a minute, and one audience of several is enough."""
    await site.protect({"auth": {"jwt": JWT}}, credentials=ISSUER_KEYS)
    now = int(time.time())
    given: dict[str, Any] = {key: value + now if isinstance(value, int) else value for key, value in claims.items()}
    assert (await site.call(headers=bearer(ISSUED.token(**given))))[0] == 200


async def test_a_token_counts_in_its_header_only(site: Site) -> None:
    """Not in the query, where logs keep it, nor in a cookie or under another scheme."""
    await site.protect({"auth": {"jwt": JWT}}, credentials=ISSUER_KEYS)
    token = ISSUED.token()
    assert (await site.call(f"/?access_token={token}"))[0] == 401
    assert (await site.call(headers={"Cookie": f"access_token={token}"}))[0] == 401
    assert (await site.call(headers={"Authorization": f"Basic {token}"}))[0] == 401


@pytest.mark.parametrize(
    ("wanted", "has", "status"),
    [
        ({"role": ["admin", "owner"]}, {"role": "owner"}, 200),
        ({"role": ["admin"]}, {"role": "administrator"}, 403),
        ({"role": ["admin"]}, {}, 403),
        ({"role": ["admin"]}, {"role": ["dev", "admin"]}, 200),
        ({"role": ["admin"]}, {"role": ["dev"]}, 403),
        ({"role": ["admin"]}, {"role": {"admin": True}}, 403),
        ({"role": ["admin"], "team": ["a"]}, {"role": "admin"}, 403),
        ({"role": ["admin"], "team": ["a"]}, {"role": "admin", "team": "a"}, 200),
        ({"scope": ["write"]}, {"scope": "read write"}, 200),
        ({"scope": ["write"]}, {"scope": "read writeall"}, 403),
        ({"scope": ["write"]}, {"scope": ["read", "write"]}, 200),
        ({"role": ["write"]}, {"role": "read write"}, 403),
        ({"level": ["42"]}, {"level": 42}, 200),
        ({"level": ["42"]}, {"level": 43}, 403),
        ({"level": ["1.5"]}, {"level": [1, 1.5]}, 200),
        ({"level": ["42"]}, {"level": "42"}, 200),
        ({"staff": ["true"]}, {"staff": True}, 200),
        ({"staff": ["true"]}, {"staff": False}, 403),
        ({"realm.roles": ["admin"]}, {"realm": {"roles": ["admin"]}}, 200),
        ({"realm.roles": ["admin"]}, {"realm": {"roles": ["dev"]}}, 403),
        ({"https://shop.example/roles": ["admin"]}, {"https://shop.example/roles": ["admin"]}, 200),
    ],
    ids=str,
)
async def test_claims(site: Site, wanted: dict[str, Any], has: dict[str, Any], status: int) -> None:
    """Every claim asked for must be there with one of its values; lists, numbers and truth values count by content."""
    await site.protect({"auth": {"jwt": {**JWT, "claims": wanted}}}, credentials=ISSUER_KEYS)
    assert status == (await site.call(headers=bearer(ISSUED.token(**has))))[0]
    assert (await site.call())[0] == 401


# API keys


async def test_an_api_key_passes_and_tells_who_calls(site: Site) -> None:
    """The function sees the client's name and not the key."""
    await site.protect({"auth": {"apiKey": {"secret": "keys"}}}, credentials=KEYS)
    headers = {"X-API-Key": "s3cret-of-bob", "X-Mayfly-Client": "alice"}
    status, body = await site.call(headers=headers)
    assert (
        status,
        body["headers"]["x-mayfly-client"],
        body["headers"].get("x-api-key"),
    ) == (200, "bob", None)


@pytest.mark.parametrize("key", [None, "", "s3cret-of-bo", "s3cret-of-bobb", "S3CRET-OF-BOB", "bob", "s3cret-of-bob,"])
async def test_no_or_another_key_is_refused(site: Site, key: str | None) -> None:
    """Keys compare in full."""
    await site.protect({"auth": {"apiKey": {"secret": "keys"}}}, credentials=KEYS)
    assert (await site.call(headers={} if key is None else {"X-API-Key": key}))[0] == 401
    assert (await site.call("/?X-API-Key=s3cret-of-bob"))[0] == 401


async def test_a_key_in_the_query(site: Site) -> None:
    """It is taken out, however it is written, and the rest stays as it was."""
    await site.protect({"auth": {"apiKey": {"secret": "keys", "query": "key"}}}, credentials=KEYS)
    paths = {
        "/a?key=s3cret-of-bob": "/a",
        "/a?b=%20c+d&key=s3cret-of-bob&e=%2F%26f&g&h=": "/a?b=%20c+d&e=%2F%26f&g&h=",
        "/a?k%65y=s3cret-of-bob&key=other&monkey=1": "/a?monkey=1",
        "/a?key=s3cret%2Dof-bob&b=%0d%0aX": "/a?b=%0d%0aX",
    }
    for path, expected in paths.items():
        status, raw = await send(site, f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")
        assert (200, expected) == (status, json.loads(raw.split("\r\n\r\n", 1)[1])["path"])
    assert (await site.call("/a?key=no"))[0] == 401
    assert (await site.call("/a?key="))[0] == 401


async def send(site: Site, raw: str) -> tuple[int, str]:
    """Send bytes as they are, and return status and answer; the connection must be closed by the other side."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.public)
    writer.write(raw.encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]), answer


@pytest.mark.parametrize(
    "credentials",
    [
        policy.Credentials(problem="Secret shop/keys does not exist"),
        policy.Credentials(problem="not read yet", api_keys=KEYS.api_keys),
        policy.Credentials(),
        policy.Credentials(api_keys=(("alice", ""),)),
        policy.Credentials(api_keys=(("alice", "same"), ("bob", "same"))),
    ],
    ids=["problem", "problem in spite of keys", "nothing", "empty key", "same key twice"],
)
async def test_without_credentials_nobody_passes(site: Site, credentials: policy.Credentials) -> None:
    """What cannot be checked is refused, with 503; a browser may still read that."""
    http = {"auth": {"apiKey": {"secret": "keys"}}, "cors": {"origins": ["https://shop.example"]}}
    await site.protect(http, credentials=credentials)
    seen = site.seen
    for key in ("", "same", "s3cret-of-bob"):
        status, body = await site.call(headers={"X-API-Key": key, "Origin": "https://shop.example"})
        assert (status, body["answer"]["access-control-allow-origin"]) == (503, "https://shop.example")
        assert "Authentication is not available" in json.dumps(body)
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    assert (await site.call(method="OPTIONS", headers=preflight))[0] == 200
    assert seen == site.seen


@pytest.mark.parametrize("host", [HOST.upper(), "Hello.shop.example.com", f"{HOST}:80", f"{HOST}."])
async def test_no_way_of_writing_the_host_gets_past(site: Site, host: str) -> None:
    """The route is found after the host was written in lower case; its policy too."""
    await site.protect({"auth": {"apiKey": {"secret": "keys"}}, "maxRequestSize": "1Ki"}, credentials=KEYS)
    key = {"X-API-Key": "s3cret-of-bob"}
    assert (await site.call(host=host))[0] == 401
    assert (await site.call(host=host, headers=key))[0] == 200
    assert (await site.call(host=host, headers=key, method="POST", data=b"x" * 2000))[0] == 413


async def test_callers_inside_may_be_exempt(site: Site) -> None:
    """``clusterLocal: exempt`` frees the internal listener and no other; the default frees nobody."""
    http = {"auth": {"apiKey": {"secret": "keys"}, "clusterLocal": "exempt"}, "rateLimit": {"perKey": {"requests": 1}}}
    await site.protect(http, credentials=KEYS)
    assert [(await site.call(listener="internal"))[0] for _ in range(3)] == [200] * 3
    assert (await site.call())[0] == 401
    await site.protect({"auth": {"apiKey": {"secret": "keys"}}}, credentials=KEYS, mark="2")
    assert (await site.call(listener="internal"))[0] == 401


# Web pages of other origins


CORS = {
    "origins": ["https://shop.example", "https://*.shop.test"],
    "methods": ["GET", "PUT"],
    "headers": ["X-Trace"],
    "exposeHeaders": ["X-Total"],
    "credentials": True,
    "maxAge": "1h",
}


def cors_headers(body: dict[str, Any]) -> dict[str, str]:
    """Return what the answer says to a browser."""
    return {name[15:]: value for name, value in body["answer"].items() if name.startswith("access-control-")}


@pytest.mark.parametrize("origin", ["https://shop.example", "https://a.shop.test", "https://a.b.shop.test"])
async def test_a_preflight_is_answered_without_authentication(site: Site, origin: str) -> None:
    """The gateway answers, the function is not asked; the real call still needs a token."""
    await site.protect({"auth": {"jwt": JWT}, "cors": CORS}, credentials=ISSUER_KEYS)
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-trace"}
    seen = site.seen
    status, body = await site.call(method="OPTIONS", headers=asked)
    assert (200, seen) == (status, site.seen)
    assert cors_headers(body) == {
        "allow-origin": origin,
        "allow-credentials": "true",
        "allow-methods": "GET, PUT",
        "allow-headers": "X-Trace",
        "expose-headers": "X-Total",
        "max-age": "3600",
    }
    status, body = await site.call(headers={"Origin": origin})
    assert (401, origin, "Origin") == (status, cors_headers(body)["allow-origin"], body["answer"]["vary"])
    status, body = await site.call(headers={"Origin": origin, **bearer(ISSUED.token())})
    assert (200, origin, "X-Total") == (
        status,
        cors_headers(body)["allow-origin"],
        cors_headers(body)["expose-headers"],
    )


@pytest.mark.parametrize(
    "origin",
    [EVIL, "http://shop.example", "https://shop.example.evil.example", "https://shop.test", "https://xshop.test",
     "https://a.shop.test.evil.example", "https://evil.example/.shop.test", "https://shop.example:8443", "null"],
)  # fmt: skip
async def test_other_origins_are_told_nothing(site: Site, origin: str) -> None:
    """Their preflight allows nothing, and their calls get an answer that the browser keeps from them."""
    await site.protect({"cors": CORS})
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    seen = site.seen
    _, body = await site.call(method="OPTIONS", headers=asked)
    assert (None, seen) == (cors_headers(body).get("allow-origin"), site.seen)
    status, body = await site.call(headers={"Origin": origin})
    assert (status, cors_headers(body), body["answer"]["vary"]) == (200, {}, "Origin")


async def test_every_origin(site: Site) -> None:
    """``*`` lets all pages call, with the methods and headers that are usual."""
    await site.protect({"cors": {"origins": ["*"]}})
    asked = {"Origin": EVIL, "Access-Control-Request-Method": "DELETE"}
    status, body = await site.call(method="OPTIONS", headers=asked)
    found = cors_headers(body)
    assert (status, found["allow-origin"], found["max-age"], found.get("allow-credentials")) == (200, EVIL, "600", None)
    assert "DELETE" in found["allow-methods"]
    assert "Authorization" in found["allow-headers"]


async def test_the_function_does_not_speak_for_cors(site: Site) -> None:
    """Its own headers of the protocol are dropped, so that a browser gets one answer; its Vary is kept."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "TRACE", "Vary": "Accept"}
        return web.Response(text="hi", headers=headers)

    site.answer = answer
    await site.protect({"cors": CORS})
    raw = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://shop.example\r\nConnection: close\r\n\r\n"
    _, text = await send(site, raw)
    lines = [line.lower() for line in text.split("\r\n")]
    assert [line for line in lines if line.startswith("access-control-allow-origin")] == [
        "access-control-allow-origin: https://shop.example"
    ]
    assert not [line for line in lines if "trace" in line]
    assert "vary: accept,origin" in lines
    _, body = await site.call(headers={"Origin": EVIL})
    assert cors_headers(body) == {}


async def test_a_plain_options_reaches_the_function(site: Site) -> None:
    """OPTIONS without the headers of a preflight is a request like others."""
    await site.protect({"cors": CORS})
    seen = site.seen
    assert (await site.call(method="OPTIONS"))[0] == 200
    assert seen + 1 == site.seen


# Limits


def standing(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return limit and remainder as the answer tells them."""
    answer = body["answer"]
    return answer.get("ratelimit-limit"), answer.get("ratelimit-remaining")


async def test_a_total_limit(site: Site) -> None:
    """A burst may use all of it; then 429 says when to come back, and every answer how things stand."""
    await site.protect({"rateLimit": {"total": {"requests": 3, "window": "1h"}}})
    answers = [await site.call() for _ in range(4)]
    assert [status for status, _ in answers] == [200, 200, 200, 429]
    assert [standing(body) for _, body in answers] == [("3", "2"), ("3", "1"), ("3", "0"), ("3", "0")]
    refused = answers[3][1]["answer"]
    # A third of an hour until the next one.
    assert 1100 <= int(refused["retry-after"]) <= 1200
    assert 1100 <= int(refused["ratelimit-reset"]) <= 1200
    assert not [name for name in refused if name.startswith("x-ratelimit")]
    assert "retry-after" not in answers[0][1]["answer"]


async def test_a_limit_fills_evenly(site: Site) -> None:
    """Of 10 in 5 s one comes back after half a second, not all after five."""
    await site.protect({"rateLimit": {"total": {"requests": 10, "window": "5s"}}})
    assert [(await site.call())[0] for _ in range(10)] == [200] * 10
    status, body = await site.call()
    assert (status, body["answer"]["retry-after"]) == (429, "1")

    async def passes() -> bool:
        return (await site.call())[0] == 200

    start = time.monotonic()
    await conftest.until(passes)
    assert time.monotonic() - start < 5


async def test_a_client_has_its_own_limit(site: Site) -> None:
    """One address uses up what is its own; another is still served."""
    await site.protect({"rateLimit": {"perClient": {"requests": 2, "window": "1h"}}})
    here = [(await site.call())[0] for _ in range(3)]
    there = [await call_from("127.0.0.7", site) for _ in range(3)]
    assert [200, 200, 429] == here == there


async def call_from(address: str, site: Site, **headers: str) -> int:
    """Return the status of a call from another address of this machine."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"http://127.0.0.1:{site.gateway.public}/"
        async with session.get(url, headers={"Host": HOST, **headers}) as response:
            return response.status


async def test_a_forged_address_is_no_other_client(site: Site) -> None:
    """``X-Forwarded-For`` of a stranger does not give it another bucket."""
    await site.protect({"rateLimit": {"perClient": {"requests": 2, "window": "1h"}}})
    headers = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(3)]
    assert [(await site.call(headers=header))[0] for header in headers] == [200, 200, 429]


async def test_of_too_many_clients_the_most_silent_is_forgotten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds a full bucket again; those that call keep theirs."""
    monkeypatch.setattr(limits, "KEYS", 2)
    await site.protect({"rateLimit": {"perClient": {"requests": 1, "window": "1h"}}})
    first, second, third = "127.0.0.7", "127.0.0.8", "127.0.0.9"
    callers = [first, first, second, first, third, first, second]
    assert [await call_from(caller, site) for caller in callers] == [200, 429, 200, 429, 200, 429, 200]


async def test_each_key_has_its_own_limit(site: Site) -> None:
    """Callers are told apart by the name of their key; those without a good key use up nothing."""
    http = {"auth": {"apiKey": {"secret": "keys"}}, "rateLimit": {"perKey": {"requests": 2, "window": "1h"}}}
    await site.protect(http, credentials=KEYS)
    assert [(await site.call(headers={"X-Mayfly-Client": "alice"}))[0] for _ in range(3)] == [401] * 3
    for key in ("s3cret-of-alice", "s3cret-of-bob"):
        answers = [await site.call(headers={"X-API-Key": key}) for _ in range(3)]
        assert [status for status, _ in answers] == [200, 200, 429]
        assert [standing(body) for _, body in answers] == [("2", "1"), ("2", "0"), ("2", "0")]


async def test_subjects_have_their_own_limit_and_the_nameless_share_one(site: Site) -> None:
    """A token without subject does not escape the limit, and another token of the same subject has no other bucket."""
    http = {"auth": {"jwt": JWT}, "rateLimit": {"perKey": {"requests": 2, "window": "1h"}}}
    await site.protect(http, credentials=ISSUER_KEYS)
    for subject in ("alice", "bob", None):
        tokens = [ISSUED.token(sub=subject, jti=str(number)) for number in range(3)]
        assert [(await site.call(headers=bearer(token)))[0] for token in tokens] == [200, 200, 429]


async def test_limits_come_before_authentication(site: Site) -> None:
    """Guessing keys is limited too; preflights of browsers use up nothing, and pages may read the 429."""
    origin = "https://shop.example"
    http = {
        "auth": {"apiKey": {"secret": "keys"}},
        "rateLimit": {"perClient": {"requests": 2, "window": "1h"}},
        "cors": {"origins": [origin]},
    }
    await site.protect(http, credentials=KEYS)
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    assert [(await site.call(method="OPTIONS", headers=asked))[0] for _ in range(5)] == [200] * 5
    answers = [await site.call(headers={"X-API-Key": "guess", "Origin": origin}) for _ in range(3)]
    assert [status for status, _ in answers] == [401, 401, 429]
    assert origin == answers[2][1]["answer"]["access-control-allow-origin"]


async def test_what_shares_a_bucket(site: Site) -> None:
    """Paths of a host share one when the policy is the host's, and have each their own when it is theirs."""
    http = {"rateLimit": {"total": {"requests": 1000, "window": "1h"}}}
    await site.protect(http, host="whole.example.com", whole_host=True)
    await site.protect(http, host="parts.example.com")
    for host, shared in {"whole.example.com": 1, "parts.example.com": 0}.items():
        first, second = [standing((await site.call(path, host=host))[1])[1] for path in ("/", "/other")]
        assert first is not None
        assert second is not None
        assert shared == int(first) - int(second), host


async def test_buckets_survive_changes_elsewhere(site: Site) -> None:
    """A change of another Function leaves a used bucket used; a change of its own route fills it."""
    http = {"rateLimit": {"total": {"requests": 2, "window": "1h"}}}
    await site.protect(http)
    assert [(await site.call())[0] for _ in range(3)] == [200, 200, 429]
    await site.protect({"rateLimit": {"total": {"requests": 9}}}, host="other.example.com")
    site.gateway.put(objects.ingress("new", objects.rule(["new.example.com"], objects.path(objects.split("fn")))))
    await site.gateway.serves("new.example.com")
    await site.gateway.restart_control()
    assert (await site.call())[0] == 429
    await site.protect(http, mark="2")
    assert [(await site.call())[0] for _ in range(3)] == [200, 200, 429]


# Sizes


async def test_large_requests_are_refused(site: Site) -> None:
    """By their declared length, and without one when the byte too much comes; below the limit all is as without."""
    await site.protect({"maxRequestSize": "1Ki"})

    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 256

    assert [(answer := await site.call(method="POST", data=b"x" * 1024))[0], answer[1]["length"]] == [200, 1024]
    assert [(answer := await site.call(method="POST", data=chunks(4)))[0], answer[1]["length"]] == [200, 1024]
    assert (await site.call(method="POST", data=b"x" * 1025))[0] == 413
    assert (await site.call(method="POST", data=chunks(5)))[0] == 413
    head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000000000\r\n\r\n"
    assert (await send(site, head))[0] == 413


async def test_a_large_request_is_refused_before_it_is_whole(site: Site) -> None:
    """The gateway answers while the client still sends, and holds nothing back."""
    await site.protect({"maxRequestSize": "1Mi"})
    reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.public)
    head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"110000\r\n" + b"x" * 0x110000)
    line = await asyncio.wait_for(reader.readline(), conftest.DEADLINE_SECONDS)
    writer.close()
    assert b"413" in line


@pytest.mark.parametrize(
    "http",
    [
        {"maxRequestSize": "1Ki"},
        {"maxResponseSize": "1Ki"},
        {"compression": True},
        {"rateLimit": {"total": {"requests": 9}}},
    ],
    ids=str,
)
async def test_a_websocket_passes(site: Site, http: dict[str, Any]) -> None:
    """An upgraded connection carries messages with every policy on."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"echo {message.data}")
        return socket

    site.answer = answer
    await site.protect(
        {
            "maxRequestSize": "1Ki",
            "maxResponseSize": "1Ki",
            "compression": True,
            "rateLimit": {"total": {"requests": 9}},
        }
    )
    url = f"http://127.0.0.1:{site.gateway.public}/ws"
    async with site.gateway.session.ws_connect(url, headers={"Host": HOST}) as socket:
        await socket.send_str("hi")
        assert await socket.receive_str() == "echo hi"


async def test_large_answers_are_withheld(site: Site) -> None:
    """An answer that says it is too long becomes 502 with a sentence; one that does not say passes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        size = int(request.query["size"])
        if "stream" not in request.query:
            return web.Response(body=b"x" * size)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * size)
        return response

    site.answer = answer
    await site.protect({"maxResponseSize": "1Ki"})
    assert [(await site.call(f"/?size={size}"))[0] for size in (0, 1024)] == [200, 200]
    for size in (1025, 2000, 9999, 10_000_000):
        status, body = await site.call(f"/?size={size}")
        assert status == 502
        assert "spec.http.maxResponseSize" in json.dumps(body)
    assert (await site.call("/?size=5000&stream=1"))[0] == 200


async def test_not_modified_has_no_size(site: Site) -> None:
    """304 may tell the length of what it does not send."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=304, headers={"Content-Length": "5000"})

    site.answer = answer
    await site.protect({"maxResponseSize": "1Ki"})
    assert (await site.call())[0] == 304


# Compression


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"), ("br, gzip", "br"), ("br;q=0.5, gzip", "gzip"),
     ("*", "br"), ("gzip;q=0", None), ("identity", None), ("zstd", None), ("", None)],
)  # fmt: skip
async def test_the_client_chooses_the_coding(site: Site, accepted: str, coding: str | None) -> None:
    """Brotli where the client likes it as well as gzip; caches are told that it depends on the client."""
    await site.protect({"compression": True})
    site.answer = make_answer(b"x" * 4000, content_type="text/plain")
    found, headers, body = await fetch(site, accepted)
    assert (coding, "Accept-Encoding") == (found, headers.get("Vary"))
    assert (len(body) < 1000) == (coding is not None)


@pytest.mark.parametrize(
    ("content_type", "size", "headers", "coding"),
    [
        ("application/json", 4000, {}, "gzip"),
        ("application/json; charset=utf-8", 4000, {}, "gzip"),
        ("application/problem+json", 4000, {}, "gzip"),
        ("application/vnd.api+json", 4000, {}, "gzip"),
        ("image/svg+xml", 4000, {}, "gzip"),
        ("application/atom+xml", 4000, {}, "gzip"),
        ("text/javascript", 1024, {}, "gzip"),
        ("text/plain", 1023, {}, None),
        ("text/event-stream", 4000, {}, None),
        ("image/png", 4000, {}, None),
        ("application/octet-stream", 4000, {}, None),
        ("application/grpc+json", 4000, {}, None),
        ("text/plain", 4000, {"Content-Encoding": "br"}, "br"),
        ("text/plain", 4000, {"Cache-Control": "no-transform"}, None),
    ],
)
async def test_what_is_compressed(
    site: Site, content_type: str, size: int, headers: dict[str, str], coding: str | None
) -> None:
    """Text above a kilobyte that is not compressed yet."""
    await site.protect({"compression": True})
    site.answer = make_answer(b"x" * size, content_type=content_type, **headers)
    found, _, body = await fetch(site, "gzip")
    assert (coding, found is None or "Content-Encoding" in headers) == (found, len(body) == size)


async def test_a_strong_etag_becomes_weak(site: Site) -> None:
    """Compressed and plain answers are not the same bytes (RFC 9110, section 8.8.1)."""
    await site.protect({"compression": True})
    site.answer = make_answer(b"x" * 4000, content_type="text/plain", ETag='"abc"', Vary="Origin")
    _, headers, _ = await fetch(site, "gzip")
    assert (headers["ETag"], headers["Vary"]) == ('W/"abc"', "Origin, Accept-Encoding")


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_a_stream_is_compressed_as_it_comes(site: Site, coding: str) -> None:
    """What the function has said reaches the client before the function is done."""
    told = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(b'{"line": 1}\n')
        await told.wait()
        return response

    site.answer = answer
    await site.protect({"compression": True})
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        url, headers = f"http://127.0.0.1:{site.gateway.public}/", {"Host": HOST, "Accept-Encoding": coding}
        async with session.get(url, headers=headers) as response:
            first = await asyncio.wait_for(response.content.read(1), conftest.DEADLINE_SECONDS)
            told.set()
            assert (coding, 1) == (response.headers["Content-Encoding"], len(first))


async def test_the_size_of_an_answer_is_that_before_compression(site: Site) -> None:
    """What the function made counts."""
    await site.protect({"compression": True, "maxResponseSize": "2Ki"})
    site.answer = make_answer(b"x" * 4000, content_type="text/plain")
    assert (await site.call(headers={"Accept-Encoding": "gzip"}))[0] == 502


def make_answer(body: bytes, *, content_type: str, **headers: str) -> Callable[[web.Request], Any]:
    """Return a function that answers so; ``_`` in names of headers stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": content_type, **named})

    return answer


async def fetch(site: Site, accepted: str) -> tuple[str | None, Any, bytes]:
    """Return coding, headers and the body as it was sent."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        url = f"http://127.0.0.1:{site.gateway.public}/"
        async with session.get(url, headers={"Host": HOST, "Accept-Encoding": accepted}) as response:
            return response.headers.get("Content-Encoding"), response.headers, await response.read()


async def test_everything_at_once(site: Site) -> None:
    """All policies together let a good call through and leave its answer whole."""
    http = {
        "auth": {"jwt": {**JWT, "claims": {"scope": ["read"]}}},
        "cors": CORS,
        "rateLimit": {
            "total": {"requests": 100},
            "perClient": {"requests": 50},
            "perKey": {"requests": 2, "window": "1h"},
        },
        "maxRequestSize": "1Mi",
        "maxResponseSize": "6Mi",
        "compression": True,
    }
    await site.protect(http, credentials=ISSUER_KEYS)
    headers = {"Origin": "https://shop.example", **bearer(ISSUED.token(scope="read"))}
    answers = [await site.call(method="POST", data=b"x" * 5000, headers=headers) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 429]
    assert (answers[0][1]["length"], answers[0][1]["answer"]["ratelimit-limit"]) == (5000, "2")


async def test_a_wildcard_origin_may_be_as_long_as_the_schema_allows(site: Site) -> None:
    """Envoy takes it, though it refuses long regular expressions."""
    zone = "a" * (80 - len("https://*.") - len(".example:65535")) + ".example:65535"
    await site.protect({"cors": {"origins": [f"https://*.{zone}"]}})
    _, body = await site.call(headers={"Origin": f"https://b.{zone}"})
    assert cors_headers(body)["allow-origin"] == f"https://b.{zone}"


async def test_a_small_limit_leaves_the_gateways_own_answers(site: Site) -> None:
    """A refusal of the gateway's stays what it is, though it is longer than the function's answers may be."""
    await site.protect({"maxResponseSize": "10", "auth": {"apiKey": {"secret": "keys"}}}, credentials=KEYS)
    assert (await site.call())[0] == 401


async def test_the_largest_limits(site: Site) -> None:
    """Envoy takes limits of many digits."""
    await site.protect({"maxResponseSize": "123456789012", "maxRequestSize": "8Ei"})
    assert (await site.call(method="POST", data=b"x"))[0] == 200


async def test_a_grpc_stream_passes(site: Site) -> None:
    """Messages go both ways as they come, below the limit; beyond it the call ends."""
    server = aio.server()

    async def echo(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        async for request in requests:
            yield b"echo " + request

    handler = grpc.method_handlers_generic_handler("shop.Echo", {"Say": grpc.stream_stream_rpc_method_handler(echo)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    site.gateway.put(
        objects.service("fn", port_name="http2"),
        objects.slice_("fn", "127.0.0.1", port=port, port_name="http2"),
    )
    http = {"maxRequestSize": "1Ki", "maxResponseSize": "1Ki", "compression": True}
    await site.protect({**http, "rateLimit": {"total": {"requests": 99}}})
    options = [("grpc.default_authority", HOST)]
    async with aio.insecure_channel(f"127.0.0.1:{site.gateway.public}", options=options) as channel:
        say = channel.stream_stream("/shop.Echo/Say")

        async def answered() -> bool:
            with contextlib.suppress(aio.AioRpcError):
                call = say(timeout=5)
                await call.write(b"hi")
                return bool(await call.read() == b"echo hi")
            return False

        await conftest.until(answered)
        call = say(timeout=5)
        for number in range(3):
            await call.write(b"%d" % number * 100)
            assert await call.read() == b"echo " + b"%d" % number * 100
        await call.write(b"x" * 1000)
        with pytest.raises(aio.AioRpcError):
            await call.read()
    await server.stop(grace=None)
