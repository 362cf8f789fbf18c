"""A thousand routes: what Mayfly's gateway and Kourier need for them, and how soon each uses what changes.

The ingresses are what Knative's Route makes, made directly; behind them are Services without selector, whose endpoint
is one of two instances of functions. Both gateways are newly started. Kourier's limits are lifted, because its
controller does not live through a thousand new ingresses within the 500 MiB that its manifests give it. A new route
counts as served at its first answer, an endpoint as used at the first answer from it. Gateways are asked all the time,
over a kept connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from mayfly import errors
from mayfly.cluster import client, kinds
from tests import containers
from tests.bench import figures, rivals, stage

ROUTES = 1000
BACKENDS = 5
NEW_ROUTES = 50
CHANGES = 30
AT_ONCE = 16
POLL_SECONDS = 0.002
PHASE_SECONDS = 100.0
"""Longest time that one phase may take; what it has then counts, and the figure says how many samples there are."""
FILL_SECONDS = 180.0
ANSWERS = ("first", "second")
QUEUE_PROXY_PORT = 8012


@dataclass
class Figures:
    """What one gateway showed; seconds and megabytes."""

    memory: dict[str, float] = field(default_factory=dict)
    fill: float = 0.0
    routes: list[float] = field(default_factory=list)
    endpoints: list[float] = field(default_factory=list)


async def run(cluster: client.Cluster, _env: dict[str, str]) -> None:
    """Measure one gateway after the other."""
    if not await rivals.is_ready(cluster):
        return
    async with stage.open_namespace(cluster) as namespace:
        addresses = await start_answering(cluster, namespace)
        await rivals.restart(cluster)
        ours = await measure(cluster, rivals.MAYFLY, addresses)
        async with rivals.unlimited(cluster):
            theirs = await measure(cluster, rivals.KOURIER, addresses)
    print_all(ours, theirs)


async def start_answering(cluster: client.Cluster, namespace: str) -> list[str]:
    """Return the address of an instance of each of ``ANSWERS``' functions, in that order."""
    for text in ANSWERS:
        code = f"async def f(request):\n    return {text!r}\n"
        function = stage.make_function(namespace, text, code, scaling={"min": 1, "max": 1}, resources={"cpu": "20m"})
        await cluster.apply(function, manager=stage.MANAGER)
    addresses = []
    for text in ANSWERS:
        await stage.wait_ready(cluster, kinds.FUNCTION, namespace, text)
        [pod] = await cluster.list(kinds.POD, namespace, f"serving.knative.dev/service={text}")
        addresses.append(pod["status"]["podIP"])
    return addresses


async def measure(cluster: client.Cluster, gateway: rivals.Gateway, addresses: list[str]) -> Figures:
    """Give a gateway its routes, change some, and take all of them away again."""
    found = Figures()
    async with stage.open_namespace(cluster) as namespace, aiohttp.ClientSession() as session:
        url = f"http://{await gateway.address(cluster)}/"
        for number in range(BACKENDS):
            await apply_backend(cluster, namespace, f"backend-{number}", addresses[0])
        found.memory["none"] = await memory(cluster, gateway)
        started = time.monotonic()
        await fill(cluster, gateway, namespace)
        await wait_all_ready(cluster, namespace)
        found.fill = time.monotonic() - started
        found.memory["full"] = await memory(cluster, gateway)
        found.routes = await time_routes(cluster, gateway, namespace, session, url)
        found.endpoints = await time_endpoints(cluster, namespace, session, url, addresses)
    await wait_gone(cluster, namespace)
    return found


async def apply_backend(cluster: client.Cluster, namespace: str, name: str, address: str) -> None:
    """Make a Service without selector lead to one address."""
    metadata = {"name": name, "namespace": namespace}
    ports = [{"name": "http", "port": 80, "targetPort": QUEUE_PROXY_PORT}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}
    await cluster.apply(service, manager=stage.MANAGER)
    await point(cluster, namespace, name, address)


async def point(cluster: client.Cluster, namespace: str, service: str, address: str) -> None:
    """Make ``address`` the only endpoint of a Service."""
    labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": stage.MANAGER}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": service, "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": QUEUE_PROXY_PORT}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
    await cluster.apply(endpoints, manager=stage.MANAGER)


async def memory(cluster: client.Cluster, gateway: rivals.Gateway) -> float:
    """Return the resident memory of a gateway's Envoy and its control in megabytes."""
    pids = [pid for part in (gateway.envoy, gateway.control) for pid in await rivals.find_processes(cluster, part)]
    return containers.resident_bytes(pids) / 1e6


