"""A line of requests before one connection: all that gathered are done in one transaction, then answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg

from mayfly import errors
from mayfly.store import records
from mayfly.store.pg import connection, faults, unit

log = logging.getLogger(__name__)

GROUP = 256
"""At most so many requests in one transaction, so that the first of them is not kept waiting."""
TRIES = 5
"""So often a transaction is begun that another one got in the way of."""

R = TypeVar("R")
A = TypeVar("A")
Handler = Callable[[unit.Unit, Sequence[R]], Awaitable[Sequence[A]]]
"""Do all requests within the unit of work and return an answer for each."""


class Raced(Exception):
    """Another process was faster; what is there now has to be looked at anew."""


@dataclass(slots=True)
class _Entry(Generic[R, A]):
    request: R
    future: asyncio.Future[A]

    def answer(self, value: A) -> None:
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Line(Generic[R, A]):
    """Requests of one kind, first come, first served."""

    def __init__(
        self,
        handler: Handler[R, A],
        *,
        server: connection.Server,
        limits: records.Limits,
        shard: int,
        wake: Callable[[], None],
    ) -> None:
        """``wake`` is called after a commit that may have made something due."""
        self._handler = handler
        self._server = server
        self._limits = limits
        self._shard = shard
        self._wake = wake
        self._entries: asyncio.Queue[_Entry[R, A] | None] = asyncio.Queue()
        self._connection: Any = None
        self._closed = False
        self._task = asyncio.create_task(self._work())

    async def run(self, request: R) -> A:
        """Return the answer to ``request``, after it was committed.

        Raises: errors.StoreError
        """
        if self._closed:
            raise errors.StoreUnavailable("The store is closed; nothing was promised.")
        entry: _Entry[R, A] = _Entry(request, asyncio.get_running_loop().create_future())
        self._entries.put_nowait(entry)
        return await entry.future

    async def close(self) -> None:
        """Do what was asked for before, then disconnect."""
        if not self._closed:
            self._closed = True
            self._entries.put_nowait(None)
        await self._task

    async def _work(self) -> None:
        ended = False
        while not ended:
            group = [await self._entries.get()]
            while len(group) < GROUP and not self._entries.empty():
                group.append(self._entries.get_nowait())
            entries = [entry for entry in group if entry is not None]
            ended = len(entries) < len(group)
            if entries:
                await self._serve(entries)
        await self._drop()

    async def _serve(self, entries: list[_Entry[R, A]]) -> None:
        """Do all in one transaction, or each in its own when the group fails over one of them."""
        try:
            answers = await self._commit([entry.request for entry in entries])
        except Exception as error:  # noqa: BLE001  (whatever it is, the callers are told)
            await self._fail(entries, error)
            return
        for entry, answer in zip(entries, answers, strict=True):
            entry.answer(answer)

    async def _fail(self, entries: list[_Entry[R, A]], error: Exception) -> None:
        if len(entries) > 1 and not _is_unavailable(error):
            for entry in entries:
                await self._serve([entry])
            return
        log.warning("the store failed", extra={"error": str(error), "requests": len(entries)})
        for entry in entries:
            if isinstance(error, faults.FOREIGN):
                ours = faults.translate(error)
                ours.__cause__ = error
                entry.fail(ours)
            else:
                entry.fail(error)

    async def _commit(self, requests: list[R]) -> Sequence[A]:
        for _ in range(TRIES):
            try:
                return await self._try(requests)
            except (Raced, asyncpg.exceptions.TransactionRollbackError):  # a deadlock among others
                continue
        raise errors.StoreUnavailable(f"Other processes got in the way {TRIES} times; nothing was promised.")

    async def _try(self, requests: list[R]) -> Sequence[A]:
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._server.connect(by_index=True)
                work = unit.Unit(self._connection, limits=self._limits, shard=self._shard)
                async with self._connection.transaction():
                    answers = await self._handler(work, requests)
                    await work.enter()
        except faults.FOREIGN as error:
            if faults.is_broken(error):
                await self._drop()
            raise
        if work.wakes:
            self._wake()
        return answers

    async def _drop(self) -> None:
        """Let go of the connection without waiting for a server that may not answer."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _is_unavailable(error: Exception) -> bool:
    if isinstance(error, faults.FOREIGN):
        return faults.is_broken(error)
    return isinstance(error, errors.StoreUnavailable)
