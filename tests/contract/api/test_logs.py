"""The log of a Function's instances, whole and followed."""

from __future__ import annotations

import json

import pytest

from tests.contract import pods
from tests.contract.api.conftest import make_function


@pytest.fixture(scope="module")
def function(world):
    """A Function with one running instance that has written three lines."""
    name = "logged"
    with world.as_user("editor") as http:
        assert http.post(f"/v1/namespaces/{world.namespace}/functions", json=make_function(name)).status_code == 201
    start_pod(world, name, "logged-1", ["one", "two", "three"])
    return name


def start_pod(world, function, name, lines):
    pod = pods.make_pod(name, namespace=world.namespace, function=function, registry=world.registry, lines=lines)

    async def start(cluster):
        await cluster.create(pod)
        await pods.wait_running(cluster, world.namespace, name)

    world.on_cluster(start)


def read(world, function, *, until, **query):
    """Return the stream's lines up to the one that has ``until`` in it."""
    found = []
    path = f"/v1/namespaces/{world.namespace}/functions/{function}/logs"
    with world.as_user("viewer") as http, http.stream("GET", path, params=query) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            found.append(line)
            if until in line:
                return found
    raise AssertionError(found)


def test_a_log_is_followed_through_new_instances(world, function):
    """A follower sees what was there, and then an instance that came after it began."""
    path = f"/v1/namespaces/{world.namespace}/functions/{function}/logs"
    with world.as_user("viewer") as http, http.stream("GET", path, params={"follow": "true"}) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == ["logged-1 one", "logged-1 two", "logged-1 three"]
        start_pod(world, function, "logged-2", ["four"])
        assert next(lines) == "logged-2 four"


def test_tail_keeps_the_last_lines(world, function):
    assert read(world, function, until="logged-1 three", tail=1) == ["logged-1 three"]


def test_events_carry_the_instance(world, function):
    path = f"/v1/namespaces/{world.namespace}/functions/{function}/logs"
    with world.as_user("viewer", Accept="text/event-stream") as http:
        answer = http.get(path, params={"tail": 1})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
    assert {"instance": "logged-1", "text": "three"} in events
