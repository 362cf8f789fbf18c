"""Answer the API server's questions about Functions that are about to be stored: HTTPS, in every replica.

The API server asks with ``failurePolicy: Ignore``, so whatever goes wrong here stops nobody; the condition
``Triggered`` says then what this would have said. Anybody in the cluster may connect: what a connection, a body and all
of them together can take is bounded, and nothing but the question itself is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from mayfly import settings
from mayfly.controller import admission, metrics

log = logging.getLogger(__name__)

PATH = "/functions"
MAX_BODY_BYTES = 6 * 1024 * 1024
"""The API server takes requests of 3 MiB and etcd keeps objects of 1.5: an object, the one before, what is around."""
LARGE_BYTES = 32 * 1024
"""A body from which on it is read beside the event loop, since its triggers may be many."""
PLACES = 2
"""Questions that are read and answered at a time; each takes well under a millisecond unless it is large."""
MAX_CONNECTIONS = 64
"""One more is closed at once; each replica of the API server keeps a few."""
BODY_SECONDS = 2.0
"""The API server's own patience, as the chart sets it."""
HANDSHAKE_SECONDS = 2.0
LOOK_SECONDS = 5.0
"""How often the certificate's files are looked at; the kubelet brings a renewed one within a minute or so."""


@contextlib.asynccontextmanager
async def serve(config: settings.ControllerSettings, state: metrics.State) -> AsyncIterator[None]:
    """Answer questions meanwhile, from the moment on at which there is a certificate; port 0: never."""
    if not config.webhook_port:
        yield
        return
    task = asyncio.create_task(_run(config, state), name="admission webhook")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run(config: settings.ControllerSettings, state: metrics.State) -> None:
    """Listen, and follow the certificate; a port or a certificate that cannot be used is tried again."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = Certificate(context, config.webhook_directory)
    door = Door(state, controller=config.controller_name)
    try:
        while True:
            try:
                certificate.refresh()
                await door.open(context, port=config.webhook_port)
            except OSError as error:  # ssl.SSLError is one
                log.warning("the admission webhook is not as it should be", extra={"error": str(error)})
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await door.close()


class Certificate:
    """The certificate in ``directory``, taken into ``context`` whenever its files have changed.

    New connections show the new certificate, present ones go on; nothing has to be started again.
    """

    def __init__(self, context: ssl.SSLContext, directory: Path) -> None:
        self._context = context
        self._files = (directory / "tls.crt", directory / "tls.key")
        self._loaded: tuple[bytes, ...] = ()

    def refresh(self) -> None:
        """Take the files in if they are others than before.

        Raises:
            OSError: they are absent, or no certificate and its key.
        """
        found = tuple(file.read_bytes() for file in self._files)
        if found != self._loaded:
            self._context.load_cert_chain(*self._files, password="")  # never asks for one
            self._loaded = found


class Door:
    """The listening socket and what answers behind it."""

    def __init__(self, state: metrics.State, *, controller: str) -> None:
        self._reviews = state.reviews
        self._controller = controller
        self._places = asyncio.Semaphore(PLACES)
        self._server = web.Server(self._handle, access_log=None)
        self._listening: asyncio.Server | None = None

    async def open(self, context: ssl.SSLContext, *, port: int, host: str | None = None) -> None:
        """Listen, unless it does already.

        Raises:
            OSError: the port is taken.
        """
        if self._listening is None:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(
                self._accept, host, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
            log.info("the admission webhook listens", extra={"port": port})

    async def close(self) -> None:
        """Take no more connections; what is being answered has a moment."""
        if self._listening is not None:
            self._listening.close()
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=1.0)

    def _accept(self) -> asyncio.BaseProtocol:
        return self._server() if len(self._server.connections) < MAX_CONNECTIONS else _Full()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if (request.method, request.path) != ("POST", PATH):
            return web.Response(status=404, text=f"POST {PATH} is all there is\n")
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return web.Response(status=413, text=f"at most {MAX_BODY_BYTES} bytes\n")
        async with self._places:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await _read(request)
            except TimeoutError:
                return web.Response(status=408, text=f"the body did not come within {BODY_SECONDS} s\n")
            if body is None:
                return web.Response(status=413, text=f"at most {MAX_BODY_BYTES} bytes\n")
            large = len(body) > LARGE_BYTES
            return await asyncio.to_thread(self._answer, body) if large else self._answer(body)

    def _answer(self, body: bytes) -> web.Response:
        asked = admission.read_request(body)
        if asked is None:
            self._reviews.labels(verdict="unread").inc()
            return web.Response(status=400, text=f"no {admission.KIND} of {admission.API_VERSION}\n")
        problems = admission.find_problems(asked, controller=self._controller)
        self._reviews.labels(verdict="refused" if problems else "allowed").inc()
        return web.json_response(admission.make_review(asked, problems))


class _Full(asyncio.Protocol):
    """Close at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def _read(request: web.BaseRequest) -> bytes | None:
    """Return the body, ``None`` for one beyond the limit."""
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
