"""The Event of growing dead letters on the real API server."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

from mayfly.cluster import events, kinds
from mayfly.eventing import alarm
from mayfly.model import names
from tests.contract.cluster.conftest import cluster, kubeconfig, namespace  # noqa: F401
from tests.contract.eventing import clock as clocks

DEADLINE = 30.0


@contextlib.asynccontextmanager
async def running(*works):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def test_the_owner_sees_that_dead_letters_grow(cluster, namespace, monkeypatch):  # noqa: F811
    """As ``kubectl describe function mail`` shows it: a warning with number, last reason and command."""
    monkeypatch.setattr(alarm, "GATHER_SECONDS", 0.1)
    recorder = events.Recorder(cluster, component=names.EVENTING, instance="pod-1")
    function = clocks.make_function("mail", namespace=namespace, uid=str(uuid.uuid4()))
    one = alarm.Alarm(recorder=recorder, known=clocks.make_known(function))
    async with asyncio.timeout(DEADLINE), running(recorder.run, one.run):
        for reason in ("Expired", "RetriesExhausted"):
            one.dead((namespace, "mail"), reason)
        selector = f"involvedObject.uid={function['metadata']['uid']},reason={alarm.REASON}"
        while not (found := await cluster.list(kinds.EVENT, namespace, fields=selector)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    (event,) = found
    about = event["involvedObject"]
    assert (event["type"], about["apiVersion"], about["kind"], about["name"]) == (
        "Warning",
        names.API_VERSION,
        names.KIND,
        "mail",
    )
    assert event["message"] == alarm.make_message("mail", 2, "RetriesExhausted")
