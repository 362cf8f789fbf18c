"""Leader election on a real Lease."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mayfly.cluster import election, kinds, lease

DEADLINE = 45.0
TERMS = election.Terms(lease=4, deadline=2, retry=0.2)


class Candidate:
    """One process: it counts how often it led and says when it starts and stops."""

    def __init__(self, cluster, namespace, name, **options):
        self.election = lease.LeaderElection(
            cluster, namespace=namespace, name="test", identity=name, terms=TERMS, **options
        )
        self.leading, self.stopped = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self.election.run(self._lead))

    async def _lead(self):
        self.stopped.clear()
        self.leading.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leading.clear()
            self.stopped.set()

    async def leave(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def sees(one, other):
    """Return once ``one`` has seen that ``other`` leads."""
    while one.election.leader != other.election.identity:  # noqa: ASYNC110  (there is no event to wait for)
        await asyncio.sleep(0.05)


@pytest.fixture
async def candidates():
    """Make candidates that leave at the end."""
    made = []

    def make(*args, **options):
        made.append(Candidate(*args, **options))
        return made[-1]

    yield make
    for candidate in made:
        await candidate.leave()


async def test_one_leads_and_hands_over_on_exit(cluster, namespace, candidates):
    """The lease is given back on exit, so the next leads without waiting for it to run out."""
    first = candidates(cluster, namespace, "first")
    async with asyncio.timeout(DEADLINE):
        await first.leading.wait()
        second = candidates(cluster, namespace, "second")
        await sees(second, first)
        assert (first.election.is_leader(), second.election.is_leader()) == (True, False)
        await first.leave()
        assert not first.election.is_leader()
        spec = (await cluster.get(kinds.LEASE, namespace, "test"))["spec"]
        assert spec["holderIdentity"] in ("", second.election.identity)
        await second.leading.wait()
    spec = (await cluster.get(kinds.LEASE, namespace, "test"))["spec"]
    assert spec["holderIdentity"] == second.election.identity
    assert spec["leaseTransitions"] == 1
    assert first.election.found == {}
    left = second.election.found["spec"]
    assert left["holderIdentity"] == ""
    assert left["renewTime"] <= spec["acquireTime"] <= spec["renewTime"]


async def test_a_leader_cut_off_stops_and_another_takes_over(cluster, shaky, proxy, namespace, candidates):
    """A leader that cannot renew stops by itself before anyone else may lead."""
    cut_off = candidates(shaky, namespace, "cut-off")
    async with asyncio.timeout(DEADLINE):
        await cut_off.leading.wait()
        waiting = candidates(cluster, namespace, "waiting")
        await sees(waiting, cut_off)
        proxy.add(path="leases", status=500, times=10**6)
        await cut_off.stopped.wait()
        assert not waiting.election.is_leader()
        await waiting.leading.wait()
        assert not cut_off.election.is_leader()


async def test_a_hung_renewal_does_not_hold_on_to_leadership(shaky, proxy, namespace, candidates):
    """A renewal that gets no answer is given up at the deadline; what it finds when it leads again is its own."""
    hung = candidates(shaky, namespace, "hung")
    async with asyncio.timeout(DEADLINE):
        await hung.leading.wait()
        fault = proxy.add(path="leases", stall=True, times=10**6)
        await hung.stopped.wait()
        assert not hung.election.is_leader()
        assert hung.election.found == {}
        fault.times = 0
        proxy.add(path="leases", method="PUT", status=500)  # it is not given back, so it is still ours
        proxy.released.set()
        await hung.leading.wait()
    assert hung.election.found["spec"]["holderIdentity"] == hung.election.identity


async def test_a_few_failures_do_not_end_leadership(shaky, proxy, namespace, candidates):
    """Errors shorter than the deadline change nothing."""
    steady = candidates(shaky, namespace, "steady")
    async with asyncio.timeout(DEADLINE):
        await steady.leading.wait()
        await proxy.used(proxy.add(path="leases", status=500, times=2))
        await proxy.used(proxy.add(path="leases", method="PUT", status=409, times=1))
        await proxy.used(proxy.add(path="leases", method="PUT", watch=False, times=2))
    assert steady.leading.is_set()
    assert steady.election.is_leader()


async def test_a_thawed_leader_knows_at_once(cluster, namespace, candidates):
    """After a freeze is_leader() is false before anything else of the process ran."""
    frozen_for = 0.0
    thawed = candidates(cluster, namespace, "thawed", clock=lambda: lease.now() + frozen_for)
    async with asyncio.timeout(DEADLINE):
        await thawed.leading.wait()
        assert thawed.election.is_leader()
        frozen_for = 60.0
        assert not thawed.election.is_leader()
        await thawed.stopped.wait()
        await thawed.leading.wait()  # nobody else wanted it: it stands again and wins
    assert thawed.election.found["spec"]["holderIdentity"] == ""


async def test_a_lease_taken_by_a_write_whose_answer_was_lost(cluster, shaky, proxy, namespace, candidates):
    """What was found is the Lease of the leader before, not one's own."""
    before = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": "2026-11-21T10:00:00.000000Z"}
    metadata = {"namespace": namespace, "name": "test"}
    await cluster.create({"apiVersion": kinds.LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": before})
    lost = proxy.add(path="leases", method="PUT", lose=True)
    candidate = candidates(shaky, namespace, "unlucky")
    async with asyncio.timeout(DEADLINE):
        await proxy.used(lost)
        await candidate.leading.wait()
    assert candidate.election.found["spec"] == before


async def test_what_lead_raises_ends_the_run(cluster, namespace):
    """When the work itself fails the lease is given back and the error comes out."""

    async def fail():
        raise ZeroDivisionError

    standing = lease.LeaderElection(cluster, namespace=namespace, name="test", identity="x", terms=TERMS)
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ZeroDivisionError):
            await standing.run(fail)
    assert not (await cluster.get(kinds.LEASE, namespace, "test"))["spec"].get("holderIdentity")
