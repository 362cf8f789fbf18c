"""Do on one replica what is to be done once for all: tick, and clear away.

Ticks need to know up to when all was done before, or a restart would repeat or lose some. That is kept nowhere but in
the Lease of the election, and suffices:

* Who leads renews the Lease every two seconds with the instant, and has by then made the ticks up to it, or is about
  to. So its successor begins ``OVERLAP_SECONDS`` before the last renewal, and lets the store find out which of these
  ticks it has. The store has them still: only the leader clears away, not before it has caught up, and nothing that
  is younger than ``retention.SHORTEST_SECONDS``.
* A leader that cannot store ticks (the store is away, the disk is full) goes on renewing. Then it writes beside it, as
  the Lease's annotation ``UNDONE``, from when on ticks are not done. When even that cannot be written, the renewals
  cannot either.
* Without a Lease nobody has led yet, and there is nothing to make up for.

Whose clock is ahead has made ticks ahead; the store knows those as well.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from mayfly import errors
from mayfly.cluster import client, election, kinds, lease
from mayfly.eventing.clock import ticking
from mayfly.events import schedule
from mayfly.model import names

log = logging.getLogger(__name__)

UNDONE = f"{names.GROUP}/undone-since"
"""Annotation of the Lease: RFC 3339 instant of the earliest tick that should be done and is not."""
OVERLAP_SECONDS = schedule.GRACE.total_seconds()
TELL_SECONDS = OVERLAP_SECONDS / 2
"""A tick that is undone for so long is told of; less is covered by the overlap."""

Work = Callable[[], Coroutine[Any, Any, None]]


class Leader:
    """One replica in the election; ``beside`` is what the leader does once every tick that was due is made."""

    def __init__(
        self,
        cluster: client.Cluster,
        *,
        namespace: str,
        identity: str,
        ticking: ticking.Ticking,
        beside: Sequence[Work] = (),
        terms: election.Terms | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._election = lease.LeaderElection(
            cluster, namespace=namespace, name=names.EVENTING, identity=identity, terms=terms
        )
        self._cluster = cluster.fenced(self._election.is_leader)
        self._namespace = namespace
        self._ticking = ticking
        self._beside = tuple(beside)
        self._clock = clock
        self._told: float | None = None
        self._caught_up = asyncio.Event()

    def is_leader(self) -> bool:
        """Say whether this replica leads right now."""
        return self._election.is_leader()

    async def run(self) -> None:
        """Stand for election and do the work whenever elected, until cancelled."""
        await self._election.run(self._lead)

    async def _lead(self) -> None:
        found = self._election.found
        self._told = read_undone(found)
        self._caught_up.clear()
        async with asyncio.TaskGroup() as group:
            since = find_start(found, now=self._clock())
            group.create_task(self._ticking.lead(since=since, told=self._hear))
            await self._caught_up.wait()
            for work in self._beside:
                group.create_task(work())

    async def _hear(self, undone: float | None) -> None:
        """Take note of what is undone, and keep it in the Lease when it may be for long."""
        if undone is None:
            self._caught_up.set()
        elif self._clock() - undone < TELL_SECONDS:
            return
        if undone != self._told:
            await self._tell(undone)

    async def _tell(self, undone: float | None) -> None:
        text = None if undone is None else dt.datetime.fromtimestamp(undone, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        change = {"metadata": {"annotations": {UNDONE: text}}}
        try:
            await self._cluster.patch(kinds.LEASE, self._namespace, names.EVENTING, change)
        except errors.ClusterError as error:
            log.info("the Lease does not say what is undone, again soon: %s", error)
        else:
            self._told = undone


def find_start(found: Mapping[str, Any], *, now: float) -> float:
    """Return the instant up to which all ticks are done, by the Lease as the last leader left it. Pure.

    A time in the future, by a clock that was wrong, is taken for ``now``.
    """
    renewed = _read_instant((found.get("spec") or {}).get("renewTime"))
    if renewed is None:
        return now
    undone = read_undone(found)
    candidates = [now, renewed - OVERLAP_SECONDS]
    if undone is not None:
        candidates.append(undone - 1.0)
    return min(candidates)


def read_undone(found: Mapping[str, Any]) -> float | None:
    """Return since when ticks are undone by a Lease, ``None`` when all are done. Pure."""
    return _read_instant(((found.get("metadata") or {}).get("annotations") or {}).get(UNDONE))


def _read_instant(text: str | None) -> float | None:
    try:
        return dt.datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
