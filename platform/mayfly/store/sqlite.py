"""The embedded store: one SQLite file, one process that writes to it, nothing else to run.

WAL with ``synchronous=FULL``: https://www.sqlite.org/pragma.html#pragma_synchronous. A second process that opens the
same file to write is refused; reading it, or copying it with SQLite's own backup, is not.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from mayfly.store import backup, form, interface, records, turns, waking
from mayfly.store.lite import accepting, connection, controlling, delivering, reading, writer
from mayfly.store.lite import readers as reader_threads

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""How long a new process waits for the old one to let go of the file."""


class SqliteStore(interface.Store):
    """Durable invocations in one file; ``interface.Store`` says what each method promises."""

    def __init__(
        self,
        lines: writer.Writer,
        readers: reader_threads.Readers,
        *,
        bell: waking.Bell,
        limits: records.Limits,
        lock: int,
    ) -> None:
        self._writer = lines
        self._readers = readers
        self._bell = bell
        self._limits = limits
        self._lock: int | None = lock
        self._turns = turns.Turns()

    @classmethod
    async def open(
        cls,
        *,
        path: Path,
        limits: records.Limits = records.DEFAULT_LIMITS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Self:
        """Open the file, or make it, and bring its schema up to date.

        Raises: errors.StoreUnavailable (held by another process, not writable), errors.SchemaTooNew,
            errors.StoreCorrupt
        """
        bell = waking.Bell()
        lines = writer.Writer(path, limits=limits, wake=bell.ring)
        lock = await asyncio.to_thread(connection.take_lock, path, patience_seconds=patience_seconds)
        try:
            if await asyncio.to_thread(backup.take_restore, path):
                log.warning("the store begins with the backup that was brought back", extra={"path": str(path)})
            await asyncio.to_thread(lines.open)
        except BaseException:
            os.close(lock)
            raise
        return cls(lines, reader_threads.Readers(path), bell=bell, limits=limits, lock=lock)

    async def close(self) -> None:
        """Finish what was begun, close the file, let another process have it."""
        await self._writer.close()
        await asyncio.to_thread(self._readers.close)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def accept(self, batch: Sequence[records.NewInvocation], *, now: float) -> tuple[records.Receipt, ...]:
        """Store a batch, all of it or nothing, and return after it is durable."""
        form.check(batch, self._limits)
        return await self._writer.run(lambda work: accepting.accept(work, batch, now=now))

    async def claim(
        self,
        *,
        worker: str,
        now: float,
        limit: int,
        default: records.Terms,
        terms: Mapping[records.Queue, records.Terms] | None = None,
    ) -> tuple[records.Lease, ...]:
        """Lease up to ``limit`` due invocations, in turn."""
        return await self._writer.run(
            lambda work: delivering.claim(
                work, self._turns, worker=worker, now=now, limit=limit, default=default, terms=terms or {}
            )
        )

    async def extend(self, *, invocation_id: str, epoch: int, until: float) -> bool:
        """Move the end of a lease; ``False``: it is not the current one any more."""
        return await self._writer.run(
            lambda work: delivering.extend(work, invocation_id=invocation_id, epoch=epoch, until=until)
        )

    async def settle(
        self,
        *,
        invocation_id: str,
        epoch: int,
        outcome: records.Outcome,
        attempt: records.Try | None,
        now: float,
        follow_ups: Sequence[records.NewInvocation] = (),
    ) -> records.Settled:
        """Write down an attempt and what follows from it, all of it or nothing."""
        form.check(follow_ups, self._limits)
        return await self._writer.run(
            lambda work: delivering.settle(
                work,
                invocation_id=invocation_id,
                epoch=epoch,
                outcome=outcome,
                attempt=attempt,
                now=now,
                follow_ups=follow_ups,
            )
        )

    async def lapse(self, *, worker: str, now: float) -> int:  # noqa: ARG002  (the lapse is not dated)
        """Let every lease of ``worker`` lapse now and return how many."""
        return await self._writer.run(lambda work: delivering.lapse(work, worker=worker))

    async def next_due(self) -> float | None:
        """Return the earliest instant at which ``claim`` can find something."""
        return await self._writer.run(delivering.next_due)

    async def wait(self, *, seconds: float) -> bool:
        """Wait until something came that may be due, at most ``seconds``."""
        return await self._bell.wait(seconds)

    async def cancel(self, *, namespace: str, invocation_id: str, now: float) -> records.Invocation | None:
        """Cancel what is not settled and return how it stands."""
        return await self._writer.run(
            lambda work: controlling.cancel(work, namespace=namespace, invocation_id=invocation_id, now=now)
        )

    async def redrive(
        self,
        *,
        namespace: str,
        invocation_id: str,
        now: float,
        due: float | None = None,
        expires: float | None = None,
    ) -> records.Invocation | None:
        """Have a dead invocation wait again and return how it stands."""
        when = now if due is None else due
        return await self._writer.run(
            lambda work: controlling.redrive(
                work, namespace=namespace, invocation_id=invocation_id, due=when, expires=expires
            )
        )

    async def replay(
        self,
        *,
        namespace: str,
        invocation_id: str,
        new_id: str,
        now: float,
        revision: str | None = None,
        expires: float | None = None,
    ) -> records.Invocation | None:
        """Send the message of a settled invocation once more, as a new one."""
        return await self._writer.run(
            lambda work: controlling.replay(
                work,
                namespace=namespace,
                invocation_id=invocation_id,
                new_id=new_id,
                now=now,
                revision=revision,
                expires=expires,
            )
        )

    async def purge(
        self,
        *,
        settled_before: float,
        states: frozenset[records.State] = records.SETTLED,
        namespace: str | None = None,
        function: str | None = None,
        limit: int = 1000,
    ) -> int:
        """Delete up to ``limit`` of the longest settled; return how many."""
        return await self._writer.run(
            lambda work: controlling.purge(
                work,
                settled_before=settled_before,
                states=states,
                namespace=namespace,
                function=function,
                limit=limit,
            )
        )

    async def get(self, *, namespace: str, invocation_id: str) -> records.Invocation | None:
        """Return how one invocation stands."""
        return await self._readers.run(reading.get, namespace=namespace, invocation_id=invocation_id)

    async def list(
        self,
        *,
        namespace: str,
        selection: records.Selection = records.Selection(),  # noqa: B008  (frozen)
        limit: int = 100,
        cursor: str | None = None,
    ) -> records.Page:
        """Return a page of invocations, the newest id first."""
        return await self._readers.run(
            reading.list_page, namespace=namespace, selection=selection, limit=limit, cursor=cursor
        )

    async def message(self, *, namespace: str, invocation_id: str) -> records.Message | None:
        """Return what an invocation sends."""
        return await self._readers.run(reading.message, namespace=namespace, invocation_id=invocation_id)

    async def attempts(self, *, namespace: str, invocation_id: str) -> tuple[records.Attempt, ...]:
        """Return every attempt in order."""
        return await self._readers.run(reading.attempts, namespace=namespace, invocation_id=invocation_id)

    async def result(self, *, namespace: str, invocation_id: str) -> records.Result | None:
        """Return what the function answered."""
        return await self._readers.run(reading.result, namespace=namespace, invocation_id=invocation_id)

    async def counts(self, *, namespace: str | None = None) -> Mapping[records.Queue, records.Count]:
        """Return the books of each function that ever had work."""
        return await self._readers.run(reading.counts, namespace=namespace)

    async def lags(self) -> Mapping[records.Queue, float]:
        """Return the earliest ``due`` of what waits, for each function where something does."""
        return await self._readers.run(reading.lags)

    async def conservation(self, *, namespace: str | None = None) -> records.Conservation:
        """Return the books beside the rows, read at one instant."""
        return await self._readers.run(reading.conservation, namespace=namespace)
