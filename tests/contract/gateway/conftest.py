"""A real Envoy on loopback, fed by the real control server; no Kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mayfly.gateway import bootstrap, delta, snapshot, table, xds
from mayfly.routing import backends, edge, ingress
from tests import ports
from tests.unit.routing import objects

DEADLINE_SECONDS = 20.0


async def until(check: Callable[[], Any], *, what: str = "") -> Any:
    """Return the first true answer of ``check``, which may be a coroutine function."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"waited in vain for {what or check}"
        await asyncio.sleep(0.02)


class Control:
    """One life of the control process, without the process."""

    def __init__(self, *, place: edge.Edge, socket: Path) -> None:
        self.findings: list[ingress.Key] = []
        self.verdicts: list[delta.Verdict] = []
        self.snapshot = snapshot.Snapshot()
        self.table = table.Table(self.snapshot, place=place, on_finding=self.findings.append)
        self.server = xds.Server(self.snapshot, socket=socket, on_verdict=self._conclude)

    def _conclude(self, verdict: delta.Verdict) -> None:
        self.verdicts.append(verdict)
        self.table.conclude(verdict)


class Gateway:
    """Envoy, its control, and the functions behind it.

    ``envoy`` are settings of the data plane, ``place`` further fields of the edge.
    """

    def __init__(
        self,
        directory: Path,
        session: aiohttp.ClientSession,
        *,
        heap_bytes: int = 2**30,
        envoy: Mapping[str, Any] | None = None,
        **place: Any,
    ) -> None:
        self.public, self.internal, self.secure, self.metrics = ports.free_ports(4)
        self.place = edge.Edge(
            public_port=self.public,
            internal_port=self.internal,
            secure_port=self.secure,
            public_host="mayfly-gateway.mayfly-system.svc.cluster.local",
            internal_host="mayfly-gateway-internal.mayfly-system.svc.cluster.local",
            **{"address": "127.0.0.1", **place},
        )
        self._heap_bytes = heap_bytes
        self._envoy = envoy or {}
        self.directory = directory
        self.session = session
        self.socket = directory / "xds.sock"
        self.control = Control(place=self.place, socket=self.socket)
        self.objects: list[tuple[str, dict[str, Any]]] = []
        self._runners: list[web.AppRunner] = []
        self._process: asyncio.subprocess.Process | None = None

    @property
    def table(self) -> table.Table:
        return self.control.table

    async def start_envoy(self) -> None:
        wanted = bootstrap.EnvoySettings(
            xds_socket=self.socket,
            envoy_metrics_port=self.metrics,
            envoy_admin_socket=self.directory / "admin.sock",
            **self._envoy,
        )
        config = self.directory / "envoy.json"
        config.write_text(json.dumps(bootstrap.make_bootstrap(wanted, heap_bytes=self._heap_bytes)))
        with (self.directory / "envoy.log").open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                bootstrap.find_envoy(), "-c", str(config), "--disable-hot-restart", "--concurrency", "2",
                "--log-level", "info", "--file-flush-interval-msec", "50", stderr=log, stdout=log,
            )  # fmt: skip

    async def ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with self.session.get(f"http://127.0.0.1:{self.metrics}/ready") as response:
                return response.status == 200
        return False

    async def clusters(self) -> str:
        """Return Envoy's own list of its clusters."""
        return await self.ask_admin("/clusters")

    async def ask_admin(self, page: str) -> str:
        """Return a page of Envoy's admin interface."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.directory / "admin.sock"))) as admin,
            admin.get(f"http://envoy{page}") as response,
        ):
            return await response.text()

    async def count(self, statistic: str) -> int:
        """Return one of Envoy's own figures."""
        text = await self.ask_admin(f"/stats?filter=^{re.escape(statistic)}$")
        return int(text.rpartition(":")[2] or 0)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """Return Envoy's process."""
        assert self._process is not None
        return self._process

    def put(self, *found: dict[str, Any]) -> None:
        """Feed API objects to the control, as its watches would."""
        for obj in found:
            self.objects.append(("", obj))
            feed(self.table, obj)

    async def restart_control(self) -> None:
        """Begin a new life of the control, which learns the same objects again."""
        await self.control.server.stop()
        self.control = Control(place=self.place, socket=self.socket)
        for _, obj in self.objects:
            feed(self.table, obj)
        await self.control.server.start()

    async def function(
        self, name: str, *, addresses: tuple[str, ...] = ("127.0.0.1",), **service: Any
    ) -> web.AppRunner:
        """Start a function that answers with what it was asked, and make its Service and EndpointSlice."""
        port = ports.free_ports(1)[0]

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await _echo(request)
            told = request.query.get("status")
            return web.json_response(
                {
                    "function": name,
                    "local": request.transport.get_extra_info("sockname")[0],
                    "path": request.path_qs,
                    "host": request.host,
                    "headers": {key.lower(): value for key, value in request.headers.items()},
                },
                status=int(told) if told else 200,
            )

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        for address in addresses:
            await web.TCPSite(runner, address, port).start()
        self._runners.append(runner)
        self.put(objects.service(name, **service), objects.slice_(name, *addresses, port=port))
        return runner

    async def call(
        self, host: str, path: str = "/", *, listener: str = "public", **options: Any
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON body of a call; the body is empty when Envoy itself answered."""
        port = self.public if listener == "public" else self.internal
        headers = {"Host": host, **options.pop("headers", {})}
        method = options.pop("method", "GET")
        url = f"http://127.0.0.1:{port}{path}"
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as response:
            text = await response.text()
            body = json.loads(text) if text.startswith("{") else {"text": text}
            return response.status, body | {"answer": {k.lower(): v for k, v in response.headers.items()}}

    async def serves(self, host: str, *, listener: str = "public", path: str = "/") -> dict[str, Any]:
        """Wait until a host answers 200, and return the answer."""

        async def check() -> dict[str, Any] | None:
            with contextlib.suppress(aiohttp.ClientError):
                status, body = await self.call(host, path, listener=listener)
                return body if status == 200 else None
            return None

        found: dict[str, Any] = await until(check, what=f"{host}{path} to answer 200")
        return found

    async def stop_envoy(self) -> None:
        """End Envoy; its access log is whole then."""
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            await process.wait()

    async def close(self) -> None:
        await self.stop_envoy()
        await self.control.server.stop()
        for runner in self._runners:
            await runner.cleanup()


def feed(found: table.Table, obj: dict[str, Any]) -> None:
    """Give one API object to a table."""
    metadata = obj["metadata"]
    if obj.get("kind") == "Ingress":
        found.put_ingress(obj)
    elif "endpoints" in obj:
        key = (metadata["namespace"], metadata["labels"][backends.SERVICE_LABEL])
        found.upstreams.put_slice(key, metadata["name"], backends.parse_slice(obj))
    else:
        found.upstreams.put_service((metadata["namespace"], metadata["name"]), backends.parse_service(obj))


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"echo {message.data}")
    return socket


@contextlib.asynccontextmanager
async def run(directory: Path, **options: Any) -> AsyncIterator[Gateway]:
    """Run a gateway that serves nothing yet; ``options`` as for ``Gateway``."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        made = Gateway(directory, session, **options)
        try:
            await made.control.server.start()
            await made.start_envoy()
            await until(made.ready, what="Envoy to be ready")
            yield made
        finally:
            await made.close()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Give a gateway that serves nothing yet."""
    async with run(tmp_path) as made:
        yield made
