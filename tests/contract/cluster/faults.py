"""A proxy in front of the real API server that misbehaves as told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import aiohttp
from aiohttp import web

from mayfly.cluster import access, client, lines, transport


@dataclasses.dataclass
class Fault:
    """What to do to the next ``times`` requests of ``method`` whose path contains ``path``.

    ``watch`` chooses watches only (``True``), all but watches (``False``) or both (``None``).
    """

    path: str = ""
    method: str | None = None
    watch: bool | None = None
    times: int = 1
    status: int | None = None  # answer so instead of asking the API server
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    drop: bool = False  # hang up without an answer
    lose: bool = False  # forward, then hang up instead of handing the answer back
    stall: bool = False  # neither answer nor hang up until ``released``
    first: bytes | None = None  # a line sent before all others of a watch
    cut_after: int | None = None  # hang up inside the line after so many lines of a watch
    repeat: bool = False  # tell every event of a watch twice, and all earlier ones again after each
    after: asyncio.Event | None = None  # forward only once this is set

    def matches(self, request):
        is_watch = request.query.get("watch") == "1"
        return (
            self.times > 0
            and self.path in request.path
            and self.method in (None, request.method)
            and self.watch in (None, is_watch)
        )


class FaultProxy:
    """Forward to the API server, apart from ``faults``; ``seen`` holds (method, path, was a watch)."""

    def __init__(self, upstream: client.Cluster):
        self._upstream = upstream._sender
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str, bool]] = []
        self.released = asyncio.Event()
        self.hit = asyncio.Condition()
        self.url = ""

    def add(self, **fault):
        self.faults.append(Fault(**fault))
        return self.faults[-1]

    async def used(self, fault):
        """Return once ``fault`` has struck as often as it was to."""
        async with self.hit:
            await self.hit.wait_for(lambda: fault.times == 0)

    @contextlib.asynccontextmanager
    async def serving(self):
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.released.set()
            await runner.cleanup()

    def connect(self):
        """Return a cluster as it looks through this proxy."""
        through = access.Access(host=self.url, tls=None, proof=access.Fixed(None), namespace="default")
        return client.Cluster(transport.Transport(through, user_agent="mayfly-test"))

    async def _handle(self, request):
        self.seen.append((request.method, request.path, request.query.get("watch") == "1"))
        fault = next((fault for fault in self.faults if fault.matches(request)), None) or Fault()
        if fault in self.faults:
            async with self.hit:
                fault.times -= 1
                self.hit.notify_all()
        if fault.after is not None:
            await fault.after.wait()
        if fault.status is not None:
            return web.json_response(
                {"kind": "Status", "message": "injected"}, status=fault.status, headers=fault.headers
            )
        if fault.drop:
            request.transport.abort()
            return web.Response()
        if fault.stall:
            await self.released.wait()
            return web.Response(status=503)
        return await self._forward(request, fault)

    async def _forward(self, request, fault):
        headers = {name: request.headers[name] for name in ("Content-Type", "Accept") if name in request.headers}
        async with self._upstream.open(
            request.method,
            request.path_qs,
            headers=headers,
            data=await request.read() or None,
            timeout=aiohttp.ClientTimeout(total=None),
            refuse=False,
        ) as answer:
            if fault.lose:
                request.transport.abort()
                return web.Response()
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            await self._copy(request, answer, response, fault)
            return response

    async def _copy(self, request, answer, response, fault):
        if request.query.get("watch") != "1":
            await response.write(await answer.read())
            return
        if fault.first is not None:
            await response.write(fault.first + b"\n")
        told = []
        async for line in lines.split(answer.content.iter_any()):
            if fault.cut_after is not None and len(told) >= fault.cut_after:
                await response.write(line[: len(line) // 2])
                request.transport.abort()
                return
            told.append(line)
            sent = [line, line, *told] if fault.repeat else [line]
            await response.write(b"".join(one + b"\n" for one in sent))
