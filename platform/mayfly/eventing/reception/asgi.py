"""Read a request from the server library, write an answer to it: ASGI 3, https://asgi.readthedocs.io/en/latest/specs/.

What comes in is bounded: a body in size and time, all bodies together in memory. Heads are the server library's.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mayfly.eventing import problem, web
from mayfly.events import limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """How much comes in."""

    body_bytes: int = limits.DEFAULT.batch_bytes + 64 * 1024
    """Of one body; a batch that is a little too large gets to where the answer says by how much."""
    body_seconds: float = 30.0
    """From the head to the end of the body."""
    small_bytes: int = 64 * 1024
    """Smaller bodies are not counted, the number of connections bounds them."""
    large_bytes: int = 64 * 1024 * 1024
    """Of larger ones together, while they come and until they are answered."""


DEFAULT = Bounds()


class HungUp(Exception):
    """The caller went away before the end of the request, so there is no request."""


class Room:
    """The memory that large bodies share."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._free = bounds.large_bytes

    def take(self, size: int) -> None:
        """Take ``size`` more bytes.

        Raises:
            problem.Busy: they are not there.
        """
        if size > self._free:
            raise problem.Busy(
                "too many large requests are under way; send this one again in a moment", headers=problem.CLOSE
            )
        self._free -= size

    def give_back(self, size: int) -> None:
        """Give ``size`` bytes back."""
        self._free += size


class Body:
    """One body, read to its end."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bounds = room.bounds
        self._pieces: list[bytes] = []
        self._size = 0
        self._taken = 0

    async def read(self, head: web.Request, receive: Receive) -> bytes:
        """Return the body that follows ``head``.

        Raises:
            problem.Refused: 413 when it is too large, announced or real; 408 when it does not come in time.
            problem.Busy: the memory for large bodies is used up.
            HungUp: the caller went away.
        """
        announced = head.header("content-length")
        if announced is not None and announced.isdecimal():
            self._check(int(announced))
        try:
            async with asyncio.timeout(self._bounds.body_seconds):
                while await self._take(receive):
                    pass
        except TimeoutError:
            raise problem.Refused(
                f"the body did not come within {self._bounds.body_seconds:.0f} s; send it without a pause",
                status=408,
                headers=problem.CLOSE,
            ) from None
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def forget(self) -> None:
        """Give back what the body took."""
        self._room.give_back(self._taken)
        self._taken = 0

    async def _take(self, receive: Receive) -> bool:
        """Take in the next piece and tell whether more comes."""
        message = await receive()
        if message["type"] != "http.request":
            raise HungUp
        piece = message.get("body", b"")
        self._size += len(piece)
        self._check(self._size)
        if self._size > self._bounds.small_bytes:
            more = self._size - self._taken
            self._room.take(more)
            self._taken += more
        self._pieces.append(piece)
        return bool(message.get("more_body", False))

    def _check(self, size: int) -> None:
        if size > self._bounds.body_bytes:
            raise problem.Refused(
                f"the body has {size} bytes or more; at most {self._bounds.body_bytes} are read: send less at a time,"
                " or a reference to it",
                status=413,
                reason="TooLarge",
                headers=problem.CLOSE,
            )


def read_head(scope: Scope) -> web.Request:
    """Return the request without its body."""
    return web.Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]),
    )


async def send(response: web.Response, to: Send) -> None:
    """Send ``response``."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", b"%d" % len(response.body)))
    await to({"type": "http.response.start", "status": response.status, "headers": headers})
    await to({"type": "http.response.body", "body": response.body})
