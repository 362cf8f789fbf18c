"""Calling a Service through the API server."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from aiohttp import web

from mayfly import errors
from mayfly.cluster import kinds
from tests.contract.cluster.conftest import default_service_account

DEADLINE = 30.0


def find_address():
    """Return an address of this machine that the API server may dial: not loopback. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))
        return sock.getsockname()[0]


class Echo:
    """A service that says what it was sent, and one stream that waits for us between its parts."""

    def __init__(self):
        self.parts: asyncio.Queue[bytes] = asyncio.Queue()
        self.upload: asyncio.Queue[bytes] = asyncio.Queue()

    async def echo(self, request):
        seen = {name: request.headers.get(name) for name in ("Authorization", "X-Mayfly-Test")}
        body = {"method": request.method, "path": request.path_qs, "headers": seen, "body": await request.text()}
        return web.json_response(body, status=418)

    async def down(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        while part := await self.parts.get():
            await response.write(part)
        return response

    async def up(self, request):
        async for chunk in request.content.iter_any():
            await self.upload.put(chunk)
        return web.Response(text="done")


async def pretend_pod(cluster, namespace, address):
    """Make a pod ``echo`` that has ``address``: the API server proxies to addresses of pods only."""
    await default_service_account(cluster, namespace)
    meta = {"namespace": namespace, "name": "echo"}
    spec = {
        "containers": [{"name": "c", "image": "none.invalid/x"}],
        "nodeName": "none",
        "terminationGracePeriodSeconds": 0,
    }
    await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    status = {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running"}
    await cluster.patch(kinds.POD, namespace, "echo", {"status": status}, subresource="status")


@pytest.fixture
async def echo(cluster, namespace):
    """An echo server on this machine, known to the cluster as Service ``echo``, port ``http``."""
    server, address = Echo(), find_address()
    app = web.Application()
    app.router.add_route("*", "/down", server.down)
    app.router.add_route("*", "/up", server.up)
    app.router.add_route("*", "/{path:.*}", server.echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, 0).start()
    port = runner.addresses[0][1]
    meta = {"namespace": namespace, "name": "echo"}
    ports = [{"name": "http", "port": 80, "targetPort": port}]
    await cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}})
    await pretend_pod(cluster, namespace, address)
    target = {"kind": "Pod", "namespace": namespace, "name": "echo"}
    subset = {"addresses": [{"ip": address, "targetRef": target}], "ports": [{"name": "http", "port": port}]}
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]}
    await cluster.post(f"/api/v1/namespaces/{namespace}/endpoints", endpoints)
    yield server
    await runner.cleanup()


async def test_request_and_answer_pass_as_they_are(cluster, namespace, echo):
    """Method, path, query, headers, body and status pass; only ``Authorization`` stays with the API server."""
    headers = {"X-Mayfly-Test": "yes", "Content-Type": "text/plain"}
    async with cluster.service_proxy(
        namespace, "echo", "http", "PUT", "/a%20b/c?x=1&y=%2F", headers=headers, body=b"hello"
    ) as answer:
        assert answer.status == 418, await answer.read()
        seen = json.loads(await answer.read())
    assert seen == {
        "method": "PUT",
        "path": "/a%20b/c?x=1&y=%2F",
        "headers": {"Authorization": None, "X-Mayfly-Test": "yes"},
        "body": "hello",
    }


async def test_answers_stream(cluster, namespace, echo):
    """Each part of an answer arrives when it is sent, not when all of it is."""
    async with asyncio.timeout(DEADLINE), cluster.service_proxy(namespace, "echo", "http", path="/down") as answer:
        await echo.parts.put(b"one")
        chunks = answer.chunks()
        assert await anext(chunks) == b"one"
        await echo.parts.put(b"two")
        assert await anext(chunks) == b"two"
        await echo.parts.put(b"")
        assert [chunk async for chunk in chunks] == []


async def test_uploads_stream(cluster, namespace, echo):
    """A part of an upload reaches the service before the next one is there."""

    async def body():
        for part in (b"one", b"two"):
            yield part
            assert await echo.upload.get() == part

    async with asyncio.timeout(DEADLINE):
        async with cluster.service_proxy(namespace, "echo", "http", "POST", "up", body=body()) as answer:
            assert await answer.read() == b"done"


async def test_a_service_without_endpoints_is_an_answer(cluster, namespace, echo):
    """What the API server says of a service that it cannot reach comes as status and text."""
    async with cluster.service_proxy(namespace, "missing", 80) as answer:
        assert answer.status in {404, 503}
        assert b"missing" in await answer.read()


async def test_logs_of_a_pod_that_is_not_there(cluster, namespace):
    """A log that cannot be read is refused by name."""
    with pytest.raises(errors.NotFound, match='pods "none" not found'):
        [line async for line in cluster.logs(namespace, "none")]


@pytest.fixture
async def talker(cluster, namespace, cluster_env):
    """A running pod whose container ``talk`` writes three lines, waits for the file ``go``, and writes one more."""
    if not await cluster.list(kinds.Kind("", "v1", "nodes", "Node", namespaced=False)):
        pytest.skip("this API server has no node to run a pod")
    script = "for i in 1 2 3; do echo line $i; done; while [ ! -e /tmp/go ]; do sleep 0.1; done; printf last"
    container = {
        "name": "talk",
        "image": f"{cluster_env['REGISTRY']}/mayfly/base-python:3.11",
        "command": ["sh", "-c", script],
        "lifecycle": {"preStop": {"exec": {"command": ["touch", "/tmp/go"]}}},
    }
    spec = {"containers": [container], "restartPolicy": "Never", "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": "talker"}, "spec": spec}
    await default_service_account(cluster, namespace)
    async with asyncio.timeout(DEADLINE):
        await cluster.create(pod)
        while not await cluster.list(kinds.POD, namespace, fields="status.phase=Running"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return "talker"


async def test_logs_follow(cluster, namespace, talker):
    """A followed log gives what is there, then what comes, and ends with the container."""
    async with asyncio.timeout(DEADLINE):
        lines = cluster.logs(namespace, talker, "talk", follow=True)
        assert [await anext(lines) for _ in range(3)] == ["line 1", "line 2", "line 3"]
        await cluster.delete(kinds.POD, namespace, talker)
        assert [line async for line in lines] == ["last"]


async def test_logs_options(cluster, namespace, talker):
    """The tail, the times, and the refusal of a previous container that never was."""
    async with asyncio.timeout(DEADLINE):
        while len(lines := [line async for line in cluster.logs(namespace, talker)]) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert lines == ["line 1", "line 2", "line 3"]
        (last,) = [line async for line in cluster.logs(namespace, talker, "talk", tail=1, timestamps=True)]
        assert last.endswith("Z line 3")
        assert await _count(cluster.logs(namespace, talker, since_seconds=3600)) == 3
        with pytest.raises(errors.Invalid, match="previous terminated container"):
            await _count(cluster.logs(namespace, talker, previous=True))


async def _count(lines):
    return len([line async for line in lines])
