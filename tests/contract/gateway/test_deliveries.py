"""What the eventing process delivers meets no policy; nobody else can say that he is that process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mayfly.model import handover
from mayfly.routing import ingress
from tests.contract.gateway import conftest, handing, strangers, test_observe
from tests.contract.gateway.handing import ID
from tests.unit.routing import objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "0123456789abcdef"
HOST, LOCAL, OWN = "guarded.shop.example.com", "guarded.shop.svc.cluster.local", "own.example.com"
OPEN, PLAIN, MAPPED, ALIAS = "open.shop.example.com", "plain.example.com", "mapped.example.com", "faas.example.com"
POLICY = {
    "hosts": [OWN],
    "auth": {"apiKey": {"secret": "keys"}},
    "maxRequestSize": "1Ki",
    "rateLimit": {"total": {"requests": 1000, "window": "1h"}},
    "compression": True,
    "cors": {"origins": ["https://shop.example.com"]},
}
DELIVERY = {handover.DELIVERY: handing.TOKEN, handover.INVOCATION_ID: ID, handover.ATTEMPT: "2"}
LISTENERS: tuple[strangers.Listener, ...] = ("public", "internal", "secure")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeper(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[handing.Keeper]:
    """Give a gateway with a guarded Function and a DomainMapping to it, an open one, and a Knative Service."""
    options: dict[str, Any] = {"alias_hosts": (ALIAS,), "alias_namespace": "shop"}
    async with handing.run(tmp_path_factory.mktemp("gateway"), **options) as made:
        gateway = made.gateway
        for name in ("guarded", "open", "plain"):
            await gateway.function(name)
        tls = [{"hosts": [HOST], "secretName": "one"}]
        gateway.put(
            objects.function("guarded", http=POLICY, tls=tls),
            objects.function("open"),
            objects.plain("plain", PLAIN),
            *handing.make_mapping(gateway, MAPPED, LOCAL),
        )
        gateway.table.trust.put(("shop", "keys"), {"partner": KEY})
        gateway.table.keys.put(ingress.SecretName("shop", "one"), handing.issue(HOST))
        for host in (OPEN, PLAIN):
            await made.until(host, status=200)
        for host in (HOST, OWN, MAPPED):
            await made.until(host, status=200, headers={"X-API-Key": KEY})
        await made.until(HOST, status=200, headers={"X-API-Key": KEY}, listener="secure")
        yield made


@pytest.mark.parametrize("host", [LOCAL, "guarded.shop", HOST, OWN])
async def test_a_delivery_meets_no_policy(keeper: handing.Keeper, host: str) -> None:
    """No key, a body over the limit, no count, no compression: what caused it met the policy before."""
    headers = DELIVERY | {"X-Request-Id": ID, "Traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "Accept-Encoding": "gzip"}
    answer = await keeper.call(host, "/a?b=c", listener="internal", headers=headers, data=b"x" * 5000)
    assert (answer.status, answer.body["function"], answer.body["path"]) == (200, "guarded", "/a?b=c")
    arrived = answer.body["headers"]
    assert (arrived["x-request-id"], arrived["traceparent"]) == (ID, headers["Traceparent"])
    assert (arrived[handover.INVOCATION_ID], arrived[handover.ATTEMPT]) == (ID, "2")
    assert handing.TOKEN not in json.dumps(arrived)
    assert not answer.headers.keys() & {"ratelimit-limit", "content-encoding"}


@pytest.mark.parametrize("host", [LOCAL, HOST, OWN])
async def test_a_delivery_says_who_called_and_nobody_else_can(keeper: handing.Keeper, host: str) -> None:
    """The function sees the client as in a call at once; beside a wrong token the claim is worth nothing."""
    claims = {"Mayfly-Client": "partner", "Mayfly-Jwt-Payload": "e30", "X-Mayfly-Client": "forged"}
    arrived = (await keeper.call(host, listener="internal", headers=DELIVERY | claims)).body["headers"]
    assert (arrived["x-mayfly-client"], arrived["x-mayfly-jwt-payload"]) == ("partner", "e30")
    assert not arrived.keys() & set(handover.CARRIED.values())
    arrived = (await keeper.call(host, listener="internal", headers=DELIVERY)).body["headers"]
    assert not arrived.keys() & handover.CARRIED.keys()
    wrong = {handover.DELIVERY: "wrong", "X-API-Key": KEY, "Mayfly-Client": "boss", "Mayfly-Jwt-Payload": "e30"}
    arrived = (await keeper.call(host, listener="internal", headers=wrong)).body["headers"]
    assert arrived["x-mayfly-client"] == "partner"
    assert "x-mayfly-jwt-payload" not in arrived


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "wrong",
        handing.TOKEN[:-1],
        f"{handing.TOKEN}x",
        handing.TOKEN.upper(),
        f"Bearer {handing.TOKEN}",
        f"{handing.TOKEN},{handing.TOKEN}",
        f"x, {handing.TOKEN}",
        handing.TOKEN.replace("%", "%%"),
    ],
)
@pytest.mark.parametrize("host", [LOCAL, HOST, OWN])
async def test_a_wrong_token_is_no_token(keeper: handing.Keeper, host: str, shown: str) -> None:
    """Whoever shows another one is a caller like any other."""
    answer = await keeper.call(host, listener="internal", headers={handover.DELIVERY: shown})
    assert answer.status == 401
    answer = await keeper.call(host, listener="internal", headers={handover.DELIVERY: shown, "X-API-Key": KEY})
    assert (answer.status, answer.body["headers"]["x-mayfly-client"]) == (200, "partner")
    assert handover.DELIVERY not in answer.body["headers"]


async def test_two_tokens_are_no_token(keeper: handing.Keeper) -> None:
    """The right one beside a wrong one is not believed, in either order."""
    for values in (("wrong", handing.TOKEN), (handing.TOKEN, "wrong"), (handing.TOKEN, handing.TOKEN)):
        pairs = [(handover.DELIVERY, value) for value in values]
        assert (await keeper.call(LOCAL, listener="internal", headers=pairs)).status == 401


@pytest.mark.parametrize("listener", ["public", "secure"])
async def test_outside_there_are_no_deliveries(keeper: handing.Keeper, listener: strangers.Listener) -> None:
    """There even the right token is worth nothing, and nothing that begins as the platform's own names arrives."""
    assert (await keeper.call(HOST, listener=listener, headers=DELIVERY)).status == 401
    answer = await keeper.call(HOST, listener=listener, headers=DELIVERY | {"X-API-Key": KEY, "Mayfly-Other": "x"})
    assert answer.status == 200
    assert not [name for name in answer.body["headers"] if name.startswith("mayfly-")]


