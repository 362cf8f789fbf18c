"""What docs/gateway.md promises, applied and called as written there."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import ssl
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

from tests.e2e.person import ROOT, User, wait_until

TEXT = (ROOT / "docs" / "gateway.md").read_text()


def manifests(heading: str) -> list[dict[str, Any]]:
    """Return the objects under a heading, their Functions with so little CPU that all of them fit on a small node."""
    section = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    [found] = [part for part in section if part.startswith(heading)]
    blocks = re.findall(r"```yaml\n(.*?)```", found, flags=re.DOTALL)
    objects = [obj for block in blocks for obj in yaml.safe_load_all(block)]
    for obj in objects:
        if obj["kind"] == "Function":
            obj["spec"]["resources"] = {"cpu": "20m"}
    return objects


def own(user: User, host: str) -> str:
    """Return ``host`` as this test's own: hosts belong to the namespace that names them first."""
    return host.replace("example.com", f"{user.namespace}.example.com")


def apply(user: User, heading: str) -> list[str]:
    """Apply what stands under a heading and return the names of its Functions."""
    objects = manifests(heading)
    for obj in objects:
        http = obj.get("spec", {}).get("http", {})
        if "hosts" in http:
            http["hosts"] = [own(user, host) for host in http["hosts"]]
        user.apply(obj)
    return [obj["metadata"]["name"] for obj in objects if obj["kind"] == "Function"]


def call(user: User, host: str, path: str = "/", method: str = "GET", **kwargs: Any) -> httpx2.Response:
    headers = {"Host": own(user, host), **kwargs.pop("headers", {})}
    return httpx2.request(method, user.gateway_url + path, headers=headers, timeout=60, **kwargs)


def test_every_manifest_is_tried() -> None:
    """A section with a manifest has a test that applies it."""
    tested = set(re.findall(r'apply\(user, "(.*?)"\)', Path(__file__).read_text()))
    written = {part.split("\n", 1)[0] for part in re.split(r"^## ", TEXT, flags=re.MULTILINE) if "```yaml" in part}
    assert written == tested


def test_functions_share_a_host_by_path(user: User) -> None:
    """Each path reaches its Function, rewritten; a second claim of a path is refused by name, and heals."""
    for name in apply(user, "Hosts and paths"):
        user.wait_ready(name)
    assert call(user, "shop.example.com", "/a/b").json() == {"function": "catalogue", "path": "/a/b"}
    assert call(user, "shop.example.com", "/orders/7").json() == {"function": "orders", "path": "/7"}
    assert call(user, "shop.example.com", "/ordersx").json()["function"] == "catalogue"
    assert call(user, "shop.example.com", "/orders", "DELETE").json()["function"] == "catalogue"

    orders = user.get("fn", "orders")
    orders["spec"]["http"]["paths"][0].pop("methods")
    orders["spec"]["http"]["paths"][0]["path"] = "/"
    user.apply(orders)
    taken = wait_until(
        lambda: user.condition("orders")["reason"] == "PathTaken" and user.condition("orders"), 30, "told"
    )
    assert "'catalogue'" in taken["message"]
    assert call(user, "shop.example.com", "/x").json()["function"] == "catalogue"
    assert "PathTaken" in user.kubectl("describe", "fn", "orders")
    user.kubectl("delete", "fn", "catalogue")
    user.wait_ready("orders")
    assert call(user, "shop.example.com", "/x").json()["function"] == "orders"


def test_another_namespace_does_not_get_the_host(user: User) -> None:
    """The first namespace keeps a host; the second Function says whose it is, and answers at its own address."""
    other = User(f"{user.namespace}-b", user.env, user.gateway_url)
    user.kubectl("create", "namespace", other.namespace)
    try:
        [catalogue, _] = manifests("Hosts and paths")
        catalogue["spec"]["http"]["hosts"] = [own(user, "shop.example.com")]
        user.apply(catalogue)
        user.wait_ready("catalogue")
        other.apply(catalogue)
        wait_until(lambda: other.condition("catalogue").get("reason") == "HostTaken", 60, "told")
        assert repr(user.namespace) in other.condition("catalogue")["message"]
        assert call(user, "shop.example.com").json()["function"] == "catalogue"
        assert other.call("catalogue").status_code == 200
    finally:
        user.kubectl("delete", "namespace", other.namespace, "--wait=false")


