"""What a caller sees through a real Envoy that our control programmed."""

from __future__ import annotations

import asyncio
import collections

import pytest
from grpc import aio

from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.shop.example.com"


async def test_a_host_is_served_as_soon_as_it_is_known(gateway: conftest.Gateway) -> None:
    """A call reaches the function with path, query and Host as the client sent them."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    status, body = await gateway.call(f"{HOST}:8080", "/a/b?c=d%20e")
    assert (200, "/a/b?c=d%20e", f"{HOST}:8080") == (status, body["path"], body["host"])


async def test_an_unknown_host_is_not_found(gateway: conftest.Gateway) -> None:
    """A host that no ingress names gets 404."""
    status, _ = await gateway.call("nobody.example.com")
    assert status == 404


@pytest.mark.parametrize("host", ["HELLO.Shop.example.COM", "Hello.shop.example.com:8080", "hello.shop.example.com."])
async def test_hosts_are_found_however_they_are_written(gateway: conftest.Gateway, host: str) -> None:
    """Case, a port and a final dot make no difference (RFC 9110, section 4.2.3)."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    assert (await gateway.call(host))[0] == 200


async def test_a_gateway_with_local_routes_only_is_ready(gateway: conftest.Gateway) -> None:
    """A listener without a single route answers 404 and keeps nobody waiting."""
    await gateway.function("hello")
    rule = objects.rule([HOST], objects.path(objects.split("hello")), visibility="ClusterLocal")
    gateway.put(objects.ingress("hello", rule))
    await gateway.serves(HOST, listener="internal")
    assert (await gateway.call(HOST))[0] == 404


async def test_splits_divide_by_percent_and_set_headers(gateway: conftest.Gateway) -> None:
    """1,000 calls divide 80 to 20 within four points; headers of path and split arrive, over what the client sent."""
    await gateway.function("blue")
    await gateway.function("green")
    paths = objects.path(
        objects.split("blue", percent=80, which="blue"),
        objects.split("green", percent=20, which="green"),
        appendHeaders={"common": "100%"},
    )
    gateway.put(objects.ingress("hello", objects.rule([HOST], paths)))
    await gateway.serves(HOST)
    answers = [await gateway.call(HOST, headers={"Which": "forged", "Common": "forged"}) for _ in range(1000)]
    seen = collections.Counter(body["function"] for _, body in answers)
    assert 760 <= seen["blue"] <= 840
    assert {status for status, _ in answers} == {200}
    assert all(body["headers"]["which"] == body["function"] for _, body in answers)
    assert {body["headers"]["common"] for _, body in answers} == {"100%"}


async def test_the_first_matching_path_wins(gateway: conftest.Gateway) -> None:
    """Paths match by prefix in the order of the rule, header matches exactly."""
    for name in ("tagged", "images", "rest"):
        await gateway.function(name)
    rule = objects.rule(
        [HOST],
        objects.path(objects.split("tagged"), headers={"Knative-Serving-Tag": {"exact": "new"}}),
        objects.path(objects.split("images"), path="/images"),
        objects.path(objects.split("rest")),
    )
    gateway.put(objects.ingress("hello", rule))
    await gateway.serves(HOST)
    calls = {
        "/images/1": ("images", {}),
        "/imag": ("rest", {}),
        "/": ("rest", {"Knative-Serving-Tag": "newer"}),
        "/images": ("tagged", {"Knative-Serving-Tag": "new"}),
    }
    for path, (expected, headers) in calls.items():
        assert expected == (await gateway.call(HOST, path, headers=headers))[1]["function"]


async def test_cluster_local_is_never_reachable_from_outside(gateway: conftest.Gateway) -> None:
    """A cluster-local rule answers on the internal listener only; a public one answers on both."""
    await gateway.function("hello")
    local = "hello.shop.svc.cluster.local"
    gateway.put(
        objects.ingress(
            "hello",
            objects.rule([local], objects.path(objects.split("hello")), visibility="ClusterLocal"),
            objects.rule([HOST], objects.path(objects.split("hello"))),
        )
    )
    await gateway.serves(HOST)
    await gateway.serves(HOST, listener="internal")
    await gateway.serves(local, listener="internal")
    assert (await gateway.call(local))[0] == 404


