"""The watch cache against a real API server that misbehaves: the copy always ends up the truth."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from mayfly.cluster import kinds, watch
from tests.contract.cluster.conftest import config_map

DEADLINE = 45.0
QUICK = watch.Timing(watch_seconds=60, silence_seconds=1.0)


class Follower:
    """Apply every change a cache tells of, as a controller would, and wait for a state."""

    def __init__(self, cache):
        self.cache = cache
        self.objects = {}
        self.calls = 0
        self._changed = asyncio.Condition()
        cache.add_callback(self._note)

    def _note(self, key, old, new):
        assert self.objects.get(key) == old
        self.calls += 1
        if new is None:
            del self.objects[key]
        else:
            self.objects[key] = new
        self._task = asyncio.ensure_future(self._wake())

    async def _wake(self):
        async with self._changed:
            self._changed.notify_all()

    def data(self):
        found = {key.name: obj.get("data") or {} for key, obj in self.objects.items() if key.name != "kube-root-ca.crt"}
        assert {watch.key_of(obj): obj for obj in self.cache.list()} == self.objects
        return found

    async def until(self, wanted):
        try:
            async with asyncio.timeout(DEADLINE), self._changed:
                await self._changed.wait_for(lambda: self.data() == wanted)
        except TimeoutError:
            assert self.data() == wanted
            raise


@contextlib.asynccontextmanager
async def following(cluster, namespace, timing=QUICK, **options):
    cache = watch.Cache(cluster, kinds.CONFIGMAP, namespace=namespace, timing=timing, **options)
    follower = Follower(cache)
    task = asyncio.create_task(cache.run())
    try:
        async with asyncio.timeout(DEADLINE):
            await cache.synced()
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Retry quickly, so that a test of ten faults takes seconds."""
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.05)


async def test_copies_and_follows(cluster, namespace):
    """What exists is there after the sync; what happens then is told; managed fields are not kept."""
    await cluster.create(config_map(namespace, "a", x="1"))
    async with following(cluster, namespace) as follower:
        await follower.until({"a": {"x": "1"}})
        await cluster.create(config_map(namespace, "b"))
        await cluster.patch(kinds.CONFIGMAP, namespace, "a", {"data": {"x": "2"}})
        await follower.until({"a": {"x": "2"}, "b": {}})
        await cluster.delete(kinds.CONFIGMAP, namespace, "b")
        await follower.until({"a": {"x": "2"}})
        assert "managedFields" not in follower.cache.get(namespace, "a")["metadata"]
        assert follower.cache.get(namespace, "b") is None


async def test_label_selector_sees_objects_come_and_go(cluster, namespace):
    """An object that stops matching the selector is gone from the copy."""
    async with following(cluster, namespace, labels="pick=me") as follower:
        obj = config_map(namespace, "a")
        obj["metadata"]["labels"] = {"pick": "me"}
        await cluster.create(obj)
        await follower.until({"a": {}})
        await cluster.patch(kinds.CONFIGMAP, namespace, "a", {"metadata": {"labels": {"pick": "no"}}})
        await follower.until({})


async def test_gone_is_noticed_by_listing_again(cluster, shaky, proxy, namespace):
    """410 in the middle of a watch: the copy is listed anew and a deletion nobody told of is noticed."""
    await cluster.create(config_map(namespace, "stays"))
    await cluster.create(config_map(namespace, "goes"))
    listed = asyncio.Event()
    expired = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    proxy.add(path="configmaps", watch=True, first=json.dumps(expired).encode(), after=listed)
    async with following(shaky, namespace) as follower:
        await follower.until({"stays": {}, "goes": {}})
        await cluster.delete(kinds.CONFIGMAP, namespace, "goes")
        listed.set()
        await follower.until({"stays": {}})
        assert follower.cache.relists == 2


async def test_an_old_resource_version_is_answered_by_the_real_server(cluster, namespace):
    """A resourceVersion that the server does not know ends in a fresh list, not in a loop of errors."""
    async with following(cluster, namespace) as follower:
        pass
    follower.cache._resource_version = "1"
    task = asyncio.create_task(follower.cache.run())
    await cluster.create(config_map(namespace, "a"))
    await follower.until({"a": {}})
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 410}, id="410"),
        pytest.param({"status": 429, "headers": {"Retry-After": "0"}}, id="429"),
        pytest.param({"status": 403}, id="403"),
        pytest.param({"drop": True}, id="dropped"),
        pytest.param({"stall": True, "watch": True}, id="stalled"),
        pytest.param({"cut_after": 1, "watch": True}, id="cut-inside-an-event"),
        pytest.param({"first": b"{half", "watch": True}, id="rubbish"),
        pytest.param({"repeat": True, "watch": True}, id="duplicate-and-stale-events"),
    ],
)
async def test_every_fault_ends_in_the_same_state(cluster, shaky, proxy, namespace, fault):
    """Whatever happens to six requests in a row, the copy ends as it would without."""
    proxy.add(path="configmaps", times=6, **fault)
    async with following(shaky, namespace) as follower:
        for number in range(12):
            name = f"c{number % 4}"
            await cluster.apply(config_map(namespace, name, n=str(number)), manager="test")
            if number % 4 == 1:
                await cluster.delete(kinds.CONFIGMAP, namespace, name)
        await follower.until({"c0": {"n": "8"}, "c2": {"n": "10"}, "c3": {"n": "11"}})
        assert follower.calls <= 12 + 3 + 1  # no event is told twice; the twelve, the deletions, the CA bundle


async def test_server_that_hangs_up_at_once_causes_no_hot_loop(cluster, shaky, proxy, namespace):
    """While every watch is dropped, tries come ever more seldom."""
    fault = proxy.add(path="configmaps", watch=True, drop=True, times=5)
    async with following(shaky, namespace):
        async with asyncio.timeout(DEADLINE):
            await proxy.used(fault)
    assert sum(is_watch for _, _, is_watch in proxy.seen) <= 6
    lists = [path for method, path, is_watch in proxy.seen if method == "GET" and not is_watch]
    assert len(lists) <= 2


async def test_silence_is_not_trusted(cluster, shaky, proxy, namespace):
    """A watch that stalls after it began is given up, and what happened meanwhile is seen."""
    fault = proxy.add(path="configmaps", watch=True, stall=True)
    async with following(shaky, namespace) as follower:
        await proxy.used(fault)
        await cluster.create(config_map(namespace, "a"))
        await follower.until({"a": {}})
