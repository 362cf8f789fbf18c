"""Asynchronous calls are handed over, under the policy of the Function that they are for; nothing else is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mayfly.model import handover
from mayfly.routing import ingress
from tests.contract.gateway import conftest, handing, strangers
from tests.contract.gateway.handing import ID
from tests.unit.routing import objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST, GUARDED, OWN, REDIRECTED = (f"{name}.shop.example.com" for name in ("hello", "guarded", "own", "redirected"))
PLAIN, MAPPED = "plain.example.com", "mapped.example.com"
LISTENERS: tuple[strangers.Listener, ...] = ("public", "internal", "secure")
KEY = "0123456789abcdef"
SHOWN = {"X-API-Key": KEY}
POLICY = {
    "auth": {"apiKey": {"secret": "keys"}},
    "maxRequestSize": "1Ki",
    "cors": {"origins": ["https://shop.example.com"]},
}
LATER = {"Prefer": "respond-async"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeper(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[handing.Keeper]:
    """Give a gateway with Functions of every kind, and a Knative Service that is none."""
    async with handing.run(tmp_path_factory.mktemp("gateway")) as made:
        gateway = made.gateway
        for name in ("hello", "guarded", "own", "plain", "redirected"):
            await gateway.function(name)
        tls = [{"hosts": [HOST, REDIRECTED], "secretName": "one"}]
        gateway.put(
            objects.function("hello", tags=("new",), tls=[{"hosts": [HOST], "secretName": "one"}]),
            objects.function("guarded", http=POLICY),
            objects.function("own", http={"async": False}),
            objects.function("redirected", httpOption="Redirected", tls=[{"hosts": [REDIRECTED], "secretName": "one"}]),
            objects.plain("plain", PLAIN),
            *handing.make_mapping(gateway, MAPPED, "hello.shop.svc.cluster.local"),
        )
        gateway.table.trust.put(("shop", "keys"), {"partner": KEY})
        await handing.secure(made, ingress.SecretName("shop", "one"), *tls[0]["hosts"])
        for host in (HOST, OWN, PLAIN, MAPPED):
            await made.until(host, status=200)
        await made.until(GUARDED, status=200, headers=SHOWN)
        yield made


CALL, READ = handover.CALL, handover.READ


@pytest.mark.parametrize(
    ("path", "headers", "word"),
    [
        ("/async/a/b?c=d%20e", {}, CALL),
        ("/async/", {}, CALL),
        (f"/async/x/invocations/{ID}", {}, CALL),
        ("/x", LATER, CALL),
        ("/x", {"Prefer": "Respond-Async"}, CALL),
        ("/x", {"PREFER": "wait=10, respond-async"}, CALL),
        ("/x", {"Prefer": 'return=minimal;x="a,b" , respond-async ; y=z'}, CALL),
        ("/x", [("Prefer", "return=minimal"), ("Prefer", "respond-async")], CALL),
        (f"/invocations/{ID}", {}, READ),
        (f"/invocations/{ID}?wait=5", {}, READ),
        (f"/a/b/invocations/{ID}/result", LATER, READ),
        (f"/invocations/{ID}/attempts", {}, READ),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
async def test_what_is_meant_for_later_is_handed_over(
    keeper: handing.Keeper, method: str, path: str, headers: Any, word: str
) -> None:
    """It arrives as it was sent, with whose route it was and what it is."""
    answer = await keeper.call(HOST, path, method=method, headers=headers)
    assert answer.status == 202
    (seen,) = keeper.take()
    assert (seen.method, seen.path) == (method, path)
    assert seen.told == {"token": handing.TOKEN, "namespace": "shop", "function": "hello", "async": word}
    assert seen.headers["host"] == HOST


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/async", {}),
        ("/asynchronous/x", {}),
        ("/x/async/y", {}),
        ("/?x=/async/", {}),
        ("/x", {"Prefer": "return=minimal, wait=10"}),
        ("/x", {"Prefer": "respond-asynchronously"}),
        ("/x", {"Prefer": "x=respond-async"}),
        ("/x", {"Prefer": 'x="a, respond-async"'}),
        ("/x", {"Prefer": r'x="\", respond-async"'}),
        ("/x", {"X-Prefer": "respond-async"}),
        ("/invocations/", {}),
        (f"/invocations/{ID.upper()}", {}),
        (f"/invocations/{ID.replace('-7', '-4')}", {}),
        (f"/invocations/{ID}/", {}),
        (f"/invocations/{ID}/result/attempts", {}),
        (f"/invocations/{ID}0", {}),
        (f"/xinvocations/{ID}", {}),
        (f"/?x=/invocations/{ID}", {}),
    ],
    ids=str,
)
async def test_what_only_looks_so_is_called_at_once(keeper: handing.Keeper, path: str, headers: dict[str, str]) -> None:
    """The function gets it as it was sent, without any mark."""
    answer = await keeper.call(HOST, path, headers=headers)
    assert (answer.status, answer.body["function"], answer.body["path"]) == (200, "hello", path)
    assert not [name for name in answer.body["headers"] if name.startswith("x-mayfly-")]
    assert keeper.take() == []


@pytest.mark.parametrize(
    ("listener", "host"),
    [
        *((listener, HOST) for listener in LISTENERS),
        *((listener, host) for listener in LISTENERS[:2] for host in (HOST.upper(), f"{HOST}:8080", f"{HOST}.")),
    ],
)
async def test_every_listener_hands_over(keeper: handing.Keeper, host: str, listener: strangers.Listener) -> None:
    """However the host is written; a stranger's id of the request is replaced, one from inside stays."""
    headers = {"X-Request-Id": "forged", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    assert (await keeper.call(host, "/async/x", listener=listener, headers=headers)).status == 202
    (seen,) = keeper.take()
    assert seen.told["function"] == "hello"
    assert (seen.headers["x-request-id"] == "forged") == (listener == "internal")
    assert seen.headers["traceparent"] == headers["traceparent"]


@pytest.mark.parametrize("host", ["hello.shop", "hello.shop.svc", "hello.shop.svc.cluster.local"])
async def test_cluster_local_names_hand_over(keeper: handing.Keeper, host: str) -> None:
    """Callers in the cluster make asynchronous calls at the Function's address there."""
    assert (await keeper.call(host, "/x", listener="internal", headers=LATER)).status == 202
    assert [seen.told["function"] for seen in keeper.take()] == ["hello"]


FORGED = dict.fromkeys(handing.TOLD.values(), "forged")


@pytest.mark.parametrize("listener", LISTENERS)
async def test_nobody_else_says_what_the_gateway_says(keeper: handing.Keeper, listener: strangers.Listener) -> None:
    """Headers of the handover are dropped of callers, and replaced; a forged mark marks nothing."""
    assert (await keeper.call(HOST, "/async/x", listener=listener, headers=FORGED)).status == 202
    (seen,) = keeper.take()
    assert seen.told == {"token": handing.TOKEN, "namespace": "shop", "function": "hello", "async": CALL}
    for word in ("call", "read", "alias"):
        answer = await keeper.call(HOST, listener=listener, headers=FORGED | {handover.ASYNC: word})
        assert answer.body["function"] == "hello"
        assert "forged" not in json.dumps(answer.body["headers"])
    assert keeper.take() == []


@pytest.mark.parametrize("host", [PLAIN, OWN])
@pytest.mark.parametrize(
    ("path", "headers"), [("/async/x", {}), ("/x", LATER), (f"/invocations/{ID}", {}), ("/x", FORGED)], ids=str
)
async def test_who_takes_none_is_left_alone(
    keeper: handing.Keeper, host: str, path: str, headers: dict[str, str]
) -> None:
    """A Knative Service, and a Function that has its own use for these, see path and preference untouched."""
    answer = await keeper.call(host, path, headers=headers)
    assert (answer.status, answer.body["path"]) == (200, path)
    assert answer.body["headers"].get("prefer") == headers.get("Prefer")
    assert not [name for name in answer.body["headers"] if name.startswith("x-mayfly-")]
    assert keeper.take() == []


async def test_a_tagged_revision_takes_none(keeper: handing.Keeper) -> None:
    """A call to a tag would be carried out by another revision: at its host there are only calls at once."""
    answer = await keeper.call(f"new-{HOST}", "/async/x", headers=LATER)
    assert (answer.status, answer.body["path"], keeper.take()) == (200, "/async/x", [])


async def test_a_domain_mapping_hands_over_on_its_second_pass(keeper: handing.Keeper) -> None:
    """The call, and the question for its outcome, are those of the Function behind the mapped host."""
    for path, word in (("/async/x", CALL), (f"/invocations/{ID}", READ)):
        assert (await keeper.call(MAPPED, path)).status == 202
        (seen,) = keeper.take()
        assert (seen.path, seen.told["function"], seen.told["async"]) == (path, "hello", word)


async def test_who_comes_without_tls_is_sent_there_first(keeper: handing.Keeper) -> None:
    """``httpOption: Redirected`` redirects asynchronous calls as all others; over TLS they are taken."""
    for path, headers in (("/async/x?y=z", {}), ("/x", LATER)):
        answer = await keeper.call(REDIRECTED, path, headers=headers)
        assert (answer.status, answer.headers["location"]) == (301, f"https://{REDIRECTED}{path}")
        assert keeper.take() == []
        assert (await keeper.call(REDIRECTED, path, headers=headers, listener="secure")).status == 202
        assert [seen.told["function"] for seen in keeper.take()] == ["redirected"]


@pytest.mark.parametrize("path", ["/async/x", "/x"])
async def test_a_websocket_is_no_call_for_later(keeper: handing.Keeper, path: str) -> None:
    """It reaches the function and stays open, whatever its path, and whatever its client prefers."""
    url = f"http://127.0.0.1:{keeper.gateway.public}{path}"
    async with keeper.gateway.session.ws_connect(url, headers={"Host": HOST, **LATER}) as socket:
        await socket.send_str("hi")
        assert await socket.receive_str() == "echo hi"
    assert keeper.take() == []


# Policies


@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [("/async/x", {}), ("/x", LATER), (f"/invocations/{ID}", {}), (f"/invocations/{ID}/result", LATER)],
    ids=str,
)
async def test_who_may_not_call_may_not_call_later(
    keeper: handing.Keeper, path: str, headers: dict[str, str], listener: strangers.Listener
) -> None:
    """Without the key it is 401 and nothing was handed over; with it the caller's name is, and the key is not."""
    for wrong in ({}, {"X-API-Key": KEY[:-1]}, {handover.CLIENT: "partner"}):
        answer = await keeper.call(GUARDED, path, listener=listener, headers={**headers, **wrong})
        assert (answer.status, keeper.take()) == (401, [])
    assert (await keeper.call(GUARDED, path, listener=listener, headers={**headers, **SHOWN})).status == 202
    (seen,) = keeper.take()
    assert (seen.told["client"], seen.told["function"]) == ("partner", "guarded")
    assert KEY not in json.dumps(seen.headers)