async def test_a_removed_ingress_is_gone(gateway: conftest.Gateway) -> None:
    """After removal the host gets 404 and Envoy holds no cluster of it."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    gateway.table.drop_ingress(("shop", "hello"))

    async def gone() -> bool:
        return (await gateway.call(HOST))[0] == 404

    await conftest.until(gone)

    async def forgotten() -> bool:
        return "shop/hello:80" not in await gateway.clusters()

    await conftest.until(forgotten)


async def test_endpoints_follow_readiness(gateway: conftest.Gateway) -> None:
    """Only ready endpoints get calls; when none is, those that still drain do."""
    runner = await gateway.function("hello", addresses=("127.0.0.1", "127.0.0.2"))
    port = runner.addresses[0][1]
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)

    async def only(address: str) -> bool:
        return {(await gateway.call(HOST))[1].get("local") for _ in range(10)} == {address}

    gateway.put(objects.slice_("hello", "127.0.0.2", port=port, not_ready=("127.0.0.1",)))
    await conftest.until(lambda: only("127.0.0.2"))
    gateway.put(objects.slice_("hello", port=port, draining=("127.0.0.1",), not_ready=("127.0.0.2",)))
    await conftest.until(lambda: only("127.0.0.1"))


async def test_a_dead_endpoint_is_skipped(gateway: conftest.Gateway) -> None:
    """A refused connection is tried elsewhere, so no caller sees it; an answer of the function is never retried."""
    runner = await gateway.function("hello")
    port = runner.addresses[0][1]
    gateway.put(
        objects.slice_("hello", "127.0.0.1", "127.0.0.9", port=port),
        objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))),
    )
    await gateway.serves(HOST)
    statuses = [(await gateway.call(HOST, method="POST", data=b"x"))[0] for _ in range(50)]
    assert statuses == [200] * 50
    assert (await gateway.call(HOST, "/?status=503"))[0] == 503


@pytest.mark.parametrize("listener", ["public", "internal"])
async def test_http2_reaches_the_function(gateway: conftest.Gateway, listener: str) -> None:
    """A gRPC call, HTTP/2 without TLS from end to end, goes through for a port that says so."""
    server = aio.server()

    async def echo(request: bytes, _context: object) -> bytes:
        return b"echo " + request

    import grpc  # noqa: PLC0415

    handler = grpc.method_handlers_generic_handler("shop.Echo", {"Say": grpc.unary_unary_rpc_method_handler(echo)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gateway.put(
        objects.service("echo", port=81, port_name="http2"),
        objects.slice_("echo", "127.0.0.1", port=port, port_name="http2"),
        objects.ingress("echo", objects.rule([HOST], objects.path(objects.split("echo", port=81)))),
    )
    target = f"127.0.0.1:{gateway.public if listener == 'public' else gateway.internal}"
    async with aio.insecure_channel(target, options=[("grpc.default_authority", HOST)]) as channel:
        say = channel.unary_unary("/shop.Echo/Say")

        async def answered() -> bytes | None:
            try:
                return await say(b"hi", timeout=2)
            except aio.AioRpcError:
                return None

        assert await conftest.until(answered) == b"echo hi"
    await server.stop(grace=None)


async def test_a_websocket_goes_through(gateway: conftest.Gateway) -> None:
    """An upgrade to WebSocket reaches the function and carries messages."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    url = f"http://127.0.0.1:{gateway.public}/ws"
    async with gateway.session.ws_connect(url, headers={"Host": HOST}) as socket:
        await socket.send_str("hi")
        assert (await socket.receive_str()) == "echo hi"


async def test_a_rewritten_host_crosses_our_own_internal_listener(gateway: conftest.Gateway) -> None:
    """A DomainMapping's ingress, over the ExternalName Service that Knative makes, reaches the function."""
    await gateway.function("hello-00001")
    local = "hello.shop.svc.cluster.local"
    gateway.put(
        objects.service("hello", type="ExternalName", externalName=gateway.place.internal_host, port_name="http2"),
        objects.ingress(
            "hello",
            objects.rule([local], objects.path(objects.split("hello-00001")), visibility="ClusterLocal"),
        ),
        objects.ingress(
            "vanity.example.org",
            objects.rule(
                ["vanity.example.org"],
                objects.path(objects.split("hello", K_Original_Host="vanity.example.org"), rewriteHost=local),
            ),
        ),
    )
    body = await gateway.serves("vanity.example.org")
    assert ("hello-00001", local) == (body["function"], body["host"])
    assert body["headers"]["k-original-host"] == "vanity.example.org"


