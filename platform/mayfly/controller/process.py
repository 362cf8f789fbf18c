"""The life of the process: prepare, stand for election, lead, give back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from mayfly import errors, settings
from mayfly.cluster import client, lease
from mayfly.controller import building, lead, metrics, secret, webhook
from mayfly.model import names
from mayfly.resources import service

log = logging.getLogger(__name__)

PREPARE_PAUSE_SECONDS = 2.0
BUILDER_CONNECTIONS = 256
"""Long polls that may be open at a time; builds beyond them wait for a connection."""


async def run(config: settings.ControllerSettings) -> None:
    """Run until cancelled; the Lease is given back on the way out."""
    state = metrics.State()
    async with (
        serve(state, port=config.metrics_port),
        webhook.serve(config, state),
        await client.connect(user_agent=f"mayfly-controller/{config.pod_name}") as cluster,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=BUILDER_CONNECTIONS)) as session,
    ):
        await _prepare(cluster, config)
        election = lease.LeaderElection(
            cluster, namespace=config.namespace, name=names.CONTROLLER, identity=config.pod_name
        )
        state.is_leader, state.prepared = election.is_leader, True
        plan = lead.Plan(
            cluster=cluster.fenced(election.is_leader),
            builder=building.BuilderClient(
                session,
                config.builder_url,
                secret.Token(cluster, config.namespace, config.internal_token_file),
            ),
            options=service.Options(config.ingress_class, config.image_pull_secret),
            state=state,
            identity=config.pod_name,
            name=config.controller_name,
            takes_events=config.events_enabled,
            workers=config.workers,
            resync_seconds=config.resync_seconds,
        )
        await election.run(lambda: lead.lead(plan))


@contextlib.asynccontextmanager
async def serve(state: metrics.State, *, port: int, host: str | None = None) -> AsyncIterator[int]:
    """Answer probes and scrapes on ``port`` (0 takes a free one) and give the port; ``None`` is every address."""
    runner = web.AppRunner(metrics.make_app(state), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host=host, port=port)
        await site.start()
        address: tuple[str, int] = runner.addresses[0]
        yield address[1]
    finally:
        await runner.cleanup()


async def _prepare(cluster: client.Cluster, config: settings.ControllerSettings) -> None:
    """Make sure that the internal token exists, trying until the API server lets us."""
    while True:
        try:
            return await secret.ensure_secret(cluster, namespace=config.namespace)
        except errors.ClusterError as error:
            log.warning("cannot prepare yet", extra={"error": str(error)})
            await asyncio.sleep(PREPARE_PAUSE_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311


def run_until_signalled(config: settings.ControllerSettings) -> None:
    """Run in this thread until SIGTERM or SIGINT asks to stop."""

    async def main() -> None:
        task = asyncio.create_task(run(config))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
