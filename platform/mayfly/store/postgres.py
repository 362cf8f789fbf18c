"""The store for scale and high availability: PostgreSQL 15 or later, any number of processes.

Each process writes through a few connections of its own, and each of them commits what has gathered at once. Not to
be reached through a pooler that shares connections between clients: listening and settings belong to a connection.
When the connection breaks during a commit nobody can know whether it came about: the caller is told
``StoreUnavailable``, and repeating the call under the same dedup key makes one of both.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from mayfly.store import form, interface, records, turns, waking
from mayfly.store.pg import accepting, connection, controlling, faults, leasing, line, reading, schema, settling, unit
from mayfly.store.pg import bell as bells
from mayfly.store.pg import readers as reader_connections

TIMEOUT_SECONDS = 10.0
"""A server that has not answered by then counts as unreachable."""
SHARDS = 32
"""Rows of the books for each function; processes take one each by chance."""

Job = Callable[[unit.Unit], Awaitable[Any]]


async def _do(work: unit.Unit, jobs: Sequence[Job]) -> list[Any]:
    return [await job(work) for job in jobs]


class PostgresStore(interface.Store):
    """Durable invocations in PostgreSQL; ``interface.Store`` says what each method promises."""

    def __init__(self, server: connection.Server, *, limits: records.Limits) -> None:
        """Use ``open``: it brings the schema up to date."""
        self._limits = limits
        self._bell = waking.Bell()
        self._town = bells.Town(server, self._bell)
        self._turns = turns.Turns()
        shards = random.sample(range(SHARDS), 4)
        common: dict[str, Any] = {"server": server, "limits": limits, "wake": self._town.ring}
        self._accepts = line.Line(accepting.accept, shard=shards[0], **common)
        self._settles = line.Line(settling.settle, shard=shards[1], **common)
        self._claims: line.Line[Job, Any] = line.Line(_do, shard=shards[2], **common)
        self._controls: line.Line[Job, Any] = line.Line(_do, shard=shards[3], **common)
        self._readers = reader_connections.Readers(server)

    @classmethod
    async def open(
        cls,
        *,
        dsn: str,
        schema_name: str = "mayfly",
        limits: records.Limits = records.DEFAULT_LIMITS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Self:
        """Connect to ``dsn`` (``postgresql://user:password@host/database``) and bring the schema up to date.

        Raises: errors.StoreUnavailable, errors.SchemaTooNew
        """
        server = connection.Server(dsn, schema_name, timeout_seconds)
        first = await server.connect(by_index=False)
        try:
            async with asyncio.timeout(timeout_seconds):
                await schema.migrate(first, schema=schema_name)
        except faults.FOREIGN as error:
            raise faults.translate(error) from error
        finally:
            first.terminate()
        return cls(server, limits=limits)

    async def close(self) -> None:
        """Finish what was begun, then disconnect."""
        for one in (self._accepts, self._settles, self._claims, self._controls):
            await one.close()
        await self._town.close()
        self._readers.close()

    async def accept(self, batch: Sequence[records.NewInvocation], *, now: float) -> tuple[records.Receipt, ...]:
        """Store a batch, all of it or nothing, and return after it is durable."""
        form.check(batch, self._limits)
        return await self._accepts.run(accepting.Request(batch, now))

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
        request = leasing.Request(worker, now, limit, default, terms or {})
        leases: tuple[records.Lease, ...] = await self._claims.run(
            lambda work: leasing.claim(work, self._turns, request)
        )
        return leases

    async def extend(self, *, invocation_id: str, epoch: int, until: float) -> bool:
        """Move the end of a lease; ``False``: it is not the current one any more."""
        current: bool = await self._controls.run(
            lambda work: leasing.extend(work, invocation_id=invocation_id, epoch=epoch, until=until)
        )
        return current

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
        request = settling.Request(invocation_id, epoch, outcome, attempt, now, follow_ups)
        return await self._settles.run(request)

    async def lapse(self, *, worker: str, now: float) -> int:  # noqa: ARG002  (the lapse is not dated)
        """Let every lease of ``worker`` lapse now and return how many."""
        number: int = await self._claims.run(lambda work: leasing.lapse(work, worker=worker))
        return number

    async def next_due(self) -> float | None:
        """Return the earliest instant at which ``claim`` can find something."""
        instant: float | None = await self._claims.run(leasing.next_due)
        return instant

    async def wait(self, *, seconds: float) -> bool:
        """Wait until something came that may be due, at most ``seconds``."""
        return await self._bell.wait(seconds)

    async def cancel(self, *, namespace: str, invocation_id: str, now: float) -> records.Invocation | None:
        """Cancel what is not settled and return how it stands."""
        return await self._control(
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
        return await self._control(
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
        return await self._control(
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

    async def _control(
        self, job: Callable[[unit.Unit], Awaitable[records.Invocation | None]]
    ) -> records.Invocation | None:
        found: records.Invocation | None = await self._controls.run(job)
        return found

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
        number: int = await self._controls.run(
            lambda work: controlling.purge(
                work,
                settled_before=settled_before,
                states=states,
                namespace=namespace,
                function=function,
                limit=limit,
            )
        )
        return number

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
