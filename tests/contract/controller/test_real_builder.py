"""Controller, builder, runtime, registry, Knative: everything real but the gateway."""

from __future__ import annotations

import base64

import aiohttp
import pytest
from aiohttp import test_utils

from mayfly import errors, settings
from mayfly.builder import app
from mayfly.cluster import kinds
from mayfly.model import names
from mayfly.reconcile import observe
from tests.conftest import read_cluster_env
from tests.contract.builder.conftest import cache_dir, prepared_runtime  # noqa: F401
from tests.contract.controller.conftest import Running, eventually, find_condition
from tests.contract.controller.test_life import make_ready

QUEUE_PROXY_PORT = 8012
"""Where Knative's sidecar takes calls (serving ``pkg/networking/constants.go``)."""


@pytest.fixture
def given(prepared_runtime, cache_dir, tmp_path):  # noqa: F811
    """Settings of a builder that pushes to the cluster's registry."""
    registry = read_cluster_env().get("REGISTRY") or pytest.fail("REGISTRY is not set; run `make up`")
    return settings.BuilderSettings(
        registry=f"{registry}/mayfly/contract",
        registry_insecure=True,
        base_images={"python3.11": f"{registry}/mayfly/base-python:3.11"},
        internal_token_file=tmp_path / "token",
        runtime_dir=prepared_runtime,
        work_dir=tmp_path / "work",
        cache_dir=cache_dir,
    )


@pytest.fixture
async def whole(cluster, kubeconfig, functions, given, monkeypatch):
    """A controller with the real builder; the builder gets its token late, as on a fresh installation."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with test_utils.TestServer(app.make_app(given)) as server:
        running = Running(kubeconfig, functions, str(server.make_url("/")))
        await running.start()
        given.internal_token_file.write_bytes(await wait_for_token(cluster, functions))
        yield running
        await running.stop()


async def wait_for_token(cluster, namespace):
    """Return the internal token once the controller has made it."""

    async def made():
        try:
            return await cluster.get(kinds.SECRET, namespace, names.INTERNAL_SECRET)
        except errors.NotFound:
            return None

    return base64.b64decode((await eventually(made))["data"]["token"])


async def call(cluster, function):
    """Return what an instance of the revision that is ready answers."""
    told = function["status"]
    selector = f"{told['selector']},{observe.REVISION_LABEL}={told['revision']}"
    (pod,) = await cluster.list(kinds.POD, function["metadata"]["namespace"], selector)
    url = f"http://{pod['status']['podIP']}:{QUEUE_PROXY_PORT}/"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


@pytest.mark.usefixtures("whole")
async def test_source_in_answer_out(cluster, author):
    """A manifest becomes an image, a pod and an answer; a change becomes the next."""
    source = "def handle(request):\n    return 'hello, {}'\n"
    function = await make_ready(cluster, author, "hello", text=source.format("one"))
    assert function["status"]["signature"] == "http"
    assert function["status"]["handler"] == "handler:handle"
    assert function["status"]["signatureReason"]
    assert await call(cluster, function) == (200, "hello, one")
    function = await make_ready(cluster, author, "hello", text=source.format("two"))
    assert function["status"]["revision"] == "hello-00002"
    assert await call(cluster, function) == (200, "hello, two")


WRONG = {
    "syntax": ("def handle(request)\n    return 1\n", "Built", "SyntaxError", "handler.py:1"),
    "import": (
        "import no_such_module\n\ndef handle(request):\n    return 1\n",
        "Deployed",
        "CrashedAtStart",
        "No module named 'no_such_module'",
    ),
    "no handler": ("x = 1\n", "Built", "HandlerNotFound", "handle"),
}


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("case", WRONG)
async def test_a_mistake_in_the_source(author, case):
    """Where and what, in the condition."""
    text, kind, reason, said = WRONG[case]
    await author.apply("hello", text=text)
    failed = await author.until("hello", kind, "False", reason)
    assert said in find_condition(failed, kind)["message"]