def make_certificate(host: str) -> dict[str, str]:
    """Return the parts of a TLS Secret for a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return {
        "tls.crt": made.public_bytes(serialization.Encoding.PEM).decode(),
        "tls.key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    }


def test_https_with_a_certificate_of_ones_own(user: User, tmp_path: Path) -> None:
    """A missing Secret is named; with it the host is served over TLS, and plain HTTP redirects there."""
    [name] = apply(user, "HTTPS")
    wait_until(lambda: user.condition(name).get("reason") == "CertificateMissing", 60, "the missing Secret to be named")
    assert "pay-example-com" in user.condition(name)["message"]
    parts = make_certificate(own(user, "pay.example.com"))
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls"}
    user.apply({**secret, "metadata": {"name": "pay-example-com"}, "stringData": parts})
    user.wait_ready(name)
    answer = call(user, "pay.example.com", "/x?y=1")
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{own(user, 'pay.example.com')}/x?y=1")
    authority = tmp_path / "ca.pem"
    authority.write_text(parts["tls.crt"])
    address = user.kubectl("get", "svc", "-n", "mayfly-system", "mayfly-gateway", "-o", "jsonpath={.spec.clusterIP}")
    with httpx2.Client(verify=ssl.create_default_context(cafile=str(authority)), timeout=60) as client:
        host = own(user, "pay.example.com")
        secured = client.get(f"https://{address}/", headers={"Host": host}, extensions={"sni_hostname": host})
    assert secured.json() == {"scheme": "https"}


class Issuer:
    """Signs tokens with a key of its own (ES256)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwks(self) -> str:
        numbers = self._key.public_key().public_numbers()
        point = {"x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big"))}
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig", **point}]})

    def sign(self, **claims: Any) -> dict[str, str]:
        """Return the header of a call with a token that holds ``claims``."""
        full = {"iss": "https://login.example.com", "aud": "shop", "sub": "ann", "exp": time.time() + 600, **claims}
        text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "ES256", "kid": "1"}, full))
        r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return {"Authorization": f"Bearer {text}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"}


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_tokens_of_an_issuer(user: User) -> None:
    """No keys: nobody. With them: the right token passes, others get 401 or 403."""
    [name] = apply(user, "JSON Web Tokens")
    wait_until(lambda: user.condition(name).get("reason") == "AuthSecretMissing", 60, "the missing Secret to be named")
    issuer, stranger = Issuer(), Issuer()
    assert user.call(name, headers=issuer.sign(role="staff")).status_code == 503
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "issuer"}}
    user.apply({**secret, "stringData": {"jwks.json": issuer.jwks}})
    user.wait_ready(name)
    answer = user.call(name, headers={**issuer.sign(role="staff"), "X-Mayfly-Client": "forged"})
    assert (answer.status_code, answer.json()) == (200, {"caller": "ann"})
    refused = {
        "no token": ({}, 401),
        "another issuer's key": (stranger.sign(role="staff"), 401),
        "expired": (issuer.sign(role="staff", exp=time.time() - 600), 401),
        "another audience": (issuer.sign(role="staff", aud="bank"), 403),
        "without the claim": (issuer.sign(role="guest"), 403),
    }
    assert {why: status for why, (_, status) in refused.items()} == {
        why: user.call(name, headers=headers).status_code for why, (headers, _) in refused.items()
    }


def test_an_issuer_is_asked_for_its_keys(user: User) -> None:
    """jwksUrl: an issuer that runs in the cluster; one that does not answer is named, and everybody refused."""
    issuer = Issuer()
    keys = f"async def main(request):\n    return {issuer.jwks}\n"
    source = {"apiVersion": "mayfly.dev/v1alpha1", "kind": "Function", "metadata": {"name": "login"}}
    small = {"resources": {"cpu": "20m"}, "scaling": {"min": 1}}
    user.apply({**source, "spec": {"source": {"inline": {"main.py": keys}}, **small}})
    [account] = manifests("JSON Web Tokens")
    jwt = account["spec"]["http"]["auth"]["jwt"]
    del jwt["jwksSecret"]
    jwt["jwksUrl"] = f"http://nobody.{user.namespace}.svc.cluster.local/jwks"
    user.apply(account)
    wait_until(lambda: user.condition("account").get("reason") == "JWKSUnreachable", 60, "the issuer to be named")
    assert "nobody" in user.condition("account")["message"]
    assert user.call("account", headers=issuer.sign(role="staff")).status_code == 503
    user.wait_ready("login")
    jwt["jwksUrl"] = user.get("fn", "login")["status"]["address"]["url"]
    user.apply(account)
    user.wait_ready("account")
    assert user.call("account", headers=issuer.sign(role="staff")).json() == {"caller": "ann"}


def test_keys_of_partners(user: User) -> None:
    """A key lets its client in under its name, and is counted for itself; a key that is taken away ends that."""
    [name] = apply(user, "API keys")
    user.wait_ready(name)
    acme, globex = ({"X-API-Key": key} for key in ("4f1c8a52f0c94e0e9a7b", "8b77c1d9e2a64d11b3f0"))
    assert user.call(name, headers=acme).json() == {"partner": "acme", "key": None}
    assert [user.call(name).status_code, user.call(name, headers={"X-API-Key": "4f1c8a52"}).status_code] == [401, 401]
    assert [user.call(name, headers=acme).status_code for _ in range(3)] == [200, 200, 429]
    assert user.call(name, headers=globex).json()["partner"] == "globex"
    patch = json.dumps({"data": {"globex": None}})
    user.kubectl("patch", "secret", "partners", "--type=merge", "-p", patch)
    wait_until(lambda: user.call(name, headers=globex).status_code == 401, 30, "the key to be refused")


