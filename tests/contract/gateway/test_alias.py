"""Functions found by path, as OpenFaaS does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mayfly.model import exposure
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOSTS = ("gateway.example.com", "faas.example.com")


@pytest.mark.parametrize(
    ("host", "path", "seen"),
    [
        ("gateway.example.com", "/function/hello.shop/a/b?c=d", "/a/b?c=d"),
        ("faas.example.com:8080", "/function/hello", "/"),
        ("gateway.example.com", "/function/hello?c=d", "/?c=d"),
        ("Gateway.Example.com", "/function/hello/", "/"),
    ],
)
async def test_a_function_is_found_by_path(tmp_path: Path, host: str, path: str, seen: str) -> None:
    """The function sees what stands behind its name, and the host that was asked in X-Forwarded-Host."""
    async with conftest.run(tmp_path, alias_hosts=HOSTS, alias_namespace="shop") as gateway:
        await gateway.function("hello")
        rule = objects.rule(["hello.example.com"], objects.path(objects.split("hello")))
        gateway.put(objects.ingress("hello", rule))
        await gateway.serves("hello.example.com")
        status, body = await gateway.call(host, path)
        assert (status, body.get("path")) == (200, seen)
        assert body["headers"]["x-forwarded-host"] == host.lower()


async def test_only_public_functions_have_an_alias(tmp_path: Path) -> None:
    """Cluster-local functions, other hosts, the internal listener and paths that only look alike lead nowhere."""
    async with conftest.run(tmp_path, alias_hosts=HOSTS, alias_namespace="shop") as gateway:
        for name, visibility in (("hello", "ExternalIP"), ("hidden", "ClusterLocal")):
            await gateway.function(name)
            rule = objects.rule([f"{name}.example.com"], objects.path(objects.split(name)), visibility=visibility)
            gateway.put(objects.ingress(name, rule))
        await gateway.serves("hello.example.com")
        await gateway.serves("hidden.example.com", listener="internal")
        nowhere = [
            ("gateway.example.com", "/function/hidden", "public"),
            ("gateway.example.com", "/function/nobody.shop", "public"),
            ("gateway.example.com", "/function/hello!", "public"),
            ("gateway.example.com", "/functions/hello", "public"),
            ("gateway.example.com", "/", "public"),
            ("hello.shop", "/", "public"),
            ("gateway.example.com", "/function/hello", "internal"),
        ]
        found = {(h, p): (await gateway.call(h, p, listener=at))[0] for h, p, at in nowhere}
        assert set(found.values()) == {404}, found
        assert (await gateway.call("hello.example.com", "/function/hello"))[1]["path"] == "/function/hello"
        headers = {"X-Mayfly-Listener": "alias"}
        assert (await gateway.call("hidden.shop", headers=headers))[0] == 404


async def test_policies_hold_under_the_alias(tmp_path: Path) -> None:
    """Who must authenticate at a function's own address must here."""
    async with conftest.run(tmp_path, alias_hosts=HOSTS, alias_namespace="shop") as gateway:
        await gateway.function("hello")
        rule = objects.rule(["hello.example.com"], objects.path(objects.split("hello")))
        made = objects.ingress("hello", rule)
        made["metadata"]["annotations"][exposure.ANNOTATION] = json.dumps(
            {"http": {"auth": {"apiKey": {"secret": "keys"}}}}
        )
        gateway.put(made)
        gateway.table.trust.put(("shop", "keys"), {"partner": "0123456789abcdef"})

        async def passes() -> bool:
            answer = await gateway.call(HOSTS[0], "/function/hello", headers={"X-API-Key": "0123456789abcdef"})
            return answer[0] == 200

        await conftest.until(passes)
        assert (await gateway.call(HOSTS[0], "/function/hello"))[0] == 401
