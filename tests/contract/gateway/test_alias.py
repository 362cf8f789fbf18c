"""Functions found by path, as OpenFaaS does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mayfly.model import exposure, handover
from mayfly.routing import edge
from tests.contract.gateway import conftest, handing
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


TAKING = edge.Eventing(handing.NAMESPACE, handing.SERVICE, 8080, alias=True)


async def test_calls_for_later_are_made_by_path_too(tmp_path: Path) -> None:
    """Under the name that OpenFaaS has for them, by preference, and their outcome is found under the alias."""
    async with handing.run(tmp_path, eventing=TAKING, alias_hosts=HOSTS, alias_namespace="shop") as keeper:
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello"))
        await keeper.until(HOSTS[0], "/function/hello", status=200)
        later = {"Prefer": "respond-async"}
        for path, headers, seen, word in (
            ("/async-function/hello.shop/a/b?c=d", {}, "/a/b?c=d", handover.ALIAS),
            ("/async-function/hello", later, "/", handover.ALIAS),
            ("/async-function/HELLO?c=d", {}, "/?c=d", handover.ALIAS),
            (f"/async-function/hello/invocations/{handing.ID}", {}, f"/invocations/{handing.ID}", handover.ALIAS),
            ("/function/hello/a", later, "/a", handover.CALL),
            (f"/function/hello.shop/invocations/{handing.ID}", {}, f"/invocations/{handing.ID}", handover.READ),
        ):
            assert (await keeper.call(HOSTS[0], path, headers=headers)).status == 202, path
            (found,) = keeper.take()
            assert (found.path, found.told["async"]) == (seen, word)
            assert (found.told["function"], found.told["stem"]) == ("hello", "/function/hello.shop")


async def test_what_takes_no_calls_for_later_is_not_called_at_once(tmp_path: Path) -> None:
    """``/async-function`` is 404 where the Function takes none, where nobody does, and where it is switched off."""
    options = {"alias_hosts": HOSTS, "alias_namespace": "shop"}
    for token, place in (("", TAKING), (handing.TOKEN, TAKING), (handing.TOKEN, handing.EVENTING)):
        directory = tmp_path / f"{len(token)}-{place.alias}"
        directory.mkdir()
        async with handing.run(directory, token=token, eventing=place, **options) as keeper:
            await keeper.gateway.function("hello")
            keeper.gateway.put(objects.function("hello", http={"async": False}))
            await keeper.until(HOSTS[0], "/function/hello", status=200)
            for path in (
                "/async-function/hello",
                "/async-function/hello!",
                "/async-function/",
                "/async-function/nobody",
            ):
                assert (await keeper.call(HOSTS[0], path)).status == 404, path
            answer = await keeper.call("hello.shop.example.com", "/async-function/hello")
            assert (answer.body["path"], keeper.take()) == ("/async-function/hello", [])


async def test_policies_hold_for_calls_for_later_under_the_alias(tmp_path: Path) -> None:
    """No key, no call, whatever the path."""
    async with handing.run(tmp_path, eventing=TAKING, alias_hosts=HOSTS, alias_namespace="shop") as keeper:
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello", http={"auth": {"apiKey": {"secret": "keys"}}}))
        keeper.gateway.table.trust.put(("shop", "keys"), {"partner": "0123456789abcdef"})
        key = {"X-API-Key": "0123456789abcdef"}
        await keeper.until(HOSTS[0], "/function/hello", status=200, headers=key)
        for path in ("/async-function/hello", "/ASYNC-FUNCTION/hello", "/function/../async-function/hello"):
            assert (await keeper.call(HOSTS[0], path)).status in {401, 404}
            assert keeper.take() == []
        assert (await keeper.call(HOSTS[0], "/async-function/hello", headers=key)).status == 202
        assert [seen.told["client"] for seen in keeper.take()] == ["partner"]
