"""Mistakes and mishaps: each gets a reason and words that say what to do, and what served goes on serving."""

from __future__ import annotations

import pytest

from mayfly.cluster import kinds
from mayfly.model import labels
from tests.contract.controller import stand_in
from tests.contract.controller.conftest import eventually, find_condition
from tests.contract.controller.test_life import make_ready

pytestmark = pytest.mark.usefixtures("controller")


async def test_a_failed_build_leaves_the_old_revision(cluster, author, builder, serves):
    """Reason, message and log of the new build; URL, image and revision of the old one."""
    builder.succeed(serves)
    before = await make_ready(cluster, author, "hello")
    builder.fail("SyntaxError", "handler.py:3: invalid syntax", "broken")
    await author.apply("hello", "broken")
    failed = await author.until("hello", "Ready", "False", "SyntaxError")
    message = find_condition(failed, "Ready")["message"]
    assert message == "handler.py:3: invalid syntax (revision hello-00001 keeps serving)"
    assert failed["status"]["build"]["log"] == ["one", "two"]
    same = ("url", "image", "revision")
    assert [failed["status"][field] for field in same] == [before["status"][field] for field in same]
    assert find_condition(failed, "Deployed")["status"] == "True"
    asked = len(builder.requests)

    async def told():
        return ("Warning", "SyntaxError") in await author.events("hello")

    await eventually(told)
    mended = await make_ready(cluster, author, "hello", text="v1")
    assert mended["status"]["revision"] == "hello-00001"
    assert len(builder.requests) == asked + 1


async def test_a_build_asked_for_again(cluster, author, builder, serves):
    """A new value of the annotation builds although nothing changed."""
    builder.fail("DependencyFailed", "no wheel for x 1.0")
    await author.apply("hello")
    await author.until("hello", "Built", "False", "DependencyFailed")
    builder.succeed(serves)
    again = {"metadata": {"annotations": {labels.REBUILD: "1"}}}
    await cluster.patch(kinds.FUNCTION, author.namespace, "hello", again)
    await author.until("hello", "Built", "True")
    assert builder.requests[-1].rebuild == "1"


async def test_a_builder_that_is_away_is_waited_for(cluster, author, builder, serves):
    """Unknown, not False: nothing is wrong with the Function, and it goes on by itself."""
    builder.succeed(serves)
    builder.down = True
    await author.apply("hello")
    waiting = await author.until("hello", "Built", "Unknown", "BuilderUnavailable")
    assert "trying again" in find_condition(waiting, "Built")["message"]
    builder.down = False
    await author.until("hello", "Built", "True")


async def test_a_registry_that_is_down_is_waited_for(cluster, author, builder, serves):
    """The builder says that it is temporary."""
    builder.fail("RegistryUnavailable", "the registry does not answer", temporary=True)
    await author.apply("hello")
    await author.until("hello", "Built", "Unknown", "RegistryUnavailable")
    builder.succeed(serves)
    await author.until("hello", "Built", "True")


async def test_a_long_build_is_followed_to_its_end(cluster, author, builder, serves):
    """Nobody asks for it; the key wakes when the builder is done."""
    builder.default = {"state": "running"}
    await author.apply("hello")
    building = await author.until("hello", "Built", "Unknown", "Building")
    assert find_condition(building, "Ready")["reason"] == "Building"
    builder.succeed(serves)
    await author.until("hello", "Built", "True")


async def test_a_crash_at_import_shows_its_traceback(cluster, author, builder, serves):
    """Within seconds, long before Knative gives up; the old revision serves on."""
    builder.succeed(serves)
    await make_ready(cluster, author, "hello")
    builder.succeed(await builder.push(stand_in.CRASH), "broken")
    await author.apply("hello", "broken")
    crashed = await author.until("hello", "Deployed", "False", "CrashedAtStart")
    message = find_condition(crashed, "Deployed")["message"]
    assert "ModuleNotFoundError: No module named 'requests'" in message
    assert "add what provides it to requirements.txt" in message
    assert "(revision hello-00001 keeps serving)" in message
    assert crashed["status"]["revision"] == "hello-00001"
    assert crashed["status"]["url"]


