"""Time from `apply` of a Function to the first 200 through the gateway, beside a bare Knative Service."""

from __future__ import annotations

import time

import aiohttp

from mayfly.cluster import client, kinds
from tests.bench import figures, stage

ROUNDS = 7
REQUESTS = {"cpu": "20m", "memory": "64Mi"}
"""Small, and the same for both, so that no round waits for the node's capacity."""


def make_bare_service(namespace: str, name: str, image: str) -> dict[str, object]:
    """Return the plainest Knative Service that runs ``image``."""
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"containers": [{"image": image, "resources": {"requests": REQUESTS}}]}}},
    }


async def run(cluster: client.Cluster, env: dict[str, str]) -> None:
    """Alternate Functions with new code and bare Services with a ready image."""
    ours: list[float] = []
    bare: list[float] = []
    async with stage.open_namespace(cluster) as namespace, aiohttp.ClientSession() as session:
        image = ""
        domain = ""
        for round_number in range(ROUNDS + 1):
            name, text = f"fn-{round_number}", f"round {round_number} {time.time()}"
            function = stage.make_function(
                namespace, name, f"def f(request):\n    return {text!r}\n", resources=REQUESTS
            )
            host = f"{name}.{namespace}.{domain}" if domain else None
            started = time.monotonic()
            await cluster.apply(function, manager=stage.MANAGER)
            if not host:
                ready = await stage.wait_ready(cluster, kinds.FUNCTION, namespace, name)
                host = ready["status"]["url"].split("://")[1]
                domain = host.split(f"{namespace}.", 1)[1]
            elapsed = await stage.first_answer(session, env["GATEWAY_URL"], host, text.encode()) - started
            if round_number == 0:  # warms the dependency and base layers on the node
                ready = await stage.wait_ready(cluster, kinds.FUNCTION, namespace, name)
                image = ready["status"]["image"]
                continue
            ours.append(elapsed)
            started = time.monotonic()
            await cluster.apply(make_bare_service(namespace, f"bare-{round_number}", image), manager=stage.MANAGER)
            host = f"bare-{round_number}.{namespace}.{domain}"
            bare.append(await stage.first_answer(session, env["GATEWAY_URL"], host) - started)
    value, partner = figures.median(ours), figures.median(bare)
    figures.print_figure("apply_to_first_200", value, "s", goal=5.0, samples=ours)
    figures.print_figure(
        "apply_to_first_200_ratio",
        value / partner,
        "x",
        goal=1.3,
        partner={"name": "bare Knative Service, ready image", "value": round(partner, 4), "unit": "s"},
        samples=bare,
    )
