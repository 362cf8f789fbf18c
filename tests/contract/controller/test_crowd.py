"""Many Functions at once: every one gets there, nothing starves, memory stays small.

On an API server of the test's own that knows Knative's kinds but has no Knative, so that the figures are the
controller's and not those of five hundred pods.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys

import pytest

from mayfly.cluster import client, kinds
from mayfly.model import crd
from tests.contract.cluster import apiserver
from tests.contract.controller.conftest import MANAGER, eventually, make_function

CROWD = 500
MOST_BYTES = 300 * 1024 * 1024
IMAGE = "registry.example/x@sha256:" + "0" * 64


@pytest.fixture(scope="module")
def lonely(tmp_path_factory):
    """The kubeconfig of an API server without controllers."""
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as kubeconfig:
        yield kubeconfig


def make_open_crd(kind):
    """Return a CRD that takes any object of ``kind``, with a status subresource."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [version],
        },
    }


def read_resident_bytes(pid):
    """Return the resident memory of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def prepare(cluster, namespace):
    """Make kinds, namespace and ``CROWD`` Functions."""
    for made in (crd.make_crd(), *map(make_open_crd, (kinds.KSERVICE, kinds.REVISION, kinds.KINGRESS))):
        await cluster.apply(made, manager=MANAGER)
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    async def served():
        try:
            return [await cluster.list(kind, namespace) == [] for kind in (kinds.FUNCTION, kinds.KSERVICE)]
        except client.errors.NotFound:
            return None

    await eventually(served)
    wanted = [make_function(namespace, f"fn-{number:03}") for number in range(CROWD)]
    for start in range(0, CROWD, 20):
        await asyncio.gather(*(cluster.apply(one, manager=MANAGER) for one in wanted[start : start + 20]))


async def test_five_hundred_functions_at_once(lonely, builder):
    """All are built and deployed, one Service and a few writes each, in less than 300 MB."""
    builder.succeed(IMAGE)
    namespace = "crowd"
    async with await client.connect(kubeconfig=lonely) as cluster:
        await prepare(cluster, namespace)
        environment = os.environ | {
            "KUBECONFIG": str(lonely),
            "PYTHONPATH": "platform",
            "MAYFLY_NAMESPACE": namespace,
            "MAYFLY_CONTROLLER_NAME": "nobody",
            "MAYFLY_BUILDER_URL": builder.url,
            "MAYFLY_METRICS_PORT": "0",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly.controller"), env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        try:

            async def all_built():
                functions = await cluster.list(kinds.FUNCTION, namespace)
                built = [one for one in functions if (one.get("status") or {}).get("image") == IMAGE]
                return len(built) == CROWD

            await eventually(all_built)
            assert read_resident_bytes(process.pid) < MOST_BYTES
        finally:
            process.terminate()
            assert await process.wait() == 0
        assert len(await cluster.list(kinds.KSERVICE, namespace)) == CROWD
        assert len(builder.requests) == CROWD
