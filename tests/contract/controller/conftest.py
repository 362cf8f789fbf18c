"""The Function API on a real API server, and the controller in this process beside it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid

import pytest

from mayfly import errors, settings
from mayfly.cluster import kinds
from mayfly.controller import process
from mayfly.model import crd, labels
from tests.conftest import read_cluster_env
from tests.contract.cluster.conftest import cluster, kubeconfig, namespace  # noqa: F401
from tests.contract.controller import stand_in

MANAGER = "contract-tests"
INGRESS_CLASS = "none.test.example"
"""Nobody serves it, so that a gateway on the same cluster does not mix in."""
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def functions(cluster, namespace):  # noqa: F811
    """The namespace of the test, with the CRD in force as this code generates it."""
    made = crd.make_crd()
    await cluster.apply(made, manager=MANAGER)

    async def served():
        found = await cluster.get(kinds.CRD, None, made["metadata"]["name"])
        told = {item["type"]: item["status"] for item in found.get("status", {}).get("conditions", [])}
        return told.get("Established") == "True"

    await eventually(served)
    await eventually(lambda: _answers(cluster, namespace))
    return namespace


async def _answers(cluster, namespace):  # noqa: F811
    with contextlib.suppress(errors.NotFound):
        await cluster.list(kinds.FUNCTION, namespace)
        return True


async def eventually(probe, *, seconds=PATIENCE_SECONDS):
    """Return what ``probe`` returns once that is true; fail when it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = await probe()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not so within {seconds} s: {getattr(probe, '__qualname__', probe)}")
        await asyncio.sleep(0.1)


def make_function(namespace, name=None, *, annotations=None, **spec):  # noqa: F811
    """Return a Function; without ``source`` it has an inline one, without ``annotations`` no controller's care."""
    return {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {
            "namespace": namespace,
            "name": name or f"fn-{uuid.uuid4().hex[:6]}",
            "annotations": annotations or {labels.CONTROLLER: "nobody"},
        },
        "spec": {"source": {"inline": {"handler.py": "def handle(request):\n    return 'ok'\n"}}} | spec,
    }


@pytest.fixture
async def builder():
    """A stand-in for the builder, serving, beside the local registry."""
    registry = read_cluster_env().get("REGISTRY")
    if not registry:
        pytest.fail("REGISTRY is not set: this test needs the running cluster; run `make up`")
    made = stand_in.Builder(registry)
    async with made.serving() as url:
        made.url = url
        yield made


@pytest.fixture
async def serves(builder):
    """An image whose process serves."""
    return await builder.push(stand_in.SERVE)


class Running:
    """A controller in this process, for the Functions of one namespace; ``changed`` are settings of its own."""

    def __init__(self, kubeconfig, namespace, builder_url, **changed):  # noqa: F811
        given = {
            "namespace": namespace,
            "pod_name": "test",
            "controller_name": namespace,
            "builder_url": builder_url,
            "internal_token_file": "/nonexistent",
            "ingress_class": INGRESS_CLASS,
            "metrics_port": 0,
            "workers": 4,
        }
        self.config = settings.ControllerSettings(**given | changed)
        self.kubeconfig = kubeconfig
        self.task = None

    async def start(self):
        """Start it; it is at work once this returns, though not necessarily elected."""
        self.task = asyncio.create_task(process.run(self.config))

    async def stop(self):
        """Stop it as SIGTERM would."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def controller(kubeconfig, functions, cluster, builder, monkeypatch):  # noqa: F811
    """A running controller; its Lease and Secret live in the test's namespace, which demands restricted pods."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.patch(kinds.NAMESPACE, None, functions, {"metadata": {"labels": restricted}})
    running = Running(kubeconfig, functions, builder.url)
    await running.start()
    yield running
    await running.stop()


class Author:
    """Whoever writes Functions into one namespace."""

    def __init__(self, cluster, namespace):  # noqa: F811
        self.cluster = cluster
        self.namespace = namespace

    async def apply(self, name, text="v1", **spec):
        """Apply a Function that the test's controller takes care of."""
        spec.setdefault("source", {"inline": {"handler.py": text}})
        spec["resources"] = {"cpu": "10m"} | spec.get("resources", {})  # the node is small and shared
        wanted = make_function(self.namespace, name, annotations={labels.CONTROLLER: self.namespace}, **spec)
        return await self.cluster.apply(wanted, manager=MANAGER)

    async def get(self, name):
        """Return the Function."""
        return await self.cluster.get(kinds.FUNCTION, self.namespace, name)

    async def service(self, name):
        """Return its Knative Service, ``None`` when there is none."""
        try:
            return await self.cluster.get(kinds.KSERVICE, self.namespace, name)
        except errors.NotFound:
            return None

    async def revisions(self, name):
        """Return the names of its revisions."""
        found = await self.cluster.list(kinds.REVISION, self.namespace, labels.function_selector(name))
        return sorted(revision["metadata"]["name"] for revision in found)

    async def events(self, name):
        """Return ``(type, reason)`` of its Events."""
        found = await self.cluster.list(kinds.EVENT, self.namespace, fields=f"involvedObject.name={name}")
        ours = [event for event in found if event["involvedObject"]["kind"] == "Function"]
        return {(event["type"], event["reason"]) for event in ours}

    async def until(self, name, kind, truth, reason=None):
        """Return the Function once condition ``kind`` speaks so of its newest spec."""
        seen = []

        async def told():
            function = await self.get(name)
            conditions = (function.get("status") or {}).get("conditions") or []
            condition = next((item for item in conditions if item["type"] == kind), {})
            seen[:] = [condition]
            current = condition.get("observedGeneration") == function["metadata"]["generation"]
            fits = condition.get("status") == truth and reason in {None, condition.get("reason")}
            return function if current and fits else None

        try:
            return await eventually(told)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}; {kind} says {seen}")


@pytest.fixture
def author(cluster, functions):  # noqa: F811
    """Whoever writes Functions."""
    return Author(cluster, functions)


def find_condition(function, kind):
    """Return one condition of a Function."""
    return next(item for item in function["status"]["conditions"] if item["type"] == kind)


async def serve_routes(cluster, namespace):  # noqa: F811
    """Stand in for a gateway once: say of every KIngress of our class that it is served."""
    for ingress in await cluster.list(kinds.KINGRESS, namespace):
        balancer = {"ingress": [{"domainInternal": "gateway.test"}]}
        now = "2026-01-01T00:00:00Z"
        ready = [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("LoadBalancerReady", "NetworkConfigured", "Ready")
        ]
        told = {
            "observedGeneration": ingress["metadata"]["generation"],
            "conditions": ready,
            "publicLoadBalancer": balancer,
            "privateLoadBalancer": balancer,
        }
        name = ingress["metadata"]["name"]
        await cluster.patch(kinds.KINGRESS, namespace, name, {"status": told}, subresource="status")
