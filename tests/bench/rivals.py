"""The two gateways that are measured beside each other: Mayfly's and Kourier."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime as dt
import functools
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly import errors
from mayfly.cluster import client, kinds
from mayfly.model import names
from tests import containers


@dataclass(frozen=True)
class Part:
    """One container of a gateway."""

    namespace: str
    labels: str
    container: str


@dataclass(frozen=True)
class Gateway:
    """Where a gateway is and what belongs to it."""

    name: str
    ingress_class: str
    namespace: str
    service: str
    envoy: Part
    control: Part

    async def address(self, cluster: client.Cluster) -> str:
        """Return the address of its public Service, reachable from the node."""
        service = await cluster.get(kinds.SERVICE, self.namespace, self.service)
        return str(service["spec"]["clusterIP"])


_OURS = functools.partial(Part, "mayfly-system", "app.kubernetes.io/component=gateway")
MAYFLY = Gateway(
    name="mayfly",
    ingress_class=names.INGRESS_CLASS,
    namespace="mayfly-system",
    service="mayfly-gateway",
    envoy=_OURS("envoy"),
    control=_OURS("control"),
)
KOURIER = Gateway(
    name="kourier",
    ingress_class="kourier.ingress.networking.knative.dev",
    namespace="kourier-system",
    service="kourier",
    envoy=Part("kourier-system", "app=3scale-kourier-gateway", "kourier-gateway"),
    control=Part("knative-serving", "app=net-kourier-controller", "controller"),
)
KOURIER_DEPLOYMENTS = ((KOURIER.envoy, "3scale-kourier-gateway"), (KOURIER.control, "net-kourier-controller"))


async def find_processes(cluster: client.Cluster, part: Part) -> list[int]:
    """Return the ids of the processes of a part's newest pod."""
    pods = await cluster.list(kinds.POD, part.namespace, part.labels)
    newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    return containers.find_processes(newest, part.container)


@contextlib.asynccontextmanager
async def unlimited(cluster: client.Cluster) -> AsyncIterator[None]:
    """Lift the limits of CPU and memory of both parts of Kourier, and set them again afterwards."""
    places = [(part.namespace, deployment) for part, deployment in KOURIER_DEPLOYMENTS]
    before = [await cluster.get(kinds.DEPLOYMENT, *place) for place in places]
    for place, deployment in zip(places, before, strict=True):
        wanted = copy.deepcopy(deployment["spec"]["template"]["spec"]["containers"])
        for each in wanted:
            each.get("resources", {}).pop("limits", None)
        await _set_containers(cluster, place, wanted)
    try:
        yield
    finally:
        for place, deployment in zip(places, before, strict=True):
            await _set_containers(cluster, place, deployment["spec"]["template"]["spec"]["containers"])


async def restart(cluster: client.Cluster) -> None:
    """Start Mayfly's gateway anew."""
    metadata = {"annotations": {"kubectl.kubernetes.io/restartedAt": dt.datetime.now(dt.UTC).isoformat()}}
    await _roll(cluster, (MAYFLY.namespace, MAYFLY.service), {"metadata": metadata})


async def _set_containers(cluster: client.Cluster, place: tuple[str, str], wanted: list[dict[str, Any]]) -> None:
    await _roll(cluster, place, {"spec": {"containers": wanted}})


async def _roll(cluster: client.Cluster, place: tuple[str, str], template: dict[str, Any]) -> None:
    """Change the template of a Deployment and return when only a pod made by it is left."""
    made = await cluster.patch(kinds.DEPLOYMENT, *place, {"spec": {"template": template}})
    selector = ",".join(f"{key}={value}" for key, value in made["spec"]["selector"]["matchLabels"].items())
    async with asyncio.timeout(180):
        while True:
            status = (await cluster.get(kinds.DEPLOYMENT, *place))["status"]
            current = status.get("observedGeneration") == made["metadata"]["generation"]
            ready = status.get("readyReplicas") == status.get("updatedReplicas") == status.get("replicas") == 1
            if current and ready and len(await cluster.list(kinds.POD, place[0], selector)) == 1:
                return
            await asyncio.sleep(0.5)


async def is_ready(cluster: client.Cluster, *, programs: Sequence[tuple[str, str]] = ()) -> bool:
    """Say whether a comparison can be made here; what is missing is printed with how to get it."""
    missing = [f"{program} (Debian package {package})" for program, package in programs if not shutil.which(program)]
    try:
        await KOURIER.address(cluster)
    except errors.NotFound:
        missing.append("Kourier (python3 -m cluster kourier)")
    if missing:
        print(f"the gateway is not measured, for there is no {' and no '.join(missing)}", file=sys.stderr)  # noqa: T201
    return not missing


def make_ingress(gateway: Gateway, namespace: str, name: str, service: str) -> dict[str, Any]:
    """Return a KIngress with four hosts, as Knative's Route makes it for a Service with one revision."""
    split = {
        "serviceNamespace": namespace,
        "serviceName": service,
        "servicePort": 80,
        "percent": 100,
        "appendHeaders": {"Knative-Serving-Namespace": namespace, "Knative-Serving-Revision": service},
    }
    inside = [f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]
    rules = (("ClusterLocal", inside), ("ExternalIP", [make_host(namespace, name)]))
    paths = {"paths": [{"splits": [split]}]}
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {"networking.knative.dev/ingress.class": gateway.ingress_class},
        },
        "spec": {
            "httpOption": "Enabled",
            "rules": [{"hosts": hosts, "visibility": seen, "http": paths} for seen, hosts in rules],
        },
    }


def make_host(namespace: str, name: str) -> str:
    """Return the public host of an ingress made here."""
    return f"{name}.{namespace}.bench.example.com"
