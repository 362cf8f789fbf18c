"""Events on a real API server."""

from __future__ import annotations

import pytest

from mayfly.cluster import events, kinds
from tests.contract.cluster.conftest import config_map


@pytest.fixture
async def subject(cluster, namespace):
    return await cluster.create(config_map(namespace, "subject"))


async def stored(cluster, namespace):
    found = await cluster.list(kinds.EVENT, namespace, fields="involvedObject.name=subject")
    return [(event["type"], event["reason"], event["message"], event["count"]) for event in found]


@pytest.fixture
def recorder(cluster, monkeypatch):
    monkeypatch.setattr(events, "REPEAT_SECONDS", 0.0)
    return events.Recorder(cluster, component="mayfly-controller", instance="pod-1")


async def test_repetition_counts_up(cluster, namespace, subject, recorder):
    """The same again raises the count of the stored Event, as ``kubectl describe`` shows it."""
    recorder.record(subject, reason="Built", message="image is there")
    await recorder.flush()
    for _ in range(3):
        recorder.record(subject, reason="Built", message="image is there")
    recorder.record(subject, reason="BuildFailed", message="no handler", warning=True)
    await recorder.flush()
    assert sorted(await stored(cluster, namespace)) == [
        ("Normal", "Built", "image is there", 4),
        ("Warning", "BuildFailed", "no handler", 1),
    ]


async def test_an_event_the_server_forgot_is_stored_anew(cluster, namespace, subject, recorder):
    """The API server forgets Events after an hour; the next repetition starts a new one."""
    recorder.record(subject, reason="Built", message="m")
    await recorder.flush()
    for event in await cluster.list(kinds.EVENT, namespace):
        await cluster.delete(kinds.EVENT, namespace, event["metadata"]["name"])
    recorder.record(subject, reason="Built", message="m")
    await recorder.flush()
    assert await stored(cluster, namespace) == [("Normal", "Built", "m", 2)]


async def test_trouble_never_reaches_the_caller(shaky, proxy, cluster, subject, monkeypatch):
    """A failing API delays an Event; a hopeless one is dropped and counted; neither raises."""
    monkeypatch.setattr(events, "REPEAT_SECONDS", 0.0)
    recorder = events.Recorder(shaky, component="mayfly-controller", instance="pod-1")
    proxy.add(path="events", status=500, times=2)
    recorder.record(subject, reason="Built", message="m")
    await recorder.flush()
    assert await stored(cluster, subject["metadata"]["namespace"]) == [("Normal", "Built", "m", 1)]
    recorder.record({"no": "metadata"}, reason="Odd", message="m")
    gone = {**subject, "metadata": {**subject["metadata"], "namespace": "no-such-namespace"}}
    recorder.record(gone, reason="Built", message="m")
    await recorder.flush()
    assert recorder.dropped == 1
