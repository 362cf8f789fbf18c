"""The controller while the API server misbehaves, and while it is killed itself: the same end as without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys

import pytest
import yaml

from mayfly import errors
from mayfly.cluster import kinds
from mayfly.model import names
from tests.contract.cluster.conftest import proxy  # noqa: F401
from tests.contract.controller.conftest import INGRESS_CLASS, Running, eventually, find_condition
from tests.contract.controller.test_life import make_ready

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
SEED = 20261121


@pytest.fixture
async def shaky(proxy, functions, builder, monkeypatch, tmp_path):  # noqa: F811
    """A controller, not started yet, that sees the API server through the misbehaving proxy."""
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path, proxy.url)))
    running = Running(None, functions, builder.url)
    running.builder = builder
    yield running
    if running.task is not None:
        await running.stop()


def write_kubeconfig(folder, url):
    """Return the path of a kubeconfig for a server that asks for no credentials."""
    named = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": url}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(named))
    return path


FAULTS = {
    "conflict": [{"status": 409, "method": "PATCH", "path": "/services/", "times": 2}],
    "throttled": [{"status": 429, "method": "PATCH", "headers": {"Retry-After": "1"}, "times": 2}],
    "server error": [{"status": 500, "method": "PATCH", "times": 3}],
    "hang up on a write": [{"drop": True, "method": "PATCH", "times": 3}],
    "hang up on reads": [{"drop": True, "method": "GET", "watch": False, "times": 4}],
    "expired watch": [{"status": 410, "watch": True, "times": 4}],
    "cut watch": [{"cut_after": 1, "watch": True, "path": kind, "times": 2} for kind in ("functions", "services")],
    "repeated and late events": [{"repeat": True, "watch": True, "times": 9}],
    "forbidden for a while": [{"status": 403, "method": "PATCH", "path": "/status", "times": 2}],
}  # fmt: skip


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_trouble_with_the_api_server_changes_nothing_in_the_end(author, serves, shaky, proxy, faults):  # noqa: F811
    """One revision, one image, Ready; and no storm of writes on the way."""
    shaky.builder.succeed(serves)
    for fault in faults:
        proxy.add(**fault)
    await shaky.start()
    function = await make_ready(author.cluster, author, "hello")
    assert function["status"]["image"] == serves
    assert await author.revisions("hello") == ["hello-00001"]
    about = [path for method, path, _ in proxy.seen if method in WRITES and "/hello" in path]
    assert len(about) < 20


async def test_a_webhook_that_is_down_is_told(author, serves, shaky, proxy):  # noqa: F811
    """What cannot be applied is in the status, not in our log alone, and goes on by itself."""
    shaky.builder.succeed(serves)
    fault = proxy.add(status=500, method="PATCH", path="/services/hello", times=10**6)
    await shaky.start()
    await author.apply("hello")
    waiting = await author.until("hello", "Deployed", "Unknown", "ClusterUnreachable")
    assert "trying again by itself" in find_condition(waiting, "Ready")["message"]
    fault.times = 0
    await author.until("hello", "Deployed", "True")
    assert len(shaky.builder.requests) == 1


async def test_sigkill_at_any_moment(author, serves, shaky, proxy):  # noqa: F811
    """Ten lives, each ended by SIGKILL after some requests, over one creation and one update: two revisions."""
    cluster, builder = author.cluster, shaky.builder
    builder.succeed(serves)
    chance = random.Random(SEED)  # a start takes about nine requests, a turn four
    lives = [chance.randint(6, 14) for _ in range(10)]
    await author.apply("hello")
    for number, requests in enumerate(lives):
        if number == len(lives) // 2:
            await first_revision(author)
            await author.apply("hello", timeout="7s")
        await live_and_die(author.namespace, builder.url, proxy, requests)
        await forget_lease(cluster, author.namespace)
    await shaky.start()
    function = await make_ready(cluster, author, "hello", timeout="7s")
    assert await author.revisions("hello") == ["hello-00001", "hello-00002"]
    assert function["status"]["revision"] == "hello-00002"


async def first_revision(author):
    """Return once Knative has made the first revision, or at once when no life so far got as far as a Service."""

    async def made():
        return await author.service("hello") is None or await author.revisions("hello")

    await eventually(made)


async def forget_lease(cluster, namespace):
    """Remove the Lease of a process that is dead, or its successor would wait for it to run out."""
    with contextlib.suppress(errors.NotFound):
        await cluster.delete(kinds.LEASE, namespace, names.CONTROLLER)


async def live_and_die(namespace, builder_url, proxy, requests):  # noqa: F811
    """Run the controller as a process of its own and kill it after so many requests of it."""
    environment = os.environ | {
        "PYTHONPATH": "platform",
        "MAYFLY_NAMESPACE": namespace,
        "MAYFLY_POD_NAME": "life",
        "MAYFLY_CONTROLLER_NAME": namespace,
        "MAYFLY_BUILDER_URL": builder_url,
        "MAYFLY_INGRESS_CLASS": INGRESS_CLASS,
        "MAYFLY_METRICS_PORT": "0",
    }
    before = len(proxy.seen)
    life = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly.controller"), env=environment, stderr=asyncio.subprocess.DEVNULL
    )

    async def spent():
        return len(proxy.seen) - before >= requests

    try:
        await eventually(spent)
    finally:
        life.kill()
        await life.wait()
