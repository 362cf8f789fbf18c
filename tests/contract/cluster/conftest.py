"""A real API server, and a namespace per test."""

from __future__ import annotations

import contextlib
import uuid

import pytest

from mayfly import errors
from mayfly.cluster import client, kinds
from tests.conftest import read_cluster_env
from tests.contract.cluster import apiserver, faults


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory):
    """A kubeconfig with every right: the running cluster's, or that of an API server started for the tests."""
    path = read_cluster_env().get("KUBECONFIG")
    if path:
        yield path
        return
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as started:
        yield started


@pytest.fixture
async def cluster(kubeconfig):
    async with await client.connect(kubeconfig=kubeconfig) as connected:
        yield connected


@pytest.fixture
async def namespace(cluster):
    """A namespace of the test's own, deleted afterwards."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for obj in await cluster.list(kinds.CONFIGMAP, name):
        if obj["metadata"].get("finalizers"):
            await cluster.patch(kinds.CONFIGMAP, name, obj["metadata"]["name"], {"metadata": {"finalizers": None}})
    with contextlib.suppress(Exception):
        await cluster.delete(kinds.NAMESPACE, None, name)


@pytest.fixture
async def proxy(cluster):
    """The API server behind a proxy that can be told to misbehave."""
    async with faults.FaultProxy(cluster).serving() as serving:
        yield serving


@pytest.fixture
async def shaky(proxy):
    """The cluster through the proxy."""
    async with proxy.connect() as connected:
        yield connected


def config_map(namespace, name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}, "data": data}


async def default_service_account(cluster, namespace):
    """Make the account that pods need, if the cluster has no controller that does."""
    obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
    with contextlib.suppress(errors.Conflict):
        await cluster.create(obj)
