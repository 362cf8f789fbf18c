"""The server: uvicorn's HTTP protocol with limits, and a life of its own for start, stop and phases."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvloop

from mayfly_runtime import dialects, front, lean, loading, phases, problem, settings

lean.defer("uvicorn", {"Config": "uvicorn.config"})

# Names, not modules: `from uvicorn import server` would ask the package for a name and so run its __init__.
from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol  # noqa: E402
from uvicorn.server import Server as UvicornServer  # noqa: E402

log = logging.getLogger("mayfly_runtime")

_KEEP_ALIVE_SECONDS = 120
"""Longer than the 90 s that Go's transport, and so Knative's queue-proxy, keeps an idle connection: the side that
sends requests must be the one that closes, or a request meets a closing connection."""
_MOST_HEADERS = 256
_MOST_HEADER_BYTES = 64 * 1024
_HEADER_SECONDS = 30.0
"""Limits of a request's head; Envoy and queue-proxy stand before us, these hold inside the cluster too."""


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with limits on the head of a request: count, bytes, and time."""

    _head_bytes = 0
    _head_open = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(_HEADER_SECONDS, self._close_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse ``data``; refuse a head that does not end."""
        super().data_received(data)
        if self._head_open:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEADER_BYTES:
                self._refuse(431, "the request's headers are larger than 64 KiB")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(_HEADER_SECONDS, self._close_silent)

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self._head_open = True
        self._head_bytes = 0
        super().on_message_begin()
        self.scope["mayfly.transport"] = self.transport  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        """Note that the head is complete, and hold it against the limit."""
        self._head_open = False
        if self._head_timer is not None:
            self._stop_timer()
        if len(self.headers) > _MOST_HEADERS:
            raise ValueError("too many headers")  # httptools makes a parser error of it, which is answered with 400
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request."""
        log.info("refused a connection: %s", msg)
        self._refuse(400, msg)

    def _refuse(self, status: int, detail: str) -> None:
        self._head_open = False
        if self.transport.is_closing():
            return
        body = problem.make_body(status, detail, "")
        head = STATUS_LINE[status] + b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (problem.CONTENT_TYPE, len(body)) + body)
        self.transport.close()

    def _close_silent(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(UvicornServer):
    """uvicorn's server; it loads the function once it listens, wakes for signals only, and ends with our exit code."""

    def __init__(self, made: Config, application: front.Front) -> None:
        super().__init__(made)
        self._front = application
        self._stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop gracefully on SIGTERM and SIGINT; unlike uvicorn's, the signal is not raised again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        """Begin the graceful stop."""
        self._front.draining = True
        self.should_exit = True
        self._stop.set()

    async def main_loop(self) -> None:
        """Load the function, then keep the Date header current until told to stop."""
        phases.note("server_ms")
        port = self.servers[0].sockets[0].getsockname()[1]
        log.debug("listening on port %d", port, extra={"event": "listening", "port": port})
        load = asyncio.create_task(self._load())
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 1)
        log.info("stopping: waiting for the calls in flight", extra={"event": "stopping"})
        load.cancel()

    async def _load(self) -> None:
        await self._front.load()
        failure = self._front.failure
        if failure is not None:
            trace = loading.format_cause(failure)
            log.error("%s", failure, extra={"event": "load-failed"} | ({"exception": trace} if trace else {}))
            loading.write_termination_log(self._front.settings.termination_log, str(failure), trace)
            self.stop()
            return
        if getattr(self._front.dialect, "websockets", False):
            from uvicorn.protocols.websockets import auto  # noqa: PLC0415  (only with the user's library)

            self.config.ws_protocol_class = auto.AutoWebSocketsProtocol  # type: ignore[assignment]
        phases.note("import_ms")
        log.info("ready", extra={"event": "ready", "phases": phases.read()})


def make_config(application: Any, given: settings.Settings) -> Config:
    """Return uvicorn's configuration: httptools, no lifespan, logs or proxy headers of its own."""
    return Config(
        application,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(given.timeout_seconds) + 1,
    )


async def serve(given: settings.Settings, listener: socket.socket) -> int:
    """Serve until SIGTERM and return the exit code."""
    application = front.Front(given)
    running = Server(make_config(application, given), application)
    await running.serve(sockets=[listener])
    dialect: dialects.Dialect | None = application.dialect
    if dialect is not None:
        await dialect.stop()
    return 0 if application.failure is None else application.failure.exit_code


def run(given: settings.Settings, listener: socket.socket) -> int:
    """Run the server on uvloop to its end; return the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(given, listener))
