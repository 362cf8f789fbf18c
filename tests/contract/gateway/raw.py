"""Speak to the gateway byte by byte, and see byte by byte what it says to a function."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import ssl
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_SECONDS = 20.0
SENTINEL = "/sentinel"


@dataclasses.dataclass(slots=True)
class Seen:
    """Hold one request as it arrived at the function: its head, its body as sent (with chunk framing)."""

    head: bytes
    body: bytes = b""
    complete: bool = False
    """Whether the body has arrived to its end."""
    gone: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set when the connection it came on is closed."""

    @property
    def line(self) -> str:
        """Return the request line without the version."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").rsplit(" ", 1)[0]

    @property
    def path(self) -> str:
        """Return the request target."""
        return self.line.partition(" ")[2]

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return names, in lower case, and values in their order."""
        lines = (line.decode("latin-1").partition(":") for line in self.head.split(b"\r\n")[1:] if line)
        return [(name.lower(), value.strip()) for name, _, value in lines]

    def values(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for found, value in self.headers if found == name]


class Function:
    """Record what arrives; answer 200 ``ok``.

    ``/hang`` is never answered, ``/drip`` is answered without end, ``/slow`` after two seconds,
    ``/early`` in part before its body has come.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.raw = b""
        """Every byte that arrived."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()

    def take(self) -> list[Seen]:
        """Return the requests since the last call, without the sentinel."""
        found, self.seen, self.raw = self.seen, [], b""
        return [request for request in found if request.path != SENTINEL]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[Seen] = []
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.raw += head
                request = Seen(head)
                self.seen.append(request)
                mine.append(request)
                if request.path == "/early":
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
                await self._read_body(request, reader)
                request.complete = True
                await _answer(request, reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            for request in mine:
                request.gone.set()
            self._writers.discard(writer)
            writer.transport.abort()

    async def _read_body(self, request: Seen, reader: asyncio.StreamReader) -> None:
        if request.values("transfer-encoding"):
            size = -1
            while size:
                line = await reader.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                request.body += line + await reader.readexactly(size) if size else line
                if size:
                    request.body += await reader.readexactly(2)
            while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
                request.body += line
        elif length := request.values("content-length"):
            request.body = await reader.readexactly(int(length[0]))
        self.raw += request.body


async def _answer(request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if request.path.startswith("/hang"):
        await reader.read()
        raise EOFError
    if request.path.startswith("/drip"):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"4\r\ndrop\r\n")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.02)
        raise EOFError
    if request.path == "/slow":
        await asyncio.sleep(2)
    writer.write(b"0\r\n\r\n" if request.path == "/early" else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def soon(awaited: Awaitable[T]) -> T:
    """Wait for something that must come, at most ``DEADLINE_SECONDS``."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await awaited


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Hold one answer of the gateway."""

    status: int
    head: str
    body: bytes


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_(
    port: int, *, context: ssl.SSLContext | None = None, name: str | None = None, source: str | None = None
) -> Connection:
    """Connect to a listener, over TLS with a context, from the address ``source`` of this machine."""
    address = None if source is None else (source, 0)
    return await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name, limit=2**20, local_addr=address
    )


async def read_answer(reader: asyncio.StreamReader, *, method: str = "GET") -> Answer | None:
    """Return the next final answer, ``None`` when the gateway hung up."""
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (OSError, EOFError):
            return None
        status = int(head.split(maxsplit=2)[1])
        if status >= 200 or status == 101:
            break
    body = b""
    with contextlib.suppress(OSError, EOFError):
        body = b"" if method == "HEAD" or status in {101, 204, 304} else await _read_body(head, reader)
    return Answer(status, head.lower(), body)


async def _read_body(head: str, reader: asyncio.StreamReader) -> bytes:
    if length := re.search(r"content-length: (\d+)", head, re.IGNORECASE):
        return await reader.readexactly(int(length[1]))
    if not re.search("transfer-encoding", head, re.IGNORECASE):
        return await reader.read()
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


async def exchange(
    port: int,
    data: bytes,
    *,
    host: str,
    context: ssl.SSLContext | None = None,
    source: str | None = None,
) -> list[Answer]:
    """Send ``data``, then after the first answer a sentinel on the same connection; return all answers.

    What was smuggled within ``data`` would reach the function, and be answered, before the sentinel. None is sent
    where the answer says that the connection ends; the gateway then waits a second for the client to end it.
    """
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await open_(port, context=context, name=host if context else None, source=source)
        answers = []
        try:
            writer.write(data)
            method = data.split(b" ", 1)[0].decode("latin-1")
            answer = await read_answer(reader, method=method)
            while answer is not None:
                answers.append(answer)
                if "\r\nconnection: close" in answer.head:
                    if not writer.can_write_eof():  # over TLS
                        break
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                elif len(answers) == 1:
                    writer.write(f"GET {SENTINEL} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = await read_answer(reader)
        finally:
            writer.transport.abort()
        return answers
