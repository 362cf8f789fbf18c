"""Run the control process: watch, keep the table, serve Envoy, and as leader publish what serves."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
from typing import Any

import aiohttp

from mayfly import errors, settings
from mayfly.cluster import client, kinds, lease, queue, watch
from mayfly.gateway import health, jwks, probe, publish, snapshot, table, tokenfile, upstreams, vault, xds
from mayfly.model import names
from mayfly.routing import backends, edge, ingress, observation, trust

log = logging.getLogger(__name__)

WORKERS = 8


def make_edge(config: settings.GatewaySettings) -> edge.Edge:
    """Return where the gateway stands by its settings."""
    return edge.Edge(
        address=config.listen_address,
        public_port=config.public_port,
        internal_port=config.internal_port,
        public_host=config.public_service,
        internal_host=config.internal_service,
        secure_port=config.secure_port if config.tls_enabled else None,
        trusted_proxies=tuple(str(network) for network in config.trusted_proxies),
        external_names=tuple(name.lower() for name in config.external_names),
        relays=config.mode == "edge",
        alias_hosts=config.alias_hosts,
        alias_namespace=config.alias_namespace,
        eventing=make_eventing(config),
        observation=observation.Observation(
            log=config.access_log,
            log_minimum_status=config.access_log_minimum_status,
            otlp_endpoint=config.otlp_endpoint,
            sampling_percent=config.sampling_percent,
        ),
    )


def make_eventing(config: settings.GatewaySettings) -> edge.Eventing | None:
    """Return who takes asynchronous calls and events by the settings, ``None`` when nobody does."""
    if not config.eventing_service:
        return None
    name, _, port = config.eventing_service.rpartition(":")
    namespace, _, service = name.partition("/")
    secret_namespace, _, secret = config.event_tls_secret.partition("/")
    return edge.Eventing(
        namespace=namespace,
        service=service,
        port=int(port),
        hosts=config.event_hosts,
        secret=(secret_namespace, secret) if secret else None,
        alias=config.alias_async,
    )


async def run(config: settings.GatewaySettings) -> None:
    """Run until cancelled. Envoy is served once everything has been seen: never a part of the routes."""
    place = make_edge(config)
    attention: queue.WorkQueue[ingress.Key] = queue.WorkQueue(name="ingresses")
    resources = snapshot.Snapshot()
    known = table.Table(resources, place=place, on_finding=attention.add)
    state = health.State(known, queued=lambda: attention.depth, envoy_port=config.envoy_metrics_port)
    async with (
        health.serve(state, port=config.metrics_port),
        await client.connect(user_agent=f"{names.GATEWAY}/{config.pod_name}") as cluster,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        asyncio.TaskGroup() as group,
    ):
        caches = make_caches(cluster, known, attention, ingress_class=config.ingress_class)
        secrets = vault.Vault(cluster, known.keys, known.trust) if config.tls_enabled else None
        if secrets is not None:
            group.create_task(secrets.run())
        else:
            known.trust.on_want.append(functools.partial(_say_unreadable, known))
        if place.eventing is not None:
            shared = tokenfile.TokenFile(config.internal_token_file, on_change=functools.partial(hand_over, known))
            await shared.read()
            group.create_task(shared.run())
        issuers = jwks.Reader(known.trust, networks=config.jwks_networks, directory=config.jwks_directory)
        group.create_task(issuers.run())
        for cache in caches:
            group.create_task(cache.run())
        for cache in caches:
            await cache.synced()
        if secrets is not None:
            await secrets.settled()
        await issuers.settled()
        server = state.server = xds.Server(resources, socket=config.xds_socket, on_verdict=known.conclude)
        await server.start()
        state.serving = True
        log.info("serving %d ingresses", known.size)
        election = lease.LeaderElection(
            cluster, namespace=config.namespace, name=names.GATEWAY, identity=config.pod_name
        )
        state.is_leader = election.is_leader
        publisher = publish.Publisher(
            cluster.fenced(election.is_leader),
            known=known,
            prober=probe.Prober(session, place=place),
            place=place,
            lookup=lambda key: caches[-1].get(key.namespace, key.name),
        )
        try:
            await election.run(lambda: attention.run(publisher.publish, workers=WORKERS))
        finally:
            await server.stop()


async def hand_over(known: table.Table, shared: str) -> None:
    """Make all routes know the token, a few at a time: there may be thousands, and others wait for their turn."""
    for key in known.hand_over(shared):
        known.renew(key)
        await asyncio.sleep(0)


def _say_unreadable(known: table.Table, source: trust.Source, wanted: bool) -> None:
    if wanted and isinstance(source, ingress.SecretName):
        text = f"this gateway may not read Secret {source}; have the operator set the chart's value gateway.tls.enabled"
        known.trust.put(source, errors.InvalidRoute(text))


def make_caches(
    cluster: client.Cluster,
    known: table.Table,
    attention: queue.WorkQueue[ingress.Key],
    *,
    ingress_class: str,
) -> list[watch.Cache]:
    """Return the caches that feed the table; the last one holds the ingresses of our class whole."""

    def on_service(key: watch.Key, _before: watch.Object | None, after: watch.Object | None) -> None:
        known.upstreams.put_service((key.namespace, key.name), None if after is None else after["parsed"])

    def on_slice(_key: watch.Key, before: watch.Object | None, after: watch.Object | None) -> None:
        for obj in (before, after):
            if obj is not None:
                piece = obj["parsed"] if obj is after else None
                known.upstreams.put_slice(_service_of(obj), obj["metadata"]["name"], piece)

    def on_ingress(key: watch.Key, _before: watch.Object | None, after: watch.Object | None) -> None:
        name = ingress.Key(*key)
        if after is None or not _is_ours(after, ingress_class):
            known.drop_ingress(name)
        else:
            known.put_ingress(after)
        attention.add(name)

    return [
        watch.Cache(cluster, kinds.SERVICE, transform=_trim_service, on_change=on_service),
        watch.Cache(
            cluster,
            kinds.ENDPOINTSLICE,
            labels=backends.SERVICE_LABEL,
            transform=_trim_slice,
            on_change=on_slice,
        ),
        watch.Cache(
            cluster,
            kinds.KINGRESS,
            transform=lambda obj: _trim_ingress(obj, ingress_class),
            on_change=on_ingress,
        ),
    ]


def _is_ours(obj: watch.Object, ingress_class: str) -> bool:
    return ingress.ingress_class(obj) == ingress_class and not obj["metadata"].get("deletionTimestamp")


def _service_of(obj: watch.Object) -> upstreams.ServiceKey:
    return obj["metadata"]["namespace"], obj["metadata"]["labels"][backends.SERVICE_LABEL]


def _trim(obj: watch.Object, *fields: str) -> dict[str, Any]:
    return {name: obj["metadata"][name] for name in fields if name in obj["metadata"]}


def _trim_service(obj: watch.Object) -> watch.Object:
    metadata = _trim(obj, "namespace", "name", "uid", "resourceVersion")
    return {"metadata": metadata, "parsed": backends.parse_service(obj)}


def _trim_slice(obj: watch.Object) -> watch.Object:
    metadata = _trim(obj, "namespace", "name", "uid", "resourceVersion", "labels")
    return {"metadata": metadata, "parsed": backends.parse_slice(obj)}


def _trim_ingress(obj: watch.Object, ingress_class: str) -> watch.Object:
    """Keep of an ingress of another class only that it is one."""
    if not _is_ours(obj, ingress_class):
        return {"metadata": _trim(obj, "namespace", "name", "uid", "resourceVersion")}
    return watch.drop_managed_fields(obj)


def run_until_signalled(config: settings.GatewaySettings) -> None:
    """Run in this thread until SIGTERM or SIGINT asks to stop."""

    async def main() -> None:
        task = asyncio.create_task(run(config))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
