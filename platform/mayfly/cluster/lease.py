"""Which of several replicas may write: leader election on a ``coordination.k8s.io`` Lease.

The official client's elector measures with the wall clock, does not bound a renewal that hangs, cannot say whether
it leads right now, and does not give the lease back; a process that was frozen and thaws would go on writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import random
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from mayfly import errors
from mayfly.cluster import client, election, kinds

log = logging.getLogger(__name__)

RELEASE_SECONDS = 3.0
"""Longest time that giving the lease back may delay the exit."""


def now() -> float:
    """Return seconds on a clock that nobody sets; where there is one, it runs while the machine is suspended too."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class LeaderElection:
    """Take part in the election for one Lease.

    ``identity`` is made unique per process by a random end, so that a restarted pod is not taken for its predecessor.
    Writes of the leader go through ``cluster.fenced(election.is_leader)``.
    """

    def __init__(
        self,
        cluster: client.Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        terms: election.Terms | None = None,
        clock: Callable[[], float] = now,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self.identity = f"{identity}_{uuid.uuid4().hex[:8]}"
        self._terms = terms or election.Terms()
        self._clock = clock
        self._seen: election.Sighting | None = None
        self._renewed_at: float | None = None
        self.found: client.Object = {}
        """The Lease as it was when this process last began to lead: what the leader before left; empty: nobody led."""
        self._has_led = False
        self._jitter = random.Random()  # noqa: S311  (spreads tries, keeps no secret)

    def is_leader(self) -> bool:
        """Say whether this process may write now: it holds the lease and renewed it within the deadline.

        Asks the clock each time, so it is right even in a process that was frozen.
        """
        return election.is_trusted(renewed_at=self._renewed_at, now=self._clock(), terms=self._terms)

    @property
    def leader(self) -> str | None:
        """Return the identity that held the lease when last seen."""
        return None if self._seen is None else self._seen.holder

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait to be elected, then run ``lead``; cancel it at once when the lease is lost, and stand again.

        Returns or raises when ``lead`` does. The lease is given back then, and also when this is cancelled, but not
        before ``lead`` has ended.
        """
        while True:
            await self._win()
            log.info("%s: elected as %s", self._name, self.identity)
            leading = asyncio.create_task(lead(), name=f"{self._name}-lead")
            renewing = asyncio.create_task(self._keep(), name=f"{self._name}-renew")
            try:
                await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
                finished = leading.done()
            finally:
                self._has_led = True
                await _end(leading)
                await _end(renewing)
                await self._give_back()
            if finished:
                return leading.result()
            log.warning("%s: lease lost by %s", self._name, self.identity)

    async def _win(self) -> None:
        """Return once the lease is ours."""
        while not await self._try():  # noqa: ASYNC110  (there is nothing to wait for but time)
            await asyncio.sleep(self._terms.retry * self._jitter.uniform(1.0, 1.2))

    async def _keep(self) -> None:
        """Renew until the deadline passed without success."""
        while self.is_leader():
            await asyncio.sleep(self._terms.retry)
            if not self.is_leader():
                return  # frozen or starved meanwhile: others may lead by now
            assert self._renewed_at is not None
            left = self._renewed_at + self._terms.deadline - self._clock()
            with contextlib.suppress(TimeoutError):  # half the deadline, so that one hung request leaves a second try
                async with asyncio.timeout(max(0.0, min(left, self._terms.deadline / 2))):
                    await self._try()
            if self.leader != self.identity:
                self._renewed_at = None

    async def _try(self) -> bool:
        """Take or renew the lease if it may be done; say whether it is ours. Trouble with the API is a no."""
        try:
            return await self._take_or_renew()
        except errors.Conflict:
            return False  # someone else was faster
        except errors.ClusterError as error:
            log.warning("%s: cannot reach the lease: %s", self._name, error)
            return False

    async def _take_or_renew(self) -> bool:
        try:
            lease = await self._cluster.get(kinds.LEASE, self._namespace, self._name)
        except errors.NotFound:
            lease = {}
        before = lease.get("spec") or {}
        self._seen = election.see(self._seen, spec=before, now=self._clock())
        decision = election.decide(self._seen, identity=self.identity, now=self._clock())
        if decision == "wait":
            return False
        asked_at = self._clock()
        spec = election.make_spec(decision, before=before, identity=self.identity, terms=self._terms, wall=_wall())
        if decision == "take" or self._has_led:  # else it is ours by a write whose answer was lost
            self.found, self._has_led = lease, False
        stored = await self._write(lease, spec)
        self._seen = election.see(self._seen, spec=stored["spec"], now=self._clock())
        self._renewed_at = asked_at
        return True

    async def _write(self, lease: client.Object, spec: dict[str, Any]) -> client.Object:
        """Store ``spec``, refused as a ``Conflict`` if the Lease changed since it was read."""
        metadata = lease.get("metadata") or {"namespace": self._namespace, "name": self._name}
        wanted = {"apiVersion": kinds.LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}
        return await (self._cluster.replace(wanted) if lease else self._cluster.create(wanted))

    async def _give_back(self) -> None:
        """Empty the lease if it is still ours, so that the next leader need not wait for it to run out."""
        held, self._renewed_at = self._renewed_at is not None, None
        if not held:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                lease = await self._cluster.get(kinds.LEASE, self._namespace, self._name)
                if lease["spec"].get("holderIdentity") == self.identity:
                    await self._write(lease, {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1})
        except (errors.ClusterError, TimeoutError) as error:
            log.info("%s: lease not given back, it will run out: %s", self._name, error)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel ``task`` and wait until it has ended; its result stays in it, an error while ending is logged."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is not None:
        log.info("%s ended with %r", task.get_name(), task.exception())


def _wall() -> str:
    """Return the time as a Lease wants it (``MicroTime``)."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
