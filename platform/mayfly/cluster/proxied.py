"""The answer of a service behind the API server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import aiohttp

from mayfly.cluster import transport


class Answer:
    """The answer of a service behind the API server: ``status``, ``headers`` and a body read in pieces."""

    def __init__(self, response: aiohttp.ClientResponse, sender: transport.Transport) -> None:
        self._response = response
        self._sender = sender
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """Return the whole body."""
        with self._sender.translated():
            return await self._response.read()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the body piece by piece, as it comes."""
        with self._sender.translated():
            async for chunk in self._response.content.iter_any():
                yield chunk