async def test_too_little_memory(author, builder):
    """The limit and the field that raises it."""
    builder.succeed(await builder.push(stand_in.HUNGRY))
    await author.apply("hello", resources={"memory": "32Mi"})
    killed = await author.until("hello", "Deployed", "False", "OutOfMemory")
    assert "spec.resources.memory (32Mi)" in find_condition(killed, "Deployed")["message"]


async def test_an_image_that_is_gone(author, builder):
    """Built, but nowhere to be pulled from."""
    builder.succeed(f"{builder.registry}/mayfly/gone@sha256:{'0' * 64}")
    await author.apply("hello")
    failed = await author.until("hello", "Deployed", "False", "ImagePullFailed")
    assert f"{builder.registry}/mayfly/gone@sha256:000" in find_condition(failed, "Deployed")["message"]


async def test_a_ready_image_that_does_not_exist(author, builder):
    """Knative looks the tag up; its words and the field to correct."""
    await author.apply("hello", source={"image": f"{builder.registry}/mayfly/never:1"})
    failed = await author.until("hello", "Deployed", "False", "ImageNotFound")
    assert find_condition(failed, "Built")["reason"] == "ImageProvided"
    assert "correct spec.source.image" in find_condition(failed, "Deployed")["message"]


async def test_a_ready_image_is_run_by_digest(cluster, author, serves):
    """The status names what runs, not the moving tag."""
    function = await make_ready(cluster, author, "hello", source={"image": serves})
    assert function["status"]["image"] == serves
    assert "build" not in function["status"]


async def test_an_image_that_runs_as_root(author, builder):
    """The base image has no user."""
    await author.apply("hello", source={"image": f"{builder.registry}/mayfly/base-python:3.11"})
    failed = await author.until("hello", "Deployed", "False", "ImageRunsAsRoot")
    assert "give the image a USER" in find_condition(failed, "Deployed")["message"]


async def test_a_quota_that_is_full(cluster, author, builder, serves):
    """Pods are refused: whose rule, and what to lower."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": author.namespace, "name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    await cluster.post(f"/api/v1/namespaces/{author.namespace}/resourcequotas", quota)

    async def counted():
        path = f"/api/v1/namespaces/{author.namespace}/resourcequotas/none"
        found = await cluster._sender.call("GET", path)
        return found.get("status", {}).get("hard")

    await eventually(counted)
    builder.succeed(serves)
    await author.apply("hello")
    failed = await author.until("hello", "Deployed", "False", "QuotaExceeded")
    assert "exceeded quota: none" in find_condition(failed, "Deployed")["message"]


MISSING = {
    "variable": ({"envFrom": [{"secretRef": {"name": "absent"}}]}, "ContainerRefused", "spec.envFrom"),
    "volume": ({"volumes": [{"path": "/x", "secret": {"name": "absent"}}]}, "MountFailed", "spec.volumes"),
}


@pytest.mark.parametrize("case", MISSING)
async def test_a_secret_that_is_missing(author, builder, serves, case):
    """Its name, where the Function names it, and how to do without."""
    spec, reason, named = MISSING[case]
    builder.succeed(serves)
    await author.apply("hello", **spec)
    failed = await author.until("hello", "Deployed", "False", reason)
    message = find_condition(failed, "Deployed")["message"]
    assert 'secret "absent" not found' in message
    assert named in message


async def test_more_memory_than_any_node_has(author, builder, serves):
    """What was asked and what to do."""
    builder.succeed(serves)
    await author.apply("hello", resources={"memory": "999Gi"})
    failed = await author.until("hello", "Deployed", "False", "Unschedulable")
    assert "memory 999Gi; ask for less or add a node" in find_condition(failed, "Deployed")["message"]
