"""What a store promises, whichever database it writes to.

Reliability (the invariants are named in ``docs``):
    I1  ``accept`` returns after the commit is synced; otherwise it raises.
    I2  an invocation ends delivered, dead or cancelled, once; its follow-ups are stored in the same transaction.
    I3  ``settle`` and ``extend`` change nothing unless the lease is the current one.
    I4  a dead invocation keeps its reason, last status and every attempt.
    I5  ``conservation().drift`` is 0 after every call.

Delivery is at least once: a worker that dies after the function answered leaves a lease that lapses.

Every method raises ``errors.StoreUnavailable`` (temporary) when the database cannot be reached, is full or refuses to
sync. The call may be repeated: what was accepted under a dedup key is then returned as a duplicate. ``now`` is the
caller's clock; no method reads one. Methods may be called from one event loop, any number at a time; concurrent writes
share commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mayfly.store import records


class Store(Protocol):
    """Durable invocations. Reads of content take a namespace and never show another's."""

    async def close(self) -> None:
        """Finish what was begun, then let go of the database; a call afterwards raises ``StoreUnavailable``."""

    # -- in --

    async def accept(self, batch: Sequence[records.NewInvocation], *, now: float) -> tuple[records.Receipt, ...]:
        """Store a batch, all of it or nothing, and return after it is durable: one receipt for each, in order.

        A dedup key stands for its invocation from accept to purge, whatever became of it. The same key with the same
        fingerprint is a duplicate (its receipt names the first); with another fingerprint it is a conflict, and then
        nothing of the batch is stored. Of concurrent batches with one key exactly one is new.

        Raises:
            errors.EventTooLarge: a message is over ``Limits.message_bytes``; nothing was stored.
        """

    # -- delivery --

    async def claim(
        self,
        *,
        worker: str,
        now: float,
        limit: int,
        default: records.Terms,
        terms: Mapping[records.Queue, records.Terms] | None = None,
    ) -> tuple[records.Lease, ...]:
        """Lease up to ``limit`` due invocations, in turn: namespaces first, the functions of each namespace next.

        Of one function the earliest due come first, and never more than its capacity; ``default`` holds for functions
        without ``terms`` of their own. Every lease has a higher epoch than the last of its invocation. Lapsed leases
        are collected first: each is written down as an attempt of unknown outcome and waits again, due at once.
        The cost grows with what is claimed and with the number of functions that wait, not with how much waits.
        """

    async def extend(self, *, invocation_id: str, epoch: int, until: float) -> bool:
        """Move the end of a lease; ``False``: it is not the current one any more, so the attempt is to be given up."""

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
        """Write down an attempt and what follows from it, with its follow-ups, all of it or nothing.

        A lease is current until it is collected after it lapsed, or its invocation is cancelled. ``attempt`` is
        ``None`` when nothing was sent after all (no attempt is counted, as when a dispatcher shuts down).

        Raises:
            errors.EventTooLarge: a follow-up's message is over the limit; nothing was changed.
        """

    async def lapse(self, *, worker: str, now: float) -> int:
        """Let every lease of ``worker`` lapse now and return how many: for a dispatcher that finds its own old ones.

        Each becomes an attempt of unknown outcome, as when it had run out.
        """

    async def next_due(self) -> float | None:
        """Return the earliest instant at which ``claim`` can find something, a lapsing lease included.

        It may lie in the past. ``None``: nothing waits and nothing is leased.
        """

    async def wait(self, *, seconds: float) -> bool:
        """Wait until something came that may be due earlier than known, at most ``seconds``; ``False``: time is up.

        A hint: it may wake for nothing, and with PostgreSQL it can be missed when the connection is, so ``seconds``
        is also how long a dispatcher is willing to be late then. What came between two waits wakes the second.
        """

    # -- control --

    async def cancel(self, *, namespace: str, invocation_id: str, now: float) -> records.Invocation | None:
        """Cancel what is not settled and return how it stands; ``None``: there is no such invocation.

        One that was settled before is returned as it is. A lease loses its force: ``extend`` tells its holder.
        """

    async def redrive(
        self,
        *,
        namespace: str,
        invocation_id: str,
        now: float,
        due: float | None = None,
        expires: float | None = None,
    ) -> records.Invocation | None:
        """Have a dead invocation wait again, due ``now`` unless told otherwise, and return how it stands.

        Its attempts stay on record, ``tries`` begins at 0, ``expires`` replaces the old end. One that is not dead is
        returned as it is; ``None``: there is no such invocation.
        """

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
        """Send the message of a settled invocation once more, as a new one, and return the new one.

        It goes to ``revision`` (``None``: the function's traffic), has the old one as parent and no dedup key. One
        that is not settled is returned as it is (its id differs from ``new_id``); ``None``: there is none.
        """

    async def purge(
        self,
        *,
        settled_before: float,
        states: frozenset[records.State] = records.SETTLED,
        namespace: str | None = None,
        function: str | None = None,
        limit: int = 1000,
    ) -> int:
        """Delete up to ``limit`` of the longest settled, with attempts, results and unshared messages; return how many.

        ``None`` means every namespace, every function. Call again while it returns ``limit``: short steps let others
        write in between. A purged dedup key is free again.
        """

    # -- reading --

    async def get(self, *, namespace: str, invocation_id: str) -> records.Invocation | None:
        """Return how one invocation stands; ``None``: not in this namespace, or purged."""

    async def list(
        self,
        *,
        namespace: str,
        selection: records.Selection = records.Selection(),  # noqa: B008  (frozen)
        limit: int = 100,
        cursor: str | None = None,
    ) -> records.Page:
        """Return a page of invocations, the newest id first. No id is listed twice or left out while pages are read."""

    async def message(self, *, namespace: str, invocation_id: str) -> records.Message | None:
        """Return what an invocation sends; ``None``: no such invocation."""

    async def attempts(self, *, namespace: str, invocation_id: str) -> tuple[records.Attempt, ...]:
        """Return every attempt in order; empty: none yet, or no such invocation."""

    async def result(self, *, namespace: str, invocation_id: str) -> records.Result | None:
        """Return what the function answered; ``None``: nothing was kept, or no such invocation."""

    # -- the platform's own figures: numbers alone, of every namespace unless one is named --

    async def counts(self, *, namespace: str | None = None) -> Mapping[records.Queue, records.Count]:
        """Return the books of each function that ever had work. Cheap: the rows are not looked at."""

    async def lags(self) -> Mapping[records.Queue, float]:
        """Return the earliest ``due`` of what waits, for each function where something does."""

    async def conservation(self, *, namespace: str | None = None) -> records.Conservation:
        """Return the books beside the rows, read at one instant (invariant I5). Counts every row."""