async def fill(cluster: client.Cluster, gateway: rivals.Gateway, namespace: str) -> None:
    """Create all routes, a few at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(number: int) -> None:
        async with gate:
            await cluster.create(
                rivals.make_ingress(gateway, namespace, f"route-{number}", f"backend-{number % BACKENDS}")
            )

    async with asyncio.TaskGroup() as group:
        for number in range(ROUTES):
            group.create_task(create(number))


async def wait_all_ready(cluster: client.Cluster, namespace: str) -> None:
    """Return when every ingress of the namespace says that it is served, or when that takes too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FILL_SECONDS):
            while not all(_is_ready(each) for each in await cluster.list(kinds.KINGRESS, namespace)):  # noqa: ASYNC110
                await asyncio.sleep(1)


def _is_ready(ingress: dict[str, Any]) -> bool:
    conditions = ingress.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def time_routes(
    cluster: client.Cluster, gateway: rivals.Gateway, namespace: str, session: aiohttp.ClientSession, url: str
) -> list[float]:
    """Return for each further route the seconds from its creation to its first answer."""
    taken: list[float] = []
    deadline = time.monotonic() + PHASE_SECONDS
    for number in range(NEW_ROUTES):
        name = f"new-{number}"
        host = rivals.make_host(namespace, name)
        ingress = rivals.make_ingress(gateway, namespace, name, f"backend-{number % BACKENDS}")
        started = time.monotonic()
        creation = asyncio.create_task(cluster.create(ingress))
        taken.append(await first(session, url, host, ANSWERS[0]) - started)
        await creation
        if time.monotonic() > deadline:
            break
    return taken


async def time_endpoints(
    cluster: client.Cluster,
    namespace: str,
    session: aiohttp.ClientSession,
    url: str,
    addresses: list[str],
) -> list[float]:
    """Return for each change of an EndpointSlice the seconds to the first answer of the new endpoint."""
    taken: list[float] = []
    deadline = time.monotonic() + PHASE_SECONDS
    for number in range(1, CHANGES + 1):
        turn = number % len(addresses)
        started = time.monotonic()
        change = asyncio.create_task(point(cluster, namespace, "backend-0", addresses[turn]))
        route = rivals.make_host(namespace, "route-0")
        taken.append(await first(session, url, route, ANSWERS[turn]) - started)
        await change
        if time.monotonic() > deadline:
            break
    return taken


async def first(session: aiohttp.ClientSession, url: str, host: str, text: str) -> float:
    """Return the moment (monotonic seconds) of the first answer that is ``text``."""
    async with asyncio.timeout(PHASE_SECONDS):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url, headers={"Host": host}) as response:
                    if await response.text() == text:
                        return time.monotonic()
            await asyncio.sleep(POLL_SECONDS)


async def wait_gone(cluster: client.Cluster, namespace: str) -> None:
    """Return when the namespace is gone, and with it its routes; the next gateway is not to pay for them."""
    with contextlib.suppress(errors.NotFound, TimeoutError):
        async with asyncio.timeout(PHASE_SECONDS):
            while await cluster.get(kinds.NAMESPACE, None, namespace):  # noqa: ASYNC110  (another process changes it)
                await asyncio.sleep(0.5)


def print_all(ours: Figures, theirs: Figures) -> None:
    """Print each figure of ours beside Kourier's."""
    full, partner = ours.memory["full"], theirs.memory["full"]
    _print(f"gateway_memory_{ROUTES}_routes", full, "MB", partner, detail=[ours.memory, theirs.memory])
    _print(f"gateway_fill_{ROUTES}_routes", ours.fill, "s", theirs.fill)
    for name, mine, other in (("route", ours.routes, theirs.routes), ("endpoint", ours.endpoints, theirs.endpoints)):
        for share in (0.5, 0.95):
            value, beside = (figures.quantile(samples, share) * 1000 for samples in (mine, other))
            count = {"mayfly": len(mine), "kourier": len(other)}
            _print(f"gateway_new_{name}_p{share * 100:.0f}", value, "ms", beside, detail=count)


def _print(name: str, value: float, unit: str, beside: float, *, detail: Any = None) -> None:
    partner = {"name": "Kourier", "value": round(beside, 4), "unit": unit, "ratio": round(value / beside, 4)}
    if detail is not None:
        partner["detail"] = detail
    figures.print_figure(name, value, unit, partner=partner)
