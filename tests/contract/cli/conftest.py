"""The command against the real API server, a REST API of its own process and a real store, in a fresh namespace."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mayfly.cli import __main__ as entry
from mayfly.cluster import client, kinds
from tests.contract.api.conftest import serve_eventing, start
from tests.contract.eventing import world as worlds


@dataclass
class Shell:
    """A user who types commands."""

    namespace: str
    kubeconfig: str
    registry: str
    capsys: pytest.CaptureFixture[str]

    def mayfly(self, *args: str) -> tuple[int, str, str]:
        """Run the command in this namespace; return exit code, stdout, stderr."""
        self.capsys.readouterr()
        code = entry.run(["--kubeconfig", self.kubeconfig, "-n", self.namespace, *args])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def on_cluster(self, work: Any) -> Any:
        async def run() -> Any:
            async with await client.connect(kubeconfig=self.kubeconfig) as cluster:
                return await work(cluster)

        return asyncio.run(run())

    def get(self, name: str) -> dict[str, Any]:
        return self.on_cluster(lambda cluster: cluster.get(kinds.FUNCTION, self.namespace, name))


@pytest.fixture(scope="session")
def eventing(cluster_env: dict[str, str], tmp_path_factory) -> Iterator[tuple[worlds.World, dict[str, str]]]:
    with serve_eventing(tmp_path_factory.mktemp("eventing"), cluster_env["KUBECONFIG"]) as opened:
        yield opened


@pytest.fixture(scope="session")
def invocations(eventing) -> worlds.World:
    """The process that keeps invocations, with its store."""
    return eventing[0]


@pytest.fixture(scope="session")
def api(cluster_env: dict[str, str], eventing) -> Iterator[str]:
    """Base URL of a REST API."""
    env = {**os.environ, "KUBECONFIG": cluster_env["KUBECONFIG"]}
    process, base = start(env, registry=f"{cluster_env['REGISTRY']}/mayfly", registry_insecure="true", **eventing[1])
    yield base
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="session")
def namespace(cluster_env: dict[str, str]) -> Iterator[str]:
    name = f"cli-{uuid.uuid4().hex[:8]}"

    async def work(verb: str) -> str:
        async with await client.connect(kubeconfig=cluster_env["KUBECONFIG"]) as cluster:
            if verb == "delete":
                await cluster.delete(kinds.NAMESPACE, None, name)
                return ""
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dev"}}
            await cluster.post(f"/api/v1/namespaces/{name}/serviceaccounts", account)
            binding = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "dev"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "dev", "namespace": name}],
            }
            await cluster.post(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings", binding)
            return await cluster.create_token(name, "dev")

    token = asyncio.run(work("create"))
    os.environ["MAYFLY_TOKEN"] = token
    yield name
    del os.environ["MAYFLY_TOKEN"]
    asyncio.run(work("delete"))


@pytest.fixture
def shell(api, namespace, cluster_env, capsys, monkeypatch) -> Shell:
    monkeypatch.setenv("MAYFLY_API_URL", api)
    monkeypatch.setenv("GATEWAY_URL", cluster_env["GATEWAY_URL"])
    return Shell(namespace, cluster_env["KUBECONFIG"], cluster_env["REGISTRY"], capsys)


@pytest.fixture
def folder(tmp_path):
    """A function folder whose Function the controller leaves alone, so that the test can play its part."""
    (tmp_path / "main.py").write_text("def f(request):\n    return 'hi'\n")
    return write_manifest(tmp_path, f"fn-{uuid.uuid4().hex[:8]}")


def write_manifest(folder, name, spec="{}"):
    paused = 'annotations: {mayfly.dev/paused: "true"}'
    head = "apiVersion: mayfly.dev/v1alpha1\nkind: Function\n"
    (folder / "function.yaml").write_text(f"{head}metadata: {{name: {name}, {paused}}}\nspec: {spec}\n")
    return folder
