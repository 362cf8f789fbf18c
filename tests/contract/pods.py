"""Pods that look like instances of a Function, for tests of log reading."""

from __future__ import annotations

import json
import time
from typing import Any

from mayfly.cluster import client, kinds

CONTAINER = "user-container"


def make_pod(name: str, *, namespace: str, function: str, registry: str, lines: list[str]) -> dict[str, Any]:
    """Return a pod that prints ``lines`` and then waits."""
    code = f"import time\nfor line in {lines!r}:\n    print(line, flush=True)\ntime.sleep(600)"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"mayfly.dev/function": function}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": CONTAINER,
                    "image": f"{registry}/mayfly/base-python:3.11",
                    "command": ["/usr/bin/python3", "-c", code],
                }
            ],
        },
    }


def make_line(message: str, **fields: Any) -> str:
    """Return a log line as the runtime writes it."""
    return json.dumps({"time": "2026-11-21T06:00:00.123Z", "level": "info", "message": message, **fields})


async def wait_running(cluster: client.Cluster, namespace: str, name: str, *, seconds: float = 90) -> None:
    """Return once the pod's container runs."""
    deadline = time.monotonic() + seconds
    async for change in cluster.watch(kinds.POD, namespace, fields=f"metadata.name={name}"):
        statuses = change.object.get("status", {}).get("containerStatuses") or [{}]
        if "running" in statuses[0].get("state", {}):
            return
        assert time.monotonic() < deadline, change.object.get("status")
