"""Run the benchmarks: ``python -m tests.bench [NAME ...]``; each prints its figures as JSON lines."""

from __future__ import annotations

import asyncio
import importlib
import sys

from mayfly.cluster import client
from tests import conftest

ALL = ("memory", "image_step", "apply", "cold_start", "gateway", "gateway_scale", "store", "accept")


async def main(chosen: list[str]) -> None:
    """Run each chosen benchmark in turn on the cluster of ``.cluster/env``."""
    env = conftest.read_cluster_env()
    async with await client.connect(kubeconfig=env["KUBECONFIG"]) as cluster:
        for name in chosen or ALL:
            module = importlib.import_module(f"tests.bench.bench_{name}")
            await module.run(cluster, env)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