@pytest.mark.parametrize(
    "target",
    [
        "/async/../async/x",
        "/x/../async/x",
        "/./async/x",
        "/async/./x",
        "//async/x",
        "/async//x",
        "/%61sync/x",
        "/async/%2e%2e/x",
        "/async/..;/x",
        "/async\\x",
        "/async%2fx",
        "/ASYNC/x",
        "/async/x?key=" + KEY,
        f"/async/../invocations/{ID}",
        f"/x/%2e%2e/invocations/{ID}",
    ],
)
@pytest.mark.parametrize("host", [GUARDED, GUARDED.upper(), f"{GUARDED}:1"])
async def test_no_path_opens_the_door(keeper: handing.Keeper, target: str, host: str) -> None:
    """A path in whatever writing is refused without a key; nobody behind the gateway sees it."""
    assert (await keeper.call(host, target, headers=LATER)).status in {400, 401}
    assert (await keeper.call(host, target)).status in {400, 401}
    assert keeper.take() == []


@pytest.mark.parametrize(
    ("target", "arrives"),
    [("//async//x", "/async/x"), ("/y/../async/./x", "/async/x"), ("/async/..;/async/x", "/async/x")],
)
async def test_paths_are_handed_over_in_one_writing(keeper: handing.Keeper, target: str, arrives: str) -> None:
    """What the eventing process reads is what routes were chosen by."""
    assert (await keeper.call(HOST, target)).status == 202
    assert [seen.path for seen in keeper.take()] == [arrives]


