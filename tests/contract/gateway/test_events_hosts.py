"""The hosts at which events are posted lead to the eventing process, and nowhere else."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mayfly.model import handover
from mayfly.routing import edge, eventing, ingress
from tests.contract.gateway import handing, strangers
from tests.contract.gateway.handing import ID
from tests.unit.routing import objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST, OTHER = "events.example.com", "Events.Example.org"
LOCALS = (
    "mayfly-events.mayfly-system",
    "mayfly-events.mayfly-system.svc",
    "mayfly-events.mayfly-system.svc.cluster.local",
)
SECRET = ingress.SecretName("mayfly-system", "events-tls")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeper(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[handing.Keeper]:
    """Give a gateway that takes events at two public hosts."""
    where = edge.Eventing(handing.NAMESPACE, handing.SERVICE, 8080, hosts=(HOST, OTHER), secret=SECRET)
    async with handing.run(tmp_path_factory.mktemp("gateway"), eventing=where) as made:
        made.gateway.table.keys.put(SECRET, handing.issue(HOST))
        await made.until(HOST, "/events", status=202)
        await made.until(HOST, "/events", status=202, listener="secure")
        yield made


PLACES: list[tuple[strangers.Listener, str]] = [
    ("public", HOST),
    ("public", HOST.upper()),
    ("public", f"{HOST}:8080"),
    ("public", OTHER),
    ("secure", HOST),
    ("internal", HOST),
    *(("internal", host) for host in LOCALS),
]


@pytest.mark.parametrize(("listener", "host"), PLACES)
@pytest.mark.parametrize(
    ("path", "method"), [("/events", "POST"), ("/events/shop?x=y", "OPTIONS"), ("/events/shop", "PUT")]
)
async def test_events_are_handed_over(
    keeper: handing.Keeper, listener: strangers.Listener, host: str, path: str, method: str
) -> None:
    """With what their sender says, credentials included; whose route it was, and what kind of call, is not said."""
    sent = {
        "Authorization": "Bearer of-the-sender",
        "X-API-Key": "key-of-the-sender",
        "ce-id": "1",
        "ce-specversion": "1.0",
        "Content-Type": "application/cloudevents+json",
        "WebHook-Request-Origin": "sender.example",
        "Prefer": "respond-async",
    }
    forged = dict.fromkeys(handing.TOLD.values(), "forged")
    answer = await keeper.call(host, path, listener=listener, method=method, headers=sent | forged, data=b"{}")
    assert answer.status == 202
    (seen,) = keeper.take()
    assert (seen.method, seen.path, seen.body) == (method, path, b"{}")
    assert seen.told == {"token": handing.TOKEN}
    assert {name: seen.headers[name.lower()] for name in sent} == sent


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/events/",
        "/events/shop/",
        "/events/shop/more",
        "/events/Shop",
        "/eventsx",
        "/Events",
        "/async/events",
        f"/invocations/{ID}",
        "/v1/namespaces/shop/events",
        "/healthz",
    ],
)
@pytest.mark.parametrize(("listener", "host"), [("public", HOST), ("internal", LOCALS[2])])
async def test_nothing_else_is_there(
    keeper: handing.Keeper, listener: strangers.Listener, host: str, path: str
) -> None:
    """Any other path is nobody's, above all what the process answers to others of the platform."""
    assert (await keeper.call(host, path, listener=listener)).status == 404
    assert keeper.take() == []


@pytest.mark.parametrize(
    "path", ["/events/../v1/x", "/events/%2e%2e/v1/x", "/events/..;/v1", "/events%2fshop", "//v1/x"]
)
async def test_no_path_leads_elsewhere(keeper: handing.Keeper, path: str) -> None:
    """However it is written, the process sees /events or /events/NAMESPACE and nothing else."""
    await keeper.call(HOST, path)
    assert [seen.path for seen in keeper.take() if not seen.path.startswith("/events")] == []


@pytest.mark.parametrize("host", LOCALS)
async def test_names_of_the_cluster_are_not_found_outside(keeper: handing.Keeper, host: str) -> None:
    """Events from strangers come by the public hosts only."""
    assert ((await keeper.call(host, "/events")).status, keeper.take()) == (404, [])


async def test_a_body_has_a_limit(keeper: handing.Keeper) -> None:
    """4 MiB pass whole, a byte more is 413."""
    whole = b"x" * eventing.MAX_EVENT_BYTES
    assert (await keeper.call(HOST, "/events", data=io.BytesIO(whole))).status == 202
    assert [len(seen.body) for seen in keeper.take()] == [len(whole)]
    assert (await keeper.call(HOST, "/events", data=io.BytesIO(whole + b"x"))).status == 413
    assert keeper.take() == []


async def test_nobody_takes_such_a_host(keeper: handing.Keeper) -> None:
    """An ingress and a Function that name one are told so; events arrive as before, and their other hosts serve."""
    gateway = keeper.gateway
    await gateway.function("thief")
    made = objects.function("thief", http={"hosts": [HOST]}, created="2020-01-01T00:00:00Z")
    plain = objects.plain("sly", HOST)
    local = objects.plain("local", LOCALS[2])
    gateway.put(made, plain, local)
    await keeper.until("thief.shop.example.com", status=200)
    for listener, host in PLACES:
        assert (await keeper.call(host, "/events", listener=listener)).status == 202
        assert (await keeper.call(host, "/", listener=listener)).status == 404
    table = gateway.table
    for finding in (
        table.exposure_finding(ingress.Key("shop", "thief")),
        table.finding(ingress.Key("shop", "sly")),
        table.finding(ingress.Key("shop", "local")),
    ):
        assert finding is not None
        assert (finding.reason, "takes events" in finding.message) == ("HostTaken", True)
    assert table.finding(ingress.Key("shop", "thief")) is None
    keeper.take()


async def test_a_host_of_events_is_no_function(keeper: handing.Keeper) -> None:
    """The mark for calls is not made there, so that no event is taken for one."""
    await keeper.call(HOST, "/events", headers={"Prefer": "respond-async"})
    (seen,) = keeper.take()
    assert handover.ASYNC not in seen.headers
