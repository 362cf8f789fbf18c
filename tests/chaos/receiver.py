"""The functions' end of the ledger, standing where the gateway's internal listener stands."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@dataclasses.dataclass
class Receiver:
    """Counts what each event's id came to; ``behave`` decides the answer, by Host and how often the id came."""

    came: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    answered: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """Ids that were answered 200: this is what counts as delivered."""
    behave: Callable[[str, int], Awaitable[int]] | None = None
    port: int = 0

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen on a free port of loopback."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        await request.read()
        name = request.headers.get("ce-id", request.path)
        self.came[name] += 1
        status = 200 if self.behave is None else await self.behave(request.host.partition(".")[0], self.came[name])
        if status < 300:
            self.answered[name] += 1
        return web.Response(status=status)


async def hang(_function: str, _times: int) -> int:
    """Never answer within any limit."""
    await asyncio.sleep(3600)
    return 200
