"""The price of the gateway: one plain function called straight, through Kourier and through Mayfly's gateway.

Rounds alternate between the three, so that whatever else the machine does falls on all alike; ratios are taken within
each round, and the median round counts. The activator is in no path: the function takes any number of calls at once.
Kourier is as its own manifests install it, with the same Envoy binary.
"""

from __future__ import annotations

import asyncio
import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mayfly.cluster import client, kinds
from tests import containers
from tests.bench import figures, rivals, stage

ROUNDS = 11
"""Many short ones: what else the machine does changes within seconds, and is to fall on neighbours alike."""
SECONDS = 1
WARM_UP_SECONDS = 0.3
TRIES = 3
"""So often a round is begun whose Envoy was replaced on the way."""
CODE = "async def f(request):\n    return 'plain'\n"
QUEUE_PROXY_PORT = 8012
PROGRAM = ("h2load", "nghttp2-client")


@dataclass(frozen=True)
class Load:
    """How the function is called; with HTTP/2 each connection carries several calls at once."""

    name: str
    connections: int
    streams: int = 0

    @property
    def options(self) -> list[str]:
        return [f"-m{self.streams}"] if self.streams else ["--h1"]


LOADS = (Load("http1_16", 16), Load("http1_64", 64), Load("http2_16x4", 16, streams=4))
STRAIGHT_LOADS = {"http2_16x4": LOADS[1]}
"""queue-proxy passes HTTP/2 on as HTTP/2, which the function does not speak: HTTP/1.1 with as many calls at once."""


@dataclass(frozen=True)
class Way:
    """One way to the function: ``address`` with port, the host to ask for, the gateway if there is one."""

    name: str
    address: str
    host: str
    gateway: rivals.Gateway | None = None


@dataclass(frozen=True)
class Sample:
    """One round of one path; times in milliseconds, CPU in seconds for 1,000 calls."""

    throughput: float
    p50: float
    p99: float
    cpu: float


async def run(cluster: client.Cluster, _env: dict[str, str]) -> None:
    """Measure every load over every path."""
    if not await rivals.is_ready(cluster, programs=[PROGRAM]):
        return
    async with stage.open_namespace(cluster) as namespace:
        ways = await _make_ways(cluster, namespace)
        for load in LOADS:
            rounds = []
            for _ in range(ROUNDS):
                taken = {}
                for way in ways:
                    chosen = load if way.gateway else STRAIGHT_LOADS.get(load.name, load)
                    taken[way.name] = await measure(cluster, way, chosen)
                rounds.append(taken)
            print_all(load, rounds)


async def _make_ways(cluster: client.Cluster, namespace: str) -> list[Way]:
    """Return the three ways to two pods of one image."""
    scaling = {"min": 1, "max": 1, "concurrency": 0}
    await cluster.apply(stage.make_function(namespace, "plain", CODE, scaling=scaling), manager=stage.MANAGER)
    await stage.wait_ready(cluster, kinds.FUNCTION, namespace, "plain")
    ours = await stage.wait_ready(cluster, kinds.KSERVICE, namespace, "plain")
    await cluster.apply(make_copy(ours, "copy"), manager=stage.MANAGER)
    theirs = await stage.wait_ready(cluster, kinds.KSERVICE, namespace, "copy")
    [pod] = await cluster.list(kinds.POD, namespace, "serving.knative.dev/service=plain")
    ways = [Way("straight", f"{pod['status']['podIP']}:{QUEUE_PROXY_PORT}", _host(ours))]
    for gateway, service in ((rivals.KOURIER, theirs), (rivals.MAYFLY, ours)):
        address = f"{await gateway.address(cluster)}:80"
        ways.append(Way(gateway.name, address, _host(service), gateway))
    return ways


def _host(service: dict[str, Any]) -> str:
    return str(service["status"]["url"].split("://")[1])


def make_copy(service: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a Knative Service like ``service`` that Kourier serves."""
    spec = copy.deepcopy(service["spec"])
    spec["template"]["metadata"].pop("labels", None)
    annotations = {"networking.knative.dev/ingress-class": rivals.KOURIER.ingress_class}
    metadata = {"name": name, "namespace": service["metadata"]["namespace"], "annotations": annotations}
    return {"apiVersion": service["apiVersion"], "kind": "Service", "metadata": metadata, "spec": spec}


async def measure(cluster: client.Cluster, way: Way, load: Load) -> Sample:
    """Return one round, in which the same Envoy served from beginning to end."""
    for _ in range(TRIES):
        envoy = await rivals.find_processes(cluster, way.gateway.envoy) if way.gateway else []
        before = containers.cpu_seconds(envoy)
        calls = await make_calls(way, load)
        spent = containers.cpu_seconds(envoy) - before
        if spent > 0 or not way.gateway:
            break
    times = [int(microseconds) / 1000 for _, _, microseconds in calls]
    share = SECONDS / (SECONDS + WARM_UP_SECONDS)
    return Sample(
        throughput=len(calls) / SECONDS,
        p50=figures.quantile(times, 0.5),
        p99=figures.quantile(times, 0.99),
        cpu=spent * share / len(calls) * 1000,
    )


async def make_calls(way: Way, load: Load) -> list[list[str]]:
    """Return of each call when it began, its status and the microseconds to its answer; fails on any but 200."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "calls"
        argv = [PROGRAM[0], *load.options, f"-c{load.connections}", "-t1", f"-D{SECONDS}"]
        argv += [f"--warm-up-time={WARM_UP_SECONDS * 1000:.0f}ms", f"--log-file={log}", f"--connect-to={way.address}"]
        process = await asyncio.create_subprocess_exec(
            *argv, f"http://{way.host}/", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        calls = [line.split() for line in log.read_text().splitlines()]
    wrong = [status for _, status, _ in calls if status != "200"]
    assert calls, output.decode()
    assert not wrong, f"{way.name}: {len(wrong)} of {len(calls)} calls failed, such as with {wrong[0]}"
    return calls


def print_all(load: Load, rounds: list[dict[str, Sample]]) -> None:
    """Print what one load gave: each figure of Mayfly's beside its partners'."""
    for field, against, goal, relation in (
        ("throughput", "kourier", 1.15, ">="),
        ("throughput", "straight", 0.65, ">="),
        ("p50", "kourier", None, "<="),
        ("p99", "kourier", 1.0, "<="),
        ("p99", "straight", None, "<="),
        ("cpu", "kourier", None, "<="),
    ):
        ours = [getattr(taken["mayfly"], field) for taken in rounds]
        theirs = [getattr(taken[against], field) for taken in rounds]
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        unit = {"throughput": "calls/s", "cpu": "CPU s of Envoy for 1,000 calls"}.get(field, "ms")
        partner = {against: round(figures.median(theirs), 4), "mayfly": round(figures.median(ours), 4), "unit": unit}
        name = f"gateway_{load.name}_{field}_to_{against}"
        figures.print_figure(
            name, figures.median(ratios), "x", goal=goal, relation=relation, partner=partner, samples=ratios
        )