async def test_sizes_are_limited_as_for_other_calls(keeper: handing.Keeper) -> None:
    """A body over ``maxRequestSize`` is 413 with nothing handed over; one within arrives whole."""
    assert (await keeper.call(GUARDED, "/async/x", headers=SHOWN, data=b"x" * 1025)).status == 413
    assert keeper.take() == []
    assert (await keeper.call(GUARDED, "/async/x", headers=SHOWN, data=b"x" * 1024)).status == 202
    assert [seen.body for seen in keeper.take()] == [b"x" * 1024]


async def test_browsers_may_ask_first(keeper: handing.Keeper) -> None:
    """A preflight is answered by the gateway; the call's answer names the origin that asked."""
    origin = {"Origin": "https://shop.example.com"}
    asks = {**origin, "Access-Control-Request-Method": "POST"}
    preflight = await keeper.call(GUARDED, "/async/x", method="OPTIONS", headers=asks)
    assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
    assert keeper.take() == []
    answer = await keeper.call(GUARDED, "/async/x", headers={**origin, **SHOWN})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, origin["Origin"])
    assert len(keeper.take()) == 1


async def test_calls_of_both_kinds_count_together(keeper: handing.Keeper) -> None:
    """A limit is one limit at a host: who calls later does not call more often."""
    gateway = keeper.gateway
    await gateway.function("limited")
    gateway.put(objects.function("limited", http={"rateLimit": {"total": {"requests": 3, "window": "1h"}}}))
    host = "limited.shop.example.com"
    await keeper.until(host, status=200)
    answers = [await keeper.call(host, path) for path in ("/async/x", "/x", "/async/y", "/y")]
    assert [answer.status for answer in answers] == [202, 200, 429, 429]
    assert int(answers[2].headers["retry-after"]) > 0
    assert len(keeper.take()) == 1


