"""Stand between a client and a registry, pass everything on, and fail where a test asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web

HOP = {"transfer-encoding", "connection", "keep-alive"}


@dataclasses.dataclass
class Fault:
    """Fail the next ``times`` requests whose "METHOD path" matches ``pattern``.

    ``status`` answers instead of the registry. ``cut_answer`` and ``cut_request`` break the connection after so many
    bytes of a body. ``change`` alters an answer's body.
    """

    pattern: str
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    cut_answer: int | None = None
    cut_request: int | None = None
    change: Callable[[bytes], bytes] | None = None


@dataclasses.dataclass
class Proxy:
    target: str
    host: str = ""
    faults: list[Fault] = dataclasses.field(default_factory=list)
    seen: list[str] = dataclasses.field(default_factory=list)
    headers_seen: list[dict[str, str]] = dataclasses.field(default_factory=list)
    sent_on: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    session: aiohttp.ClientSession | None = None
    drop_request_headers: set[str] = dataclasses.field(default_factory=set)
    held: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    _hold: str | None = None
    _released: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def hold(self, pattern: str) -> None:
        """Keep matching requests waiting, and set ``held`` at the first."""
        self._hold = pattern

    def release(self) -> None:
        """Drop what is held, unanswered and not passed on."""
        self._hold = None
        self._released.set()

    def fail(self, pattern: str, **how) -> Fault:
        fault = Fault(pattern, **how)
        self.faults.append(fault)
        return fault

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for line in self.seen)

    def _choose(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, line):
                fault.times -= 1
                return fault
        return None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path_qs}"
        self.seen.append(line)
        self.headers_seen.append(dict(request.headers))
        if self._hold and re.search(self._hold, line):
            self.held.set()
            await self._released.wait()
            return self._cut(request)
        fault = self._choose(line)
        if fault and fault.status:
            await request.read()
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        with contextlib.suppress(ConnectionResetError, aiohttp.ClientError):
            return await self._pass_on(request, line, fault or Fault(""))
        return self._cut(request)

    async def _pass_on(self, request: web.Request, line: str, fault: Fault) -> web.StreamResponse:
        assert self.session
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP}
        headers = {key: value for key, value in headers.items() if key not in self.drop_request_headers}
        body = self._limit(request, fault.cut_request) if request.can_read_body else None
        url = f"http://{self.target}{request.raw_path}"
        async with self.session.request(
            request.method, aiohttp.client.URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as answer:
            self.sent_on.append((line, answer.status))
            data = await answer.read()
            if fault.change and answer.status < 300:
                data = fault.change(data)
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP}
            if fault.change:
                kept["Content-Length"] = str(len(data))
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            if fault.cut_answer is not None:
                await response.write(data[: fault.cut_answer])
                return self._cut(request)
            await response.write(data)
            await response.write_eof()
            return response

    async def _limit(self, request: web.Request, most: int | None) -> AsyncIterator[bytes]:
        sent = 0
        async for chunk in request.content.iter_any():
            if most is not None and sent + len(chunk) > most:
                yield chunk[: most - sent]
                raise ConnectionResetError
            sent += len(chunk)
            yield chunk

    @staticmethod
    def _cut(request: web.Request) -> web.StreamResponse:
        if request.transport:
            request.transport.abort()
        return web.Response()


@contextlib.asynccontextmanager
async def run(target: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    async with aiohttp.ClientSession(auto_decompress=False) as proxy.session:
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.host = "{}:{}".format(*runner.addresses[0])
        try:
            yield proxy
        finally:
            await runner.cleanup()
