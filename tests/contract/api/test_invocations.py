"""Invocations over REST: passed on to a real store in the caller's name, and back with every problem."""

from __future__ import annotations

import json
import os
import time

import pytest

from mayfly.store import ids, records
from tests import ports
from tests.contract import pods
from tests.contract.api.conftest import start
from tests.contract.eventing import world as worlds
from tests.contract.store import make

EVENT = {"ce-specversion": "1.0", "ce-type": "com.shop.order", "ce-source": "/shop", "Content-Type": "text/csv"}


@pytest.fixture
def space(world):
    return f"/v1/namespaces/{world.namespace}"


def bring(world, invocations, state, **changes):
    now = time.time()
    place = {"namespace": world.namespace, "now": now, "due": now + 3600 * (state == "waiting")}
    return invocations.run(make.bring(invocations.store, state, **place, **changes))


def test_an_event_reaches_the_store_byte_for_byte_in_its_senders_name(world, invocations, space):
    invocations.put(world.namespace, "ledger", triggers=[{"event": {"type": "com.shop.order"}}])
    body = bytes(range(256)) * 400
    with world.as_user("editor", **EVENT, **{"ce-id": "1", "ce-note": "%E2%82%AC"}) as http:
        answer = http.post(f"{space}/events", content=body)
        again = http.post(f"{space}/events", content=body)
    assert (answer.status_code, again.status_code) == (202, 202)
    [delivery] = answer.json()["deliveries"]
    assert again.json()["deliveries"] == [{**delivery, "duplicate": True}]
    stored, message, kept = invocations.find(world.namespace, delivery["id"])
    assert (message.body, stored.function) == (body, "ledger")
    assert {("ce-note", "%E2%82%AC"), ("content-type", "text/csv")} <= set(message.headers)
    assert kept.client == f"system:serviceaccount:{world.namespace}:editor"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, b"{}", 400),
        ({"Content-Type": "application/cloudevents+json"}, b"[" * 5000, 413),
        ({"Content-Type": "application/cloudevents+xml"}, b"<a/>", 415),
        ({"Content-Type": "application/cloudevents-batch+json"}, b" " * (4 * 1024 * 1024 + 1), 413),
    ],
    ids=["no event", "deep", "another format", "large"],
)
def test_what_is_no_event_is_refused_as_the_eventing_process_says(world, space, headers, body, status):
    with world.as_user("editor", **headers) as http:
        answer = http.post(f"{space}/events", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_no_credential_of_the_caller_goes_on_and_nobody_can_pose_as_another(world, invocations, space):
    """The headers by which the platform's processes know each other are the API's own."""
    forged = {"x-mayfly-client": "root", "x-mayfly-token": "x", "x-mayfly-async": "call", "x-mayfly-namespace": "bank"}
    invocations.put(world.namespace, "posed", triggers=[{"event": {"type": "posed"}}])
    with world.as_user("editor", **EVENT, **forged, **{"ce-id": "2"}) as http:
        http.headers["ce-type"] = "posed"
        [delivery] = http.post(f"{space}/events", content=b"x").json()["deliveries"]
        assert http.get(f"{space}/invocations/{delivery['id']}").status_code == 200
    _, message, kept = invocations.find(world.namespace, delivery["id"])
    assert kept.client == f"system:serviceaccount:{world.namespace}:editor"
    assert not [name for name, _ in message.headers if name == "authorization" or name.startswith("x-")]


def test_an_invocation_is_read_with_all_that_belongs_to_it(world, invocations, space):
    identity = bring(world, invocations, "dead")
    with world.as_user("viewer") as http:
        assert http.get(f"{space}/invocations/{identity}").json()["state"] == "dead"
        assert len(http.get(f"{space}/invocations/{identity}/attempts").json()["items"]) == 1
        assert http.get(f"{space}/invocations/{identity}/result").json()["bodyBase64"] == "/w=="
        assert http.get(f"{space}/invocations/{identity}/message").json()["path"] == "/p?q=1"
        listed = http.get(f"{space}/invocations", params={"state": "dead", "function": "mail", "limit": 500}).json()
        assert identity in [one["id"] for one in listed["items"]]
        assert identity in [one["id"] for one in http.get(f"{space}/dead-letters").json()["items"]]
        assert "mail" in [one["function"] for one in http.get(f"{space}/queues").json()["items"]]


def test_an_invocation_is_steered(world, invocations, space):
    dead, waiting = bring(world, invocations, "dead"), bring(world, invocations, "waiting")
    with world.as_user("editor") as http:
        assert http.post(f"{space}/invocations/{waiting}/cancel").json()["state"] == "cancelled"
        assert invocations.abandoned[-1] == waiting
        assert http.post(f"{space}/invocations/{dead}/redrive").json()["state"] == "waiting"
        made = http.post(f"{space}/invocations/{waiting}/replay", json={"revision": "mail-00002"})
        assert (made.status_code, made.json()["revision"]) == (201, "mail-00002")
        assert http.get(made.headers["location"]).json()["parent"] == waiting
        refused = http.post(f"{space}/invocations/{waiting}/cancel")
    assert (refused.status_code, refused.json()["reason"]) == (409, "WrongState")
    assert "is cancelled: " in refused.json()["detail"]


def test_dead_letters_are_redriven_and_purged(world, invocations, space):
    for _ in range(2):
        bring(world, invocations, "dead", function="late")
    with world.as_user("editor") as http:
        first = http.post(f"{space}/dead-letters/redrive", params={"function": "late", "limit": 1}).json()
        assert first["redriven"] == 1
        assert first["cursor"]
        assert http.delete(f"{space}/dead-letters", params={"function": "late"}).json()["purged"] == 1


def test_a_misspelt_condition_is_an_error_and_deletes_nothing(world, invocations, space):
    identity = bring(world, invocations, "dead")
    with world.as_user("editor") as http:
        answer = http.delete(f"{space}/dead-letters", params={"fucntion": "nobody"})
        assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidQuestion")
        assert http.get(f"{space}/invocations/{identity}").json()["state"] == "dead"


def test_a_wait_is_passed_on(world, invocations, space):
    """Prefer: wait holds the answer back, and no longer than it says."""
    identity = bring(world, invocations, "waiting")
    with world.as_user("viewer", Prefer="wait=1") as http:
        began = time.monotonic()
        answer = http.get(f"{space}/invocations/{identity}/result")
    assert time.monotonic() - began >= 1
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert answer.headers["retry-after"] == "30"


def test_another_namespaces_invocation_is_unknown(world, invocations, space):
    identity = bring(world, invocations, "dead")
    with world.as_user("stranger") as http:
        assert http.get(f"/v1/namespaces/{world.other}/invocations/{identity}").status_code == 404
        assert http.get(f"{space}/invocations/{identity}").status_code == 403
    with world.as_user("viewer") as http:
        assert http.get(f"/v1/invocations/{identity}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/../../bank/invocations", "/%2e%2e/%2e%2e/bank/queues", "/x%2Fcancel", "/x%3Flimit=1"]
)
def test_no_path_leads_out_of_the_namespace(world, space, path):
    with world.as_user("editor") as http:
        assert http.get(f"{space}/invocations{path}").status_code in {403, 404, 405}


