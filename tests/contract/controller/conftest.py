"""The Function API on a real API server, and the controller in this process beside it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid

import pytest

from mayfly import errors
from mayfly.cluster import kinds
from mayfly.model import crd
from tests.contract.cluster.conftest import cluster, kubeconfig, namespace  # noqa: F401

MANAGER = "contract-tests"
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
    """Return a Function; without ``source`` it has an inline one."""
    return {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {
            "namespace": namespace,
            "name": name or f"fn-{uuid.uuid4().hex[:6]}",
            "annotations": annotations or {},
        },
        "spec": {"source": {"inline": {"handler.py": "def handle(request):\n    return 'ok'\n"}}} | spec,
    }
