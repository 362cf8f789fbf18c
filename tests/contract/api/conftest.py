"""The REST API as a process, beside the real API server, registry and store, with users of several rights."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pathlib
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from mayfly.cluster import client, kinds
from mayfly.store import sqlite
from tests import ports
from tests.contract.eventing import world as worlds

ROLE = kinds.Kind("rbac.authorization.k8s.io", "v1", "roles", "Role")
READS = [
    {"apiGroups": ["mayfly.dev"], "resources": ["functions", "functions/log"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["mayfly.dev"], "resources": ["functions/invocations"], "verbs": ["get", "list"]},
]
WRITES = [
    *READS,
    {
        "apiGroups": ["mayfly.dev"],
        "resources": ["functions", "functions/source"],
        "verbs": ["create", "update", "patch", "delete"],
    },
    {"apiGroups": ["mayfly.dev"], "resources": ["functions/invocations"], "verbs": ["update", "delete"]},
    {"apiGroups": ["mayfly.dev"], "resources": ["functions/events"], "verbs": ["create"]},
]
"""The rules of the chart's view and edit roles."""
LIMIT = 200_000


@dataclass
class World:
    """Two tenants and what their people present."""

    base: str
    kubeconfig: str
    registry: str
    pid: int
    namespace: str = field(default_factory=lambda: f"api-{uuid.uuid4().hex[:8]}")
    other: str = field(default_factory=lambda: f"api-{uuid.uuid4().hex[:8]}")
    tokens: dict[str, str] = field(default_factory=dict)

    def as_user(self, user: str | None, **headers: str) -> httpx2.Client:
        token = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        return httpx2.Client(base_url=self.base, headers={**token, **headers}, timeout=30)

    def on_cluster(self, work: Any) -> Any:
        """Run ``work(cluster)`` as the administrator."""

        async def run() -> Any:
            async with await client.connect(kubeconfig=self.kubeconfig) as cluster:
                return await work(cluster)

        return asyncio.run(run())


def make_person(namespace: str, name: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    rbac = "rbac.authorization.k8s.io/v1"
    place = {"name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
        {"apiVersion": rbac, "kind": "Role", "metadata": place, "rules": rules},
        {"apiVersion": rbac, "kind": "RoleBinding", "metadata": place, "subjects": [subject], "roleRef": reference},
    ]


async def populate(cluster: client.Cluster, world: World) -> None:
    paths = {
        "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
        "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
        "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    }
    for namespace in (world.namespace, world.other):
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    people = {
        "viewer": (world.namespace, READS),
        "editor": (world.namespace, WRITES),
        "stranger": (world.other, WRITES),
    }
    for name, (namespace, rules) in people.items():
        for obj in make_person(namespace, name, rules):
            await cluster.post(paths[obj["kind"]].format(namespace), obj)
        world.tokens[name] = await cluster.create_token(namespace, name)
    world.tokens["editor for mayfly"] = await cluster.create_token(world.namespace, "editor", audiences=["mayfly"])
    world.tokens["editor for another"] = await cluster.create_token(world.namespace, "editor", audiences=["vault"])


def start(env: dict[str, str], **settings: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the API and return it once it says that it is ready."""
    port = ports.free_port()
    given = {f"MAYFLY_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen([sys.executable, "-m", "mayfly.api"], env={**env, **given, "MAYFLY_PORT": str(port)})
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx2.get(f"{base}/readyz").status_code == 200:
                return process, base
        except httpx2.TransportError:
            pass
        assert process.poll() is None, "the API ended at its start"
        assert time.monotonic() < deadline, "the API is not ready"
        time.sleep(0.1)


@contextlib.contextmanager
def serve_eventing(folder: pathlib.Path, kubeconfig: str) -> Iterator[tuple[worlds.World, dict[str, str]]]:
    """Give an eventing process's HTTP side over a store in ``folder``, and the settings by which an API finds it."""
    token = folder / "token"
    token.write_text(f"{worlds.TOKEN}\n")
    opening = functools.partial(sqlite.SqliteStore.open, path=folder / "invocations.db")
    with worlds.serve(opening, kubeconfig) as opened:
        host, port = opened.base
        yield opened, {"eventing_url": f"http://{host}:{port}", "internal_token_file": str(token)}


@pytest.fixture(scope="session")
def eventing(cluster_env, tmp_path_factory) -> Iterator[tuple[worlds.World, dict[str, str]]]:
    with serve_eventing(tmp_path_factory.mktemp("eventing"), cluster_env["KUBECONFIG"]) as opened:
        yield opened


@pytest.fixture(scope="session")
def invocations(eventing) -> worlds.World:
    """The process that keeps invocations, with its store."""
    return eventing[0]


@pytest.fixture(scope="session")
def world(cluster_env: dict[str, str], eventing) -> Iterator[World]:
    registry = cluster_env["REGISTRY"]
    env = {**os.environ, "KUBECONFIG": cluster_env["KUBECONFIG"]}
    limits = {"max_source_bytes": str(LIMIT), "log_level": "WARNING"}
    process, base = start(env, registry=f"{registry}/mayfly", registry_insecure="true", **limits, **eventing[1])
    world = World(base, cluster_env["KUBECONFIG"], registry, process.pid)
    try:
        world.on_cluster(lambda cluster: populate(cluster, world))
        yield world
        world.on_cluster(
            lambda cluster: asyncio.gather(
                *(cluster.delete(kinds.NAMESPACE, None, name) for name in (world.namespace, world.other))
            )
        )
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def function(world: World) -> dict[str, Any]:
    """A Function that is not on the cluster yet."""
    return make_function(f"fn-{uuid.uuid4().hex[:8]}")


def make_function(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name, "annotations": {"mayfly.dev/paused": "true"}},
        "spec": {"source": {"inline": {"main.py": "def f(request):\n    return 'hi'\n"}}, **spec},
    }
