"""Serve the HTTP interface, and stop in an order that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator

import uvicorn

from mayfly import deadline
from mayfly.eventing.reception import app

CONNECTIONS = 2048
"""Requests served at once; one more is answered with 503 instead of memory without end."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the gateway keeps an idle connection to us, so that none is closed under a request."""
STOP_SECONDS = 10


class _Server(uvicorn.Server):
    """Leaves signals to the process, which has more to end than this."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_config(served: app.App, *, port: int) -> uvicorn.Config:
    """Return how ``served`` is served on ``port``; 0: a free one."""
    return uvicorn.Config(
        served,
        host="0.0.0.0",  # noqa: S104  (a pod serves on its own address)
        port=port,
        http=deadline.Deadlined,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        proxy_headers=False,  # who called is not read off the connection
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


@contextlib.asynccontextmanager
async def serve(served: app.App, *, port: int) -> AsyncIterator[None]:
    """Answer on ``port`` while the context lasts; then end the requests under way."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = _Server(make_config(served, port=port))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise OSError(f"port {port} cannot be listened on")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
