"""What the leader does: keep copies, queue what changed, reconcile it."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass

from mayfly import errors
from mayfly.cluster import client, events, kinds, queue, watch
from mayfly.controller import metrics, policy, sources, trim
from mayfly.model import labels
from mayfly.reconcile import building, reconciler
from mayfly.resources import service

log = logging.getLogger(__name__)

SPREAD = 0.2
"""The resync spreads the Functions over this part of its interval."""


@dataclass(frozen=True)
class Plan:
    """What leading needs; ``cluster`` writes only while the lease is held."""

    cluster: client.Cluster
    builder: building.Builder
    options: service.Options
    state: metrics.State
    identity: str
    name: str
    takes_events: bool
    workers: int
    resync_seconds: float


async def lead(plan: Plan) -> None:
    """Reconcile every Function until cancelled."""
    work: queue.WorkQueue[watch.Key] = queue.WorkQueue(name="functions")
    copies = make_copies(plan.cluster, work)
    recorder = events.Recorder(plan.cluster, component="mayfly-controller", instance=plan.identity)
    turn = reconciler.Reconciler(
        cluster=plan.cluster,
        copies=copies,
        builder=plan.builder,
        recorder=recorder,
        options=plan.options,
        name=plan.name,
        takes_events=plan.takes_events,
        wake=work.add,
    )
    follower = sources.Sources(plan.cluster, copies.functions, wake=work.add)
    plan.state.functions, plan.state.queue = copies.functions, work
    try:
        async with asyncio.TaskGroup() as group:
            for copy in copies:
                group.create_task(copy.run())
            group.create_task(recorder.run())
            for copy in copies:
                await copy.synced()
            log.info("copies are complete", extra={"functions": len(copies.functions)})
            group.create_task(follower.run())
            group.create_task(_resync(copies.functions, work, plan.resync_seconds))
            group.create_task(work.run(make_handler(turn, plan.state), workers=plan.workers))
    finally:
        await turn.close()


def make_copies(cluster: client.Cluster, work: queue.WorkQueue[watch.Key]) -> reconciler.Copies:
    """Return the copies that the reconciler reads; a change of any queues its Function."""

    def wake(key: watch.Key, _old: object, _new: object) -> None:
        work.add(key)

    def wake_owner(_key: watch.Key, old: watch.Object | None, new: watch.Object | None) -> None:
        for value in index_function(new or old or {}):
            namespace, name = value.split("/")
            work.add(watch.Key(namespace, name))

    functions = watch.Cache(cluster, kinds.FUNCTION, transform=trim.trim_function, on_change=wake)
    services = watch.Cache(cluster, kinds.KSERVICE, labels=labels.FUNCTION, transform=trim.trim_service, on_change=wake)
    ingresses = watch.Cache(
        cluster, kinds.KINGRESS, labels=labels.FUNCTION, transform=trim.trim_ingress, on_change=wake
    )
    pods = watch.Cache(cluster, kinds.POD, labels=labels.FUNCTION, transform=trim.trim_pod, on_change=wake_owner)
    index_function = watch.by_label(labels.FUNCTION)
    pods.add_index(reconciler.BY_FUNCTION, index_function)
    return reconciler.Copies(functions, services, ingresses, pods)


def make_handler(turn: reconciler.Reconciler, state: metrics.State) -> queue.Handler[watch.Key]:
    """Return the queue's handler: one turn, measured, with ``policy`` deciding what an error means."""

    async def handle(key: watch.Key) -> float | None:
        with state.seconds.time():
            try:
                return await turn.reconcile(key)
            except errors.MayflyError as error:
                state.failures.labels(reason=error.reason).inc()
                action = policy.decide(error)
                if action is policy.Action.RETRY:
                    raise
                if action is policy.Action.SOON:
                    log.debug("what was seen is old", extra={"function": str(key), "error": str(error)})
                    return policy.SOON_SECONDS
                log.warning("left until it changes", extra={"function": str(key), "error": str(error)})
                return None
            except Exception:
                state.failures.labels(reason="InternalError").inc()
                raise

    return handle


async def _resync(functions: watch.Cache, work: queue.WorkQueue[watch.Key], interval: float) -> None:
    """Queue every Function once per ``interval``, spread out: what no watch tells is found then."""
    while True:
        await asyncio.sleep(interval)
        for function in functions.list():
            work.add_after(watch.key_of(function), random.uniform(0, interval * SPREAD))  # noqa: S311