async def test_an_ingress_cannot_lead_to_the_token(keeper: handing.Keeper) -> None:
    """Whoever can name the eventing process's Service in an ingress reaches it as anybody does: without the token."""
    split = objects.split(handing.SERVICE, namespace=handing.NAMESPACE, port=8080, X_Mayfly_Function="hello")
    keeper.gateway.put(objects.ingress("sly", objects.rule(["sly.example.com"], objects.path(split))))
    await keeper.until("sly.example.com", status=202)
    assert (await keeper.call("sly.example.com", "/async/x", headers=LATER)).status == 202
    (seen,) = keeper.take()
    assert "token" not in seen.told
    assert "async" not in seen.told


# In front of another gateway


async def test_another_gateway_behind_sees_only_calls_at_once(tmp_path: Path) -> None:
    """``gateway.mode: edge``: calls for later are kept here, under the policy; all others go on to that gateway."""
    async with handing.run(tmp_path, relays=True) as keeper:
        await keeper.gateway.function("kourier")
        made = objects.function("guarded", http=POLICY)
        place = {"ingress": [{"domainInternal": "kourier.shop.svc.cluster.local"}]}
        made["status"] = {"publicLoadBalancer": place, "privateLoadBalancer": place}
        keeper.gateway.put(made)
        keeper.gateway.table.trust.put(("shop", "keys"), {"partner": KEY})
        await keeper.until(GUARDED, status=200, headers=SHOWN)
        assert (await keeper.call(GUARDED, "/async/x")).status == 401
        assert (await keeper.call(GUARDED, "/async/x", headers=SHOWN)).status == 202
        (seen,) = keeper.take()
        assert (seen.told["function"], seen.told["client"]) == ("guarded", "partner")
        local = "guarded.shop.svc.cluster.local"
        delivery = {handover.DELIVERY: handing.TOKEN}
        assert (await keeper.call(local, listener="internal")).status == 401
        answer = await keeper.call(local, "/async/x", listener="internal", headers=delivery)
        assert (answer.status, answer.body["function"]) == (200, "kourier")
        assert handing.TOKEN not in json.dumps(answer.body)


# The token


async def test_without_a_token_nothing_is_handed_over(tmp_path: Path) -> None:
    """No routes without one, so that the process is never called as by a stranger; one that comes or changes counts."""
    async with handing.run(tmp_path, token="") as keeper:
        table = keeper.gateway.table
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello"))
        await keeper.until(HOST, status=200)
        assert (await keeper.call(HOST, "/async/x", headers=LATER)).body["path"] == "/async/x"
        assert keeper.take() == []

        async def shown(token: str) -> bool:
            keeper.take()
            return (await keeper.call(HOST, "/async/x")).status == 202 and keeper.take()[0].told["token"] == token

        for token in ("first-token-of-all", "second-token-of-all"):
            for key in table.hand_over(token):
                table.renew(key)
            await conftest.until(lambda token=token: shown(token), what=token)
        for key in table.hand_over(""):
            table.renew(key)
        await keeper.until(HOST, "/async/x", status=200)
