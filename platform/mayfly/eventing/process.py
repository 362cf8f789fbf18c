"""The life of the process: know the Functions, open the store, serve and deliver, then end in the other order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import uvloop

from mayfly import errors, settings
from mayfly.cluster import client, events, gatekeeper, kinds, watch
from mayfly.eventing import alarm, known, metrics, serving, tokenfile
from mayfly.eventing.clock import leading, retention, ticking
from mayfly.eventing.delivery import dispatch, members, post
from mayfly.eventing.management import management, reads
from mayfly.eventing.reception import app, calls, intake, senders
from mayfly.model import names
from mayfly.outside import client as outside
from mayfly.store import interface, postgres, sqlite

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
"""Who holds the leases of the embedded store: it has one process at a time, so what an earlier one held is free."""
OPEN_PAUSE_SECONDS = 1.0
"""Between tries to open a store that is away."""
FAREWELL_SECONDS = 3.0
"""How long calls are still taken after the end was asked for: the gateway has to hear that others take them."""


async def run(config: settings.EventingSettings, *, stopping: asyncio.Event, ready: metrics.Readiness) -> None:
    """Take and deliver until ``stopping`` is set; ``ready`` is told when that begins."""
    figures = metrics.Figures()
    targets = known.Known()
    async with (
        metrics.serve(figures, ready, port=config.metrics_port),
        await client.connect(user_agent=f"{names.EVENTING}/{config.pod_name}") as cluster,
        _follow(cluster, targets),
        _open_store(config) as store,
        outside.Outside(hosts=config.destination_hosts, networks=config.destination_networks) as out,
        post.open_session(connections=config.delivery_connections) as session,
    ):
        figures.read(store=store, known=targets)
        token = tokenfile.TokenFile(config.internal_token_file)
        recorder = events.Recorder(cluster, component=names.EVENTING, instance=config.pod_name)
        warning = alarm.Alarm(recorder=recorder, known=targets)
        peers = members.Members(cluster, namespace=config.namespace, service=names.EVENTING)
        dispatcher = dispatch.Dispatcher(
            store=store,
            known=targets,
            post=post.Post(session=session, gateway_url=config.gateway_url, token=token, outside=out),
            figures=figures,
            on_dead=warning.dead,
            worker=EMBEDDED if config.store == "sqlite" else config.pod_name,
            me=config.pod_name,
            members=peers.names if config.store == "postgres" else lambda: (config.pod_name,),
            connections=config.delivery_connections,
        )
        leader = _make_leader(config, cluster, targets=targets, store=store, figures=figures)
        figures.is_leader = leader.is_leader
        served = app.App(
            token=token,
            events=intake.Intake(
                store=store,
                known=targets,
                figures=figures,
                senders=senders.Senders(cluster=cluster, keeper=gatekeeper.Gatekeeper(cluster), token=token),
                default_namespace=config.default_namespace,
                max_waiting=config.max_waiting,
            ).answer,
            calls=calls.Calls(
                store=store,
                known=targets,
                figures=figures,
                max_waiting=config.max_waiting,
                callbacks=config.callbacks,
                allows_url=out.allows,
            ).answer,
            reads=reads.Reads(store=store).answer,
            management=management.Management(
                store=store, known=targets, abandon=dispatcher.abandon, clock=time.time
            ).answer,
        )
        async with _beside(recorder.run, warning.run, peers.run, leader.run, dispatcher.run):
            async with serving.serve(served, port=config.port):
                ready.serving = True
                log.info("serving", extra={"port": config.port, "store": config.store, "functions": len(targets)})
                await stopping.wait()
                await asyncio.sleep(FAREWELL_SECONDS)
            log.info("no more is taken; what is under way is ended")


def _make_leader(
    config: settings.EventingSettings,
    cluster: client.Cluster,
    *,
    targets: known.Known,
    store: interface.Store,
    figures: metrics.Figures,
) -> leading.Leader:
    schedules = ticking.Ticking(known=targets, store=store, figures=figures)
    schedules.follow()
    clearing = retention.Retention(store=store, known=targets, result_seconds=config.result_retention_seconds)
    return leading.Leader(
        cluster,
        namespace=config.namespace,
        identity=config.pod_name,
        ticking=schedules,
        beside=[clearing.run],
    )


@contextlib.asynccontextmanager
async def _follow(cluster: client.Cluster, targets: known.Known) -> AsyncIterator[None]:
    """Keep ``targets`` as the cluster has them; begins once all were seen: who is not known is taken for gone."""

    def take(key: watch.Key, _old: watch.Object | None, new: watch.Object | None) -> None:
        if new is None:
            targets.drop((key.namespace or "", key.name))
        else:
            targets.put(new)

    cache = watch.Cache(cluster, kinds.FUNCTION, transform=_trim, on_change=take)
    async with _beside(cache.run):
        await cache.synced()
        yield


def _trim(obj: watch.Object) -> watch.Object:
    """Keep of a Function what a target is made of, without its source."""
    metadata = {
        name: obj["metadata"][name]
        for name in ("namespace", "name", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
        if name in obj["metadata"]
    }
    spec = {name: part for name, part in (obj.get("spec") or {}).items() if name not in {"env", "envFrom", "volumes"}}
    if "inline" in (spec.get("source") or {}):
        spec["source"] = {"inline": {"main.py": ""}}
    return {"metadata": metadata, "spec": spec}


@contextlib.asynccontextmanager
async def _open_store(config: settings.EventingSettings) -> AsyncIterator[interface.Store]:
    """Open the store that the settings name, trying until it is there."""
    store = await _open_patiently(config)
    try:
        yield store
    finally:
        await store.close()


async def _open_patiently(config: settings.EventingSettings) -> interface.Store:
    while True:
        try:
            if config.store == "sqlite":
                return await sqlite.SqliteStore.open(path=config.sqlite_path)
            dsn = config.postgres_dsn_file.read_text().strip()
            return await postgres.PostgresStore.open(dsn=dsn, schema_name=config.postgres_schema)
        except (errors.StoreUnavailable, OSError) as error:
            log.warning("the store cannot be opened yet", extra={"store": config.store, "error": str(error)})
            await asyncio.sleep(OPEN_PAUSE_SECONDS)


@contextlib.asynccontextmanager
async def _beside(*works: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run ``works`` beside the body; one that ends by an error ends the body, and all end with it, the last first."""
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(work()) for work in works]
        try:
            yield
        finally:
            for task in reversed(tasks):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def run_until_signalled(config: settings.EventingSettings) -> None:
    """Run in this thread until SIGTERM or SIGINT asks to stop."""

    async def main() -> None:
        stopping = asyncio.Event()
        ready = metrics.Readiness(lambda: not stopping.is_set())
        task = asyncio.create_task(run(config, stopping=stopping, ready=ready))

        def stop() -> None:
            stopping.set()
            if not ready.serving:
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    uvloop.run(main())
