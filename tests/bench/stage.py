"""What the benchmarks stand on: a namespace, Functions, bare objects, and calls at full attention."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from mayfly.cluster import client, kinds

MANAGER = "mayfly-bench"
POLL_SECONDS = 0.005


@contextlib.asynccontextmanager
async def open_namespace(cluster: client.Cluster) -> AsyncIterator[str]:
    """Give a fresh namespace and delete it afterwards."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager=MANAGER)
    try:
        yield name
    finally:
        await cluster.delete(kinds.NAMESPACE, None, name)


def make_function(namespace: str, name: str, code: str, **spec: Any) -> dict[str, Any]:
    """Return a Function with one inline file."""
    return {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"inline": {"main.py": code}}, **spec},
    }


async def wait_ready(cluster: client.Cluster, kind: kinds.Kind, namespace: str, name: str) -> dict[str, Any]:
    """Return the object once its Ready condition is True for its newest generation."""
    async with asyncio.timeout(120):
        while True:
            obj = await cluster.get(kind, namespace, name)
            status = obj.get("status", {})
            current = status.get("observedGeneration") == obj["metadata"]["generation"]
            if current and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])):
                return obj
            await asyncio.sleep(0.02)


async def first_answer(
    session: aiohttp.ClientSession, url: str, host: str | None = None, body: bytes | None = None, seconds: float = 120
) -> float:
    """Return the moment (monotonic seconds) of the first 200, whose body is ``body`` unless that is ``None``."""
    headers = {"Host": host} if host else {}
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=30)) as response:
                    content = await response.read()
                    if response.status == 200 and body in (None, content):
                        return time.monotonic()
            await asyncio.sleep(POLL_SECONDS)


async def wait_no_pods(cluster: client.Cluster, namespace: str, labels: str) -> None:
    """Return when no pod with ``labels`` is left, terminating ones included."""
    async with asyncio.timeout(240):
        while await cluster.list(kinds.POD, namespace, labels):  # noqa: ASYNC110  (another process changes it)
            await asyncio.sleep(0.5)
