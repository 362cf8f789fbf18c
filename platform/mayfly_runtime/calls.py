"""One HTTP request being answered."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mayfly_runtime import logs, problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch
_LINGER_SECONDS = 1.0
_BODILESS = frozenset({204, 205, 304})


class Call:
    """The ASGI triple, the call's identity and deadline, and the ways to read its body and to answer."""

    __slots__ = (
        "deadline", "expired", "loop", "max_body_bytes", "receive", "request_id", "scope", "send", "started", "status",
        "traceparent",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.loop = asyncio.get_running_loop()
        self.deadline = 0.0
        self.expired = False
        self.max_body_bytes = 0
        self.started = False
        self.status = 0
        self.traceparent: bytes | None = None
        self.request_id = ""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                self.request_id = value.decode() if _REQUEST_ID(value) else ""
            elif name == b"traceparent":
                self.traceparent = value
        if not self.request_id:
            self.request_id = os.urandom(16).hex()

    @property
    def trace_id(self) -> str | None:
        """Trace id of the request's ``traceparent``, None without one."""
        return logs.trace_id(self.traceparent)

    def header(self, name: bytes) -> bytes | None:
        """Return the first header called ``name`` (lower case), None without one."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value  # type: ignore[no-any-return]
        return None

    def remaining_seconds(self) -> float:
        """Return the time left until the deadline, never below zero."""
        return max(0.0, self.deadline - self.loop.time())

    async def read_body(self) -> bytes:
        """Return the whole request body.

        Raises:
            Problem: 413, it is larger than ``max_body_bytes``.
            ClientGone: the client closed the connection before its end; a part of a body is never handed out.
        """
        length = self.header(b"content-length")
        if length is not None and int(length) > self.max_body_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise problem.ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > self.max_body_bytes:
                raise self._too_large()
            parts.append(part)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self) -> problem.Problem:
        limit = self.max_body_bytes
        return problem.Problem(413, f"the request body is larger than {limit} bytes; send less or raise the limit")

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status line and ``headers``, the request id added."""
        headers.append((b"x-request-id", self.request_id.encode()))
        self.started = True
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response; ``headers`` have neither length nor request id yet."""
        if status in _BODILESS:
            body = b""
        else:
            headers.append((b"content-length", b"%d" % len(body)))
        await self.start(status, headers)
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, status: int, detail: str, **extra: Any) -> None:
        """Send a problem document."""
        body = problem.make_body(status, detail, self.request_id, **extra)
        await self.respond(status, [(b"content-type", problem.CONTENT_TYPE)], body)

    def cut(self) -> None:
        """Close the connection under an answer that cannot be completed.

        What the client is still reading may reach it; a client that does not read keeps nothing open.
        """
        transport = self.scope.get("mayfly.transport")
        if transport is not None:
            transport.close()
            self.loop.call_later(_LINGER_SECONDS, transport.abort)


class Stream:
    """A response sent piece by piece, from the loop or from a worker.

    The head goes out with the first piece, so that a generator which fails at once still gets a proper 500. The
    client's leaving is noticed and ends the production. Whoever makes a stream closes it.
    """

    def __init__(self, call: Call, status: int, headers: Headers) -> None:
        self._call = call
        self._status = status
        self._headers = headers
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    async def write(self, piece: bytes) -> None:
        """Send ``piece``, waiting while the client is slow.

        Raises:
            ClientGone: nobody listens any more.
        """
        await self._begin()
        if piece:
            await self._call.send({"type": "http.response.body", "body": piece, "more_body": True})

    async def finish(self) -> None:
        """Complete the response.

        Raises:
            ClientGone: nobody listens any more.
        """
        await self._begin()
        await self._call.send({"type": "http.response.body", "body": b"", "more_body": False})

    def close(self) -> None:
        """Refuse further pieces."""
        self._gone = True
        if self._watch is not None:
            self._watch.cancel()

    def write_from_thread(self, piece: bytes) -> None:
        """Do ``write`` from a worker and wait for it, so that the producer goes at the client's pace."""
        if self._gone:
            raise problem.ClientGone
        asyncio.run_coroutine_threadsafe(self.write(piece), self._call.loop).result()

    async def _begin(self) -> None:
        if self._gone:
            raise problem.ClientGone
        if not self._call.started:
            self._watch = asyncio.create_task(self._await_disconnect())
            await self._call.start(self._status, self._headers)

    async def _await_disconnect(self) -> None:
        while (await self._call.receive())["type"] != "http.disconnect":
            pass
        self._gone = True
