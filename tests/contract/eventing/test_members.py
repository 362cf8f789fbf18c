"""The live replicas as a real API server tells of them."""

from __future__ import annotations

import asyncio
import contextlib

from mayfly.cluster import kinds
from mayfly.eventing.delivery import members
from tests.contract.cluster.conftest import cluster, kubeconfig, namespace  # noqa: F401

DEADLINE = 30.0


def make_slice(namespace, name, *pods, service="mayfly-eventing"):  # noqa: F811
    endpoints = [
        {
            "addresses": [f"10.0.0.{number}"],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
        }
        for number, pod in enumerate(pods, 1)
    ]
    labels = {members.SERVICE_LABEL: service}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080}],
    }


async def test_members_come_and_go(cluster, namespace):  # noqa: F811
    """Nobody at first; then all that are ready, of our own Service only."""
    one = members.Members(cluster, namespace=namespace, service="mayfly-eventing")
    assert one.names() == ()
    await cluster.create(make_slice(namespace, "theirs", "x", "b", service="other"))
    await cluster.create(make_slice(namespace, "ours", "c", "b", "a"))
    task = asyncio.create_task(one.run())

    async def until(names):
        async with asyncio.timeout(DEADLINE):
            while one.names() != names:  # noqa: ASYNC110  (nothing tells of it)
                await asyncio.sleep(0.02)

    try:
        await until(("a", "b", "c"))
        ours = await cluster.get(kinds.ENDPOINTSLICE, namespace, "ours")
        await cluster.replace(ours | {"endpoints": ours["endpoints"][:2]})
        await until(("b", "c"))
        await cluster.create(make_slice(namespace, "more", "d"))
        await until(("b", "c", "d"))
        ours = await cluster.get(kinds.ENDPOINTSLICE, namespace, "ours")
        await cluster.replace(ours | {"endpoints": ours["endpoints"][:1]})
        await until(("c", "d"))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
