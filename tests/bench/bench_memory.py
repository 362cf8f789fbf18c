"""Memory of the idle platform, as the kubelet measures it."""

from __future__ import annotations

from mayfly.cluster import client, kinds
from tests.bench import figures

NAMESPACE = "mayfly-system"
NODE = SUMMARY = kinds.Kind(group="", version="v1", plural="nodes", namespaced=False, kind="Node")


async def run(cluster: client.Cluster, env: dict[str, str]) -> None:
    """Print the working set of every platform container, what the kubelet counts against a limit, and their sum."""
    nodes = await cluster.list(NODE)
    total = 0.0
    parts: dict[str, float] = {}
    for node in nodes:
        summary = await cluster.get(SUMMARY, None, f"{node['metadata']['name']}/proxy/stats/summary")
        for pod in summary["pods"]:
            if pod["podRef"]["namespace"] != NAMESPACE:
                continue
            for container in pod["containers"]:
                megabytes = container["memory"]["workingSetBytes"] / 1e6
                parts[container["name"]] = round(parts.get(container["name"], 0) + megabytes, 1)
                total += megabytes
    figures.print_figure(
        "idle_memory", total, "MB", goal=400, partner={"name": "working set by container", "value": parts}
    )