async def test_redirect_to_https(gateway: conftest.Gateway) -> None:
    """``httpOption: Redirected`` answers 301 on the public listener, not on the internal one."""
    await gateway.function("hello")
    rule = objects.rule([HOST], objects.path(objects.split("hello")))
    gateway.put(objects.ingress("hello", rule, httpOption="Redirected"))
    await gateway.serves(HOST, listener="internal")
    status, body = await gateway.call(HOST, "/a?b=c")
    assert (301, f"https://{HOST}/a?b=c") == (status, body["answer"]["location"])


async def test_forged_headers_do_not_arrive(gateway: conftest.Gateway) -> None:
    """Headers that only the platform sets are removed; the client's address is the peer's."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    forged = {
        "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
        "X-Envoy-Retry-On": "5xx",
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "bank.example.com",
        "Forwarded": "for=1.2.3.4",
        "K-Proxy-Request": "activator",
        "K-Original-Host": "bank.example.com",
        "Knative-Serving-Revision": "other-00001",
        "Knative-Serving-Namespace": "other",
        "X-Mayfly-Function": "other",
    }
    _, body = await gateway.call(HOST, headers=forged)
    arrived = {name: body["headers"].get(name.lower()) for name in forged}
    address = arrived.pop("X-Forwarded-For")  # Envoy writes its own address for a peer on loopback
    assert address.count(".") == 3
    assert address != "1.2.3.4"
    assert {name: value for name, value in arrived.items() if value is not None} == {"X-Forwarded-Proto": "http"}
    assert body["answer"]["x-request-id"] == body["headers"]["x-request-id"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("GET /a/..%2fb HTTP/1.1\r\nHost: {host}\r\n\r\n", 400, id="escaped slash"),
        pytest.param("GET /a%00b HTTP/1.1\r\nHost: {host}\r\n\r\n", 400, id="NUL in the path"),
        pytest.param("GET / HTTP/1.1\r\n\r\n", 400, id="no Host"),
        pytest.param("GET / HTTP/1.1\r\nHost: {host}\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n", 400, id="underscore"),
        pytest.param("GET / HTTP/1.1\r\nHost: {host}\r\n" + "A: b\r\n" * 5000 + "\r\n", 431, id="5,000 headers"),
        pytest.param("GET / HTTP/1.1\r\nHost: {host}\r\nA: " + "b" * 200_000 + "\r\n\r\n", 431, id="200 KB header"),
        pytest.param(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="length and chunks",
        ),
    ],
)
async def test_hostile_requests_are_refused(gateway: conftest.Gateway, raw: str, expected: int) -> None:
    """What parsers disagree about never reaches a function."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.public)
    writer.write(raw.format(host=HOST).encode())
    line = await reader.readline()
    writer.close()
    assert expected == int(line.split()[1])


async def test_dots_are_resolved_before_routing(gateway: conftest.Gateway) -> None:
    """``/public/../admin`` is ``/admin`` for routes and function alike."""
    await gateway.function("hello")
    await gateway.function("admin")
    rule = objects.rule(
        [HOST], objects.path(objects.split("admin"), path="/admin"), objects.path(objects.split("hello"))
    )
    gateway.put(objects.ingress("hello", rule))
    await gateway.serves(HOST)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.public)
    writer.write(f"GET /x/%2e%2e//admin HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert '"function": "admin"' in answer
    assert '"path": "/admin"' in answer


async def test_the_version_that_serves_can_be_asked(gateway: conftest.Gateway) -> None:
    """A probe with ``K-Network-Hash: override`` learns the hash; what is not quite one passes untouched."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    version = gateway.table.get(("shop", "hello")).version
    probe = {"K-Network-Probe": "probe"}
    _, asked = await gateway.call(HOST, headers={"K-Network-Hash": "override", **probe})
    assert version == asked["answer"]["k-network-hash"] == asked["headers"]["k-network-hash"]
    for headers in ({"K-Network-Hash": "other", **probe}, {"K-Network-Hash": "override"}):
        _, other = await gateway.call(HOST, headers=headers)
        told = other["headers"]["k-network-hash"], other["answer"].get("k-network-hash")
        assert told == (headers["K-Network-Hash"], None)


async def test_the_admin_interface_is_not_in_reach(gateway: conftest.Gateway) -> None:
    """The metrics port shows readiness and metrics, and no other page of the admin interface."""
    base = f"http://127.0.0.1:{gateway.metrics}"
    expected = {"/ready": 200, "/stats/prometheus": 200, "/quitquitquit": 404, "/config_dump": 404}
    found = {}
    for page in expected:
        async with gateway.session.get(base + page) as response:
            found[page] = response.status
    assert expected == found
