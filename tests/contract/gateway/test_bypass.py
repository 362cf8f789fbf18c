"""No way around a policy: however a caller writes the request, the route that serves it enforces what it must."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mayfly.model import exposure
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.example.com"
OWN = "shop.example.com"
KEY = "0123456789abcdef"


@pytest.fixture
async def guarded(gateway: conftest.Gateway) -> conftest.Gateway:
    """Give a gateway that lets callers with a key reach the function ``hello``, at two hosts."""
    await gateway.function("hello")
    made = objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello"))))
    http: dict[str, Any] = {"hosts": [OWN], "paths": [{"path": "/api"}], "auth": {"apiKey": {"secret": "keys"}}}
    made["metadata"]["annotations"][exposure.ANNOTATION] = json.dumps({"http": http})
    gateway.put(made)
    gateway.table.trust.put(("shop", "keys"), {"partner": KEY})

    async def passes() -> bool:
        answers = [await gateway.call(host, "/api", headers={"X-API-Key": KEY}) for host in (HOST, OWN)]
        return [status for status, _ in answers] == [200, 200]

    await conftest.until(passes)
    return gateway


@pytest.mark.parametrize("host", [HOST, OWN])
@pytest.mark.parametrize(
    "write",
    [str, str.upper, str.title, "{}.".format, "{}:80".format, "{}:443".format],
    ids=["plain", "capitals", "title", "final dot", "port", "other port"],
)
async def test_a_host_written_otherwise_is_guarded_too(guarded: conftest.Gateway, host: str, write: Any) -> None:
    """Case, final dot and port lead to the same route, and to its policy."""
    assert (await guarded.call(write(host), "/api"))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"K-Network-Hash": "override"},
        {"K-Network-Probe": "probe"},
        {"K-Network-Probe": "queue", "K-Network-Hash": "override"},
        {"X-Mayfly-Listener": "internal"},
        {"X-Mayfly-Client": "partner"},
        {"X-Api-Key": ""},
        {"X-Api-Key": KEY[:-1]},
        {"X-Api-Key": KEY.upper()},
        {"Authorization": f"Bearer {KEY}"},
        {"X-Original-URL": "/open", "X-Rewrite-URL": "/open"},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
    ],
    ids=str,
)
async def test_no_header_opens_the_door(guarded: conftest.Gateway, headers: dict[str, str]) -> None:
    """Probes pass only as what activator and queue-proxy answer themselves; nothing else stands for a key."""
    assert (await guarded.call(HOST, headers=headers))[0] == 401


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PURGE"])
async def test_no_method_opens_the_door(guarded: conftest.Gateway, method: str) -> None:
    """Without CORS a preflight is a request like any other."""
    assert (await guarded.call(HOST, method=method))[0] in (401, 403, 405)


@pytest.mark.parametrize(
    "path", ["/api/", "//api", "/./api", "/x/../api", "/api?x=/open", "/api;x=1", "/API", "/%61pi"]
)
async def test_no_path_opens_the_door(guarded: conftest.Gateway, path: str) -> None:
    """A path is either the guarded one, or served by nobody."""
    assert (await guarded.call(OWN, path))[0] in (401, 404)
