"""Registries that ask who we are: a real one with passwords, a real one with tokens."""

from __future__ import annotations

import base64
import datetime as dt
import json

import aiohttp.web
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from mayfly import errors
from mayfly.image import image, reference
from mayfly.registry import credentials, pull, push
from tests.contract.registry import fault_proxy, make

HTPASSWD = "shop:$2y$05$/83cFeXpm.A11yHzAtjnaONDbiiiMNM6/GSQf0W2sFlrOH.hl.zMa"
"""bcrypt of the password below, at the lowest cost."""


def make_login(host: str, username: str = "shop", password: str = "pässwörd") -> credentials.Credentials:
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    return credentials.parse_credentials(json.dumps({"auths": {host: {"auth": auth}}}))


@pytest.fixture(scope="module")
def locked(farm, tmp_path_factory):
    """A registry that wants a password."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "htpasswd").write_text(HTPASSWD + "\n")
    return farm.start(folder, auth={"htpasswd": {"realm": "shop", "path": str(folder / "htpasswd")}})


async def test_password_opens(locked, make_client):
    """A login from a Docker config pushes and pulls."""
    client = make_client(locked.host, credentials=make_login(locked.host))
    pushed = make.make_image(make.make_layer("locked"))
    ref = await push.push_image(client, pushed, reference.ImageRef(locked.host, "shop/a", tag="v1"))
    assert (await pull.pull_image(client, ref)).digest == pushed.digest


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_wrong_password_is_refused_once(locked, make_client, password):
    """Without the right password the error is permanent and says where to put it; no password is shown."""
    known = make_login(locked.host, password=password) if password else credentials.Credentials()
    with pytest.raises(errors.RegistryError, match="registry_config") as caught:
        await make_client(locked.host, credentials=known).head_manifest(reference.ImageRef(locked.host, "shop/a"))
    assert (caught.value.status, caught.value.temporary) == (401, False)
    assert "wrong" not in str(caught.value)


class TokenService:
    """Give tokens that a real registry accepts; ``asked`` are the queries, ``life_seconds`` their life."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, list[str]]] = []
        self.life_seconds = 300
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
        now = dt.datetime.now(dt.UTC)
        self.certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )

    def make_token(self, service: str, scopes: list[str]) -> str:
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(dt.datetime.now(dt.UTC).timestamp())
        claims = {"iss": "tokens", "sub": "shop", "aud": service, "access": access, "jti": str(len(self.asked))}
        claims |= {"nbf": now - 10, "iat": now, "exp": now + self.life_seconds}
        signed = ".".join(_encode(json.dumps(part)) for part in ({"alg": "ES256", "typ": "JWT", "x5c": [der]}, claims))
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(32) + s.to_bytes(32))}"

    async def handle(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        scopes = request.query.getall("scope", [])
        self.asked.append((request.headers.get("Authorization"), scopes))
        return aiohttp.web.json_response({"token": self.make_token(request.query["service"], scopes)})


def _encode(data: str | bytes) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest_asyncio.fixture
async def tokens():
    service = TokenService()
    app = aiohttp.web.Application()
    app.router.add_get("/token", service.handle)
    runner = aiohttp.web.AppRunner(app, access_log=None)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = "http://{}:{}/token".format(*runner.addresses[0])
    yield service
    await runner.cleanup()


@pytest.fixture
def guarded(farm, tmp_path, tokens):
    """A registry that wants tokens of the service."""
    (tmp_path / "ca.pem").write_bytes(tokens.certificate.public_bytes(serialization.Encoding.PEM))
    rules = {"realm": tokens.url, "service": "r", "issuer": "tokens", "rootcertbundle": str(tmp_path / "ca.pem")}
    return farm.start(tmp_path, auth={"token": rules})


async def test_tokens_are_fetched_per_right_and_kept(guarded, tokens, make_client):
    """One token serves all requests of one right; a mount asks for the source too; the login goes to the service."""
    client = make_client(guarded.host, credentials=make_login(guarded.host))
    base = make.make_image(make.make_layer("base"))
    await push.push_image(client, base, reference.ImageRef(guarded.host, "shop/base", tag="v1"))
    pulled = await pull.pull_image(client, reference.ImageRef(guarded.host, "shop/base", tag="v1"))
    made = image.append(pulled, [make.make_layer("code")])
    ref = await push.push_image(client, made, reference.ImageRef(guarded.host, "shop/fn", tag="v1"))
    assert (await client.get_manifest(ref)).digest == made.digest
    assert {header for header, _ in tokens.asked} == {make_login(guarded.host).find(guarded.host).header}
    assert sorted(scopes for _, scopes in tokens.asked) == sorted(
        [
            ["repository:shop/base:pull"],
            ["repository:shop/base:pull,push"],
            ["repository:shop/fn:pull"],
            ["repository:shop/fn:pull,push"],
            ["repository:shop/fn:pull,push", "repository:shop/base:pull"],
        ]
    )


async def test_expired_token_is_replaced(guarded, tokens, make_client):
    """When the registry refuses a kept token a new one is fetched, once, and the request succeeds."""
    async with fault_proxy.run(guarded.host) as proxy:
        client = make_client(proxy.host)
        ref = reference.ImageRef(proxy.host, "shop/expiry", tag="v1")
        await push.push_image(client, make.make_image(make.make_layer("1")), ref)
        asked = len(tokens.asked)
        challenge = f'Bearer realm="{tokens.url}",service="r",error="invalid_token"'
        proxy.fail("PUT .*/uploads/", status=401, headers={"WWW-Authenticate": challenge})
        made = make.make_image(make.make_layer("2"))
        await push.push_image(client, made, ref)
        assert len(tokens.asked) == asked + 1
        assert (await client.get_manifest(ref)).digest == made.digest


async def test_refused_fresh_token_ends(guarded, tokens, make_client):
    """A registry that refuses fresh tokens too is an error, not a loop."""
    async with fault_proxy.run(guarded.host) as proxy:
        challenge = f'Bearer realm="{tokens.url}",service="r"'
        proxy.fail("HEAD ", status=401, headers={"WWW-Authenticate": challenge}, times=1000)
        with pytest.raises(errors.RegistryError) as caught:
            await make_client(proxy.host).head_manifest(reference.ImageRef(proxy.host, "shop/a"))
        assert (caught.value.status, len(tokens.asked)) == (401, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_to_another_host_carries_no_credentials(locked, registry, make_client, status):
    """A blob kept elsewhere is read there, without our password."""
    plain = make_client(registry.host)
    layer = make.make_layer("elsewhere")
    await push.push_image(plain, make.make_image(layer), reference.ImageRef(registry.host, "shop/blobs", tag="v1"))
    async with fault_proxy.run(locked.host) as front, fault_proxy.run(registry.host) as store:
        target = f"http://{store.host}/v2/shop/blobs/blobs/{layer.digest}"
        client = make_client(front.host, credentials=make_login(front.host))
        await client.has_blob(repository="shop/blobs", digest=layer.digest)
        front.fail("GET .*/blobs/", status=status, headers={"Location": target})
        data = await client.read_blob(repository="shop/blobs", digest=layer.digest, size=layer.size)
        assert data == layer.content().read()
        assert "Authorization" in front.headers_seen[-1]
        assert ["Authorization" in headers for headers in store.headers_seen] == [False]


async def test_challenge_of_another_host_is_not_answered(locked, make_client):
    """A host we were redirected to cannot ask for our password."""
    async with fault_proxy.run(locked.host) as front, fault_proxy.run(locked.host) as thief:
        client = make_client(front.host, credentials=make_login(front.host))
        await client.head_manifest(reference.ImageRef(front.host, "shop/a"))
        front.fail("GET ", status=307, headers={"Location": f"http://{thief.host}/v2/shop/a/manifests/v1"})
        with pytest.raises(errors.RegistryError):
            await client.get_manifest(reference.ImageRef(front.host, "shop/a", tag="v1"))
        assert thief.seen
        assert not any("Authorization" in headers for headers in thief.headers_seen)


async def test_token_service_trouble_is_retried(guarded, tokens, make_client):
    """A token service that fails for a moment does not fail the push."""
    service = tokens.url.removeprefix("http://").removesuffix("/token")
    async with fault_proxy.run(service) as shaky, fault_proxy.run(guarded.host) as front:
        challenge = f'Bearer realm="http://{shaky.host}/token",service="r"'
        front.fail("HEAD ", status=401, headers={"WWW-Authenticate": challenge}, times=2)
        shaky.fail("/token", status=503)
        client = make_client(front.host)
        assert await client.head_manifest(reference.ImageRef(front.host, "shop/none")) is None
        assert len(tokens.asked) == 1