@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize("shown", [handing.TOKEN, "wrong"])
@pytest.mark.parametrize(
    ("host", "path"),
    [(OPEN, "/"), (PLAIN, "/"), (MAPPED, "/"), (OWN, "/"), (ALIAS, "/function/open"), (ALIAS, "/function/guarded")],
)
async def test_no_function_sees_the_token(
    keeper: handing.Keeper, host: str, path: str, shown: str, listener: strangers.Listener
) -> None:
    """Whatever route a request takes, policy or not, on a second pass too."""
    if (host, listener) == (ALIAS, "internal"):
        host, path = OPEN, "/"
    headers = {handover.DELIVERY: shown, "X-API-Key": KEY}
    answer = await keeper.call(host, path, listener=listener, headers=headers)
    assert answer.status == 200
    assert handover.DELIVERY not in answer.body["headers"]
    assert shown not in json.dumps(answer.body)


async def test_a_delivery_through_a_mapping_is_a_call(keeper: handing.Keeper) -> None:
    """The first pass takes the token off, so that the second meets the policy: the process delivers straight."""
    assert (await keeper.call(MAPPED, listener="internal", headers=DELIVERY)).status == 401


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/async/x", {}), ("/x", {"Prefer": "respond-async"}), (f"/invocations/{ID}", {})],
    ids=str,
)
@pytest.mark.parametrize("host", [LOCAL, OPEN])
async def test_what_is_delivered_is_not_handed_over_again(
    keeper: handing.Keeper, host: str, path: str, headers: dict[str, str]
) -> None:
    """A function gets it at whatever path it was called with; it would go round for ever else."""
    answer = await keeper.call(host, path, listener="internal", headers=headers | DELIVERY)
    assert (answer.status, answer.body["path"], keeper.take()) == (200, path, [])


async def test_deliveries_are_told_apart_in_the_log(keeper: handing.Keeper) -> None:
    """A line has the attempt, and all else as for a call, but never the token; strangers cannot claim an attempt."""
    gateway = keeper.gateway
    for path, options in (
        ("/delivered", {"listener": "internal", "headers": DELIVERY | {"X-Request-Id": ID}}),
        ("/called", {"headers": DELIVERY | {"X-API-Key": KEY}}),
    ):
        assert (await keeper.call(HOST, path, **options)).status == 200
    (delivered,) = await test_observe.read_log(gateway, "/delivered")
    (called,) = await test_observe.read_log(gateway, "/called")
    assert (delivered["attempt"], called["attempt"]) == ("2", None)
    assert (delivered["request_id"], delivered["function"], delivered["listener"]) == (ID, "guarded", "internal")
    assert delivered["cold_start"] is called["cold_start"]
    assert handing.TOKEN not in (gateway.directory / "envoy.log").read_text()


async def test_a_changed_token_is_believed_in_place_of_the_old_one(keeper: handing.Keeper) -> None:
    """Policies follow; the former token is then any caller's."""
    table, new = keeper.gateway.table, "another-token-of-the-platform"
    for key in table.hand_over(new):
        table.renew(key)

    async def believed() -> bool:
        return (await keeper.call(LOCAL, listener="internal", headers={handover.DELIVERY: new})).status == 200

    try:
        await conftest.until(believed, what="the new token")
        assert (await keeper.call(LOCAL, listener="internal", headers=DELIVERY)).status == 401
    finally:
        for key in table.hand_over(handing.TOKEN):
            table.renew(key)
        await keeper.until(LOCAL, status=200, listener="internal", headers=DELIVERY)