def test_pages_of_other_origins(user: User) -> None:
    """The preflight is answered without the Function; answers name the origin that asked, and no other."""
    [name] = apply(user, "Web pages of other origins")
    user.wait_ready(name)
    asks = {"Origin": "https://a.preview.example.com", "Access-Control-Request-Method": "GET"}
    preflight = user.call(name, method="OPTIONS", headers=asks)
    assert (preflight.status_code, preflight.content) in ((200, b""), (204, b""))
    assert preflight.headers["access-control-allow-origin"] == asks["Origin"]
    assert preflight.headers["access-control-allow-credentials"] == "true"
    answer = user.call(name, headers={"Origin": "https://shop.example.com"})
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert "access-control-allow-origin" not in user.call(name, headers={"Origin": "https://evil.example"}).headers


def test_a_client_that_calls_too_often(user: User) -> None:
    """Five calls a minute pass; the sixth is told when to come again."""
    [name] = apply(user, "Rate limits")
    user.wait_ready(name)
    answers = [user.call(name) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]


def test_sizes_and_compression(user: User) -> None:
    """Too large is 413 for a request and 502 for an answer, both with words; text is compressed for who asks."""
    [name] = apply(user, "Sizes and compression")
    user.wait_ready(name)
    assert user.call(name, method="POST", content=b"x" * 1000).status_code == 200
    for body in (b"x" * 2000, iter([b"x" * 1000] * 2)):
        assert user.call(name, method="POST", content=body).status_code == 413
    small = user.call(name, "/?size=50000", headers={"Accept-Encoding": "gzip"})
    assert (small.headers["content-encoding"], len(small.json()["text"])) == ("gzip", 50000)
    large = user.call(name, "/?size=200000", headers={"Accept-Encoding": "identity"})
    assert (large.status_code, "maxResponseSize" in large.text) == (502, True)


def test_calls_that_are_answered_before_the_work_is_done(user: User) -> None:
    """202 by either way, the outcome where Location says; the function sees the call as it would have at once."""
    [name] = apply(user, "Asynchronous calls")
    user.wait_ready(name)
    at_once = call(user, "reports.example.com", "/reports/2026", "POST")
    assert at_once.json() == {"path": "/2026", "attempt": None}
    for path, headers in (("/reports/2026", {"Prefer": "respond-async"}), ("/async/reports/2026", {})):
        accepted = call(user, "reports.example.com", path, "POST", headers=headers)
        assert accepted.status_code == 202
        location = accepted.headers["location"]
        assert re.fullmatch(r"/reports/invocations/[0-9a-f-]{36}", location)
        outcome = wait_until(lambda location=location: _read_result(user, location), 60, "the call to be carried out")
        assert outcome == {"path": "/2026", "attempt": "1"}
    forged = call(user, "reports.example.com", "/reports/2026", "POST", headers={"Mayfly-Attempt": "7"})
    assert forged.json()["attempt"] is None


def _read_result(user: User, location: str) -> Any:
    answer = call(user, "reports.example.com", f"{location}/result")
    return answer.json() if answer.status_code == 200 else None


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ({"paths": [{"path": "/a"}]}, "http.paths are paths of http.hosts"),
        ({"hosts": ["*.example.com"]}, "spec.http.hosts[0]"),
        ({"hosts": ["x.svc.cluster.local"]}, "belong to Kubernetes"),
        ({"auth": {}}, "exactly one of auth.jwt, auth.apiKey"),
        ({"auth": {"jwt": {"issuer": "i"}}}, "exactly one of auth.jwt.jwksUrl, auth.jwt.jwksSecret"),
        ({"rateLimit": {"perKey": {"requests": 1}}}, "set http.auth"),
        ({"cors": {"origins": ["*"], "credentials": True}}, "browsers refuse"),
        ({"rateLimit": {"total": {"requests": 1, "window": "1d"}}}, "rateLimit window is from 1s to 1h"),
    ],
    ids=["paths", "wildcard", "cluster host", "no auth", "no keys", "per key", "cors", "window"],
)
def test_mistakes_are_refused_by_the_api_server(user: User, http: dict[str, Any], said: str) -> None:
    """`kubectl apply` says which rule of spec.http is broken."""
    manifest = {"apiVersion": "mayfly.dev/v1alpha1", "kind": "Function", "metadata": {"name": "wrong"}}
    spec = {"source": {"inline": {"main.py": "x"}}, "http": http}
    done = user.run(
        "kubectl",
        "-n",
        user.namespace,
        "apply",
        "--dry-run=server",
        "-f",
        "-",
        stdin=json.dumps({**manifest, "spec": spec}),
    )
    assert done.code != 0
    assert said in done.err