# -- without its other half --


def test_without_a_token_or_with_a_wrong_one_nothing_is_asked(cluster_env, eventing, world, tmp_path):
    """The API fails closed, and takes a token that comes later without a restart."""
    env = {**os.environ, "KUBECONFIG": cluster_env["KUBECONFIG"]}
    file = tmp_path / "token"
    settings = {**eventing[1], "internal_token_file": str(file)}
    process, base = start(env, registry=f"{world.registry}/mayfly", registry_insecure="true", **settings)
    try:
        with world.as_user("viewer") as http:
            path = f"{base}/v1/namespaces/{world.namespace}/queues"
            for token in (None, "", "wrong"):
                if token is not None:
                    file.write_text(token)
                answer = http.get(path)
                assert (answer.status_code, answer.json()["reason"]) == (503, "EventingUnavailable")
                assert int(answer.headers["retry-after"]) >= 1
            file.write_text(worlds.TOKEN)
            assert http.get(path).status_code == 200
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(
    ("url", "refusal"),
    [("", (404, "NoEvents")), ("http://127.0.0.1:{port}", (503, "EventingUnavailable"))],
    ids=["none", "gone"],
)
def test_an_installation_without_events_says_so(cluster_env, eventing, world, url, refusal):
    env = {**os.environ, "KUBECONFIG": cluster_env["KUBECONFIG"]}
    settings = {**eventing[1], "eventing_url": url.format(port=ports.free_port())}
    process, base = start(env, registry=f"{world.registry}/mayfly", registry_insecure="true", **settings)
    try:
        with world.as_user("editor") as http:
            for method, path in (("GET", "queues"), ("POST", "events"), ("GET", "invocations/x/logs")):
                answer = http.request(method, f"{base}/v1/namespaces/{world.namespace}/{path}")
                assert (answer.status_code, answer.json()["reason"]) == refusal
        assert "chart value events.enabled" in answer.text or answer.headers["retry-after"]
    finally:
        process.terminate()
        process.wait(30)


# -- logs --


def test_the_log_of_an_invocation_is_what_the_instances_wrote_while_they_worked_on_it(world, invocations, space):
    identity, other = bring(world, invocations, "waiting", function="talker"), ids.make_id(time.time())
    lines = [
        pods.make_line("first attempt", request_id=identity),
        pods.make_line("somebody else's", request_id=other),
        f"plain text about {identity}",
        pods.make_line("second attempt", request_id=identity, exception=f"Traceback of {other}"),
        "end",
    ]
    pod = pods.make_pod("talker-1", namespace=world.namespace, function="talker", registry=world.registry, lines=lines)

    async def begin(cluster):
        await cluster.create(pod)
        await pods.wait_running(cluster, world.namespace, "talker-1")

    world.on_cluster(begin)
    found = []
    path = f"{space}/invocations/{identity}/logs"
    with world.as_user("viewer") as http, http.stream("GET", path, params={"follow": "true"}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            found.append(json.loads(line.removeprefix("talker-1 "))["message"])
            if len(found) == 2:
                break
    assert found == ["first attempt", "second attempt"]


def test_states_of_the_interface_are_those_of_the_store():
    assert {state.value for state in records.State} == {"waiting", "leased", "delivered", "dead", "cancelled"}
