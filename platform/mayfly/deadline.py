"""Bound a request's head, in time and in size.

The server library waits for ever for the end of a half-sent head and takes one of any size. Silence and size of bodies
are bounded where they are read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http import httptools_impl

HEAD_SECONDS = 10.0
"""Time for the first request's head, counted from the connection, and for each later one from its first byte."""
MAX_HEAD = 72 * 1024
"""Bytes of all header names and values; Envoy lets 60 KiB through, and the gateway adds some of its own."""
MAX_HEADERS = 128
"""Envoy lets 100 through."""


class Deadlined(httptools_impl.HttpToolsProtocol):
    """An HTTP/1.1 connection whose heads must come in time and be of a sane size."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _head_lines = 0

    def connection_made(self, transport: Any) -> None:
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._start()

    def on_message_begin(self) -> None:
        """Start the clock with a later request's first byte; the first one's runs already."""
        super().on_message_begin()
        self._head_bytes = self._head_lines = 0
        if self._head_timer is None:
            self._start()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; the parser turns the refusal into an answer 400 and the end of the connection."""
        self._head_bytes += len(name) + len(value)
        self._head_lines += 1
        if self._head_bytes > MAX_HEAD or self._head_lines > MAX_HEADERS:
            raise ValueError("the head of the request is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock: the head is whole."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock: nobody is there."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _stop(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _hang_up(self) -> None:
        self._head_timer = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
