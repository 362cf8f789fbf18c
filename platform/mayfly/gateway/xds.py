"""Carry incremental xDS to Envoy over a Unix socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from grpc import aio

from mayfly.gateway import delta, snapshot

log = logging.getLogger(__name__)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD = "DeltaAggregatedResources"
_UNLIMITED = -1


class Server:
    """Serve the snapshot on ``socket``; the file system says who may connect."""

    def __init__(
        self, resources: snapshot.Snapshot, *, socket: Path, on_verdict: Callable[[delta.Verdict], None]
    ) -> None:
        self._resources = resources
        self._on_verdict = on_verdict
        self._socket = socket
        self._streams = 0
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", _UNLIMITED),
                ("grpc.max_send_message_length", _UNLIMITED),
            ]
        )
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=discovery_pb2.DeltaDiscoveryRequest.FromString
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))

    @property
    def streams(self) -> int:
        """Return how many Envoys are connected."""
        return self._streams

    async def start(self) -> None:
        """Begin to serve; a socket file that an earlier process left is replaced."""
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._server.add_insecure_port(f"unix:{self._socket}")
        await self._server.start()

    async def stop(self) -> None:
        """End every stream; Envoy keeps its configuration and connects again when somebody serves."""
        await self._server.stop(grace=None)

    async def _serve(self, requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[bytes]:
        stream = delta.Stream(self._resources, on_verdict=self._on_verdict)
        wake = asyncio.Event()
        ended = False

        def notify(type_url: str, name: str) -> None:
            stream.notify(type_url, name)
            wake.set()

        async def read() -> None:
            nonlocal ended
            try:
                async for request in requests:
                    stream.receive(request)
                    wake.set()
            finally:
                ended = True
                wake.set()

        forget = self._resources.observe(notify)
        reader = asyncio.create_task(read())
        self._streams += 1
        log.info("envoy connected")
        try:
            while not ended:
                for response in stream.responses():
                    yield response
                await wake.wait()
                wake.clear()
        finally:
            self._streams -= 1
            log.info("envoy disconnected")
            forget()
            reader.cancel()
            if reader.done() and not reader.cancelled() and reader.exception() is not None:
                log.error("the stream broke", exc_info=reader.exception())
