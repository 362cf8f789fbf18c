"""A few connections that read, made when first needed and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from mayfly import errors
from mayfly.store.pg import connection, faults

CONNECTIONS = 3

P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """Lends each reading a connection; one that failed is not used again."""

    def __init__(self, server: connection.Server) -> None:
        self._server = server
        self._idle: list[Any] = []
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._closed = False

    async def run(self, read: Callable[Concatenate[Any, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``read`` returns, given a connection.

        Raises: errors.StoreError
        """
        if self._closed:
            raise errors.StoreUnavailable("The store is closed.")
        borrowed = None
        try:
            async with asyncio.timeout(self._server.timeout_seconds), self._free:
                borrowed = await self._borrow()
                answer = await read(borrowed, *args, **kwargs)
        except BaseException as error:
            if borrowed is not None:
                borrowed.terminate()
            if isinstance(error, faults.FOREIGN):
                raise faults.translate(error) from error
            raise
        self._idle.append(borrowed)
        return answer

    def close(self) -> None:
        """Let go of every connection."""
        self._closed = True
        for idle in self._idle:
            idle.terminate()
        self._idle.clear()

    async def _borrow(self) -> Any:
        while self._idle:
            idle = self._idle.pop()
            if not idle.is_closed():
                return idle
        return await self._server.connect(by_index=False)
