"""Cold start: the first request to a Function at zero, beside a bare pod of the same image.

The bare pod is created through the API and called at its own address, so its figure holds scheduling, sandbox, start
and import, and nothing of Knative. Phases come from the moments at which a watch shows the pod's changes and from the
line that the runtime logs when it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from mayfly.cluster import client, kinds
from tests.bench import figures, stage

SAMPLES = 20
FUNCTIONS = 5
CODE = "def f(request):\n    return 'awake'\n"


async def run(cluster: client.Cluster, env: dict[str, str]) -> None:
    """Wake sleeping Functions one after the other, and start a bare pod after each."""
    cold: list[float] = []
    bare: list[float] = []
    phases: list[dict[str, float]] = []
    async with stage.open_namespace(cluster) as namespace, aiohttp.ClientSession() as session:
        names = [f"sleeper-{number}" for number in range(FUNCTIONS)]
        hosts = {}
        for name in names:
            function = stage.make_function(namespace, name, CODE, scaling={"idle": "6s"}, resources={"cpu": "20m"})
            await cluster.apply(function, manager=stage.MANAGER)
        for name in names:
            ready = await stage.wait_ready(cluster, kinds.FUNCTION, namespace, name)
            hosts[name] = ready["status"]["url"].split("://")[1]
        image = ready["status"]["image"]
        while len(cold) < SAMPLES:
            for name in names:
                await stage.wait_no_pods(cluster, namespace, f"serving.knative.dev/service={name}")
                async with watch_pods(cluster, namespace, f"serving.knative.dev/service={name}") as seen:
                    started = time.monotonic()
                    answered = await stage.first_answer(session, env["GATEWAY_URL"], hosts[name])
                cold.append(answered - started)
                phases.append(await split(cluster, namespace, seen, started, answered))
                bare.append(await start_bare_pod(cluster, session, namespace, f"bare-{len(bare)}", image))
    print_all(cold, bare, phases)


@contextlib.asynccontextmanager
async def watch_pods(cluster: client.Cluster, namespace: str, labels: str) -> AsyncIterator[dict[str, Any]]:
    """Note when the first pod with ``labels`` was seen created, scheduled and running, by this process's clock."""
    seen: dict[str, Any] = {}

    async def follow() -> None:
        async for change in cluster.watch(kinds.POD, namespace, labels):
            pod, now = change.object, time.monotonic()
            if change.type == "BOOKMARK":
                continue
            seen.setdefault("created", now)
            seen["pod"] = pod["metadata"]["name"]
            if pod["spec"].get("nodeName"):
                seen.setdefault("scheduled", now)
            statuses = pod.get("status", {}).get("containerStatuses", [])
            if any("running" in status["state"] for status in statuses if status["name"] != "queue-proxy"):
                seen.setdefault("running", now)

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def split(
    cluster: client.Cluster, namespace: str, seen: dict[str, Any], started: float, answered: float
) -> dict[str, float]:
    """Return the phases of one cold start in seconds; a phase that was not observed is left out."""
    phases = {}
    if "created" in seen:
        phases["activator_and_autoscaler"] = seen["created"] - started
    if "scheduled" in seen:
        phases["schedule"] = seen["scheduled"] - seen["created"]
    record: dict[str, Any] = {}
    with contextlib.suppress(Exception):
        async for line in cluster.logs(namespace, seen["pod"], "user-container"):
            with contextlib.suppress(ValueError):
                parsed = json.loads(line)
                if isinstance(parsed, dict) and "phases" in parsed:
                    record = parsed["phases"]
    in_container = sum(record.values()) / 1000 if record else 0.0
    if record and "scheduled" in seen:
        phases["interpreter"] = record.get("interpreter_ms", 0) / 1000
        phases["server"] = record.get("server_ms", 0) / 1000
        phases["import"] = record.get("import_ms", 0) / 1000
        phases["sandbox_start_probe_first_byte"] = answered - seen["scheduled"] - in_container
    return phases


async def start_bare_pod(
    cluster: client.Cluster, session: aiohttp.ClientSession, namespace: str, name: str, image: str
) -> float:
    """Return the seconds from creating a pod to its first 200."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"bench": name}},
        "spec": {
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "user-container", "image": image, "env": [{"name": "PORT", "value": "8080"}]}],
        },
    }
    started = time.monotonic()
    await cluster.create(pod)
    address = await find_address(cluster, namespace, name)
    answered = await stage.first_answer(session, f"http://{address}:8080/")
    await cluster.delete(kinds.POD, namespace, name)
    return answered - started


async def find_address(cluster: client.Cluster, namespace: str, name: str) -> str:
    """Return the pod's address as soon as it has one."""
    async with asyncio.timeout(60):
        while True:
            pod = await cluster.get(kinds.POD, namespace, name)
            if address := pod.get("status", {}).get("podIP"):
                return str(address)
            await asyncio.sleep(stage.POLL_SECONDS)


def print_all(cold: list[float], bare: list[float], phases: list[dict[str, float]]) -> None:
    """Print quantiles, the ratio and the median of each phase."""
    names = sorted({name for sample in phases for name in sample})
    middle = {name: round(statistics.median([s[name] for s in phases if name in s]), 4) for name in names}
    figures.print_figure("cold_start_p50", figures.quantile(cold, 0.5), "s", samples=cold)
    figures.print_figure("cold_start_p95", figures.quantile(cold, 0.95), "s")
    figures.print_figure(
        "cold_start_ratio",
        statistics.median(cold) / statistics.median(bare),
        "x",
        goal=1.2,
        partner={"name": "bare pod, create to first 200", "value": round(statistics.median(bare), 4), "unit": "s"},
        samples=bare,
    )
    figures.print_figure(
        "cold_start_phases",
        statistics.median(cold),
        "s",
        partner={"name": "median seconds by phase", "value": middle},
    )
