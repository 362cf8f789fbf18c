"""Knative Eventing's own controllers deliver to Functions: docs/knative-eventing.md, applied as written there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.person import ROOT, User, make_user, wait_until

TEXT = (ROOT / "docs" / "knative-eventing.md").read_text()

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]  # the first installation builds Eventing


@pytest.fixture(scope="module")
def sleeper(cluster_env: dict[str, str]) -> Iterator[User]:
    """A user whose Function is ready and goes to sleep while the other tests run."""
    with make_user(cluster_env) as user:
        apply(user, "A clock", "Function")
        yield user


@pytest.fixture(scope="module", autouse=True)
def eventing(sleeper: User) -> Iterator[None]:
    """Install Knative Eventing for these tests, and remove it unless it was there before."""
    found = sleeper.run("kubectl", "get", "namespace", "knative-eventing")
    command = [sys.executable, "-m", "cluster", "eventing"]
    subprocess.run(command, check=True, cwd=ROOT, env=sleeper.env, timeout=540)
    yield
    if found.code:
        subprocess.run([*command, "--remove"], check=True, cwd=ROOT, env=sleeper.env, timeout=540)


def manifests(heading: str) -> list[dict[str, Any]]:
    """Return the objects under a heading, their Functions with so little CPU that all of them fit on a small node."""
    [section] = [part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE) if part.startswith(heading)]
    blocks = re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
    objects = [obj for block in blocks for obj in yaml.safe_load_all(block)]
    for obj in objects:
        if obj["kind"] == "Function":
            obj["spec"]["resources"] = {"cpu": "20m"}
    return objects


def apply(user: User, heading: str, *kinds: str) -> None:
    """Apply what stands under a heading, of these kinds or of all, and wait until it is Ready, as far as it can be."""
    applied = [obj for obj in manifests(heading) if not kinds or obj["kind"] in kinds]
    for obj in applied:
        user.apply(obj)
    for obj in applied:
        if obj["kind"] != "Job":
            name = f"{obj['kind']}.{obj['apiVersion'].split('/')[0]}/{obj['metadata']['name']}"
            user.kubectl("wait", "--for=condition=Ready", name.lower(), "--timeout=90s")


def pods(user: User, function: str) -> str:
    return user.kubectl("get", "pods", "-l", f"serving.knative.dev/service={function}", "-o", "name")


def received(user: User, function: str) -> dict[str, dict[str, Any]]:
    """Return the events that the Function printed, by id: attributes with ``data`` added. A repetition counts once."""
    selector = f"serving.knative.dev/service={function}"
    logs = user.run("kubectl", "-n", user.namespace, "logs", "-l", selector, "-c", "user-container", "--tail=-1").out
    lines = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
    return {line["got"]["id"]: {**line["got"], "data": line["data"]} for line in lines if "got" in line}


def test_every_manifest_is_tried() -> None:
    """A section with a manifest has a test that applies it."""
    tested = set(re.findall(r'apply\(user, "(.*?)"', Path(__file__).read_text()))
    written = {part.split("\n", 1)[0] for part in re.split(r"^## ", TEXT, flags=re.MULTILINE) if "```yaml" in part}
    assert written == tested


def runs_with_sink(user: User, function: str) -> bool:
    """Tell whether the newest revision knows its sink and serves."""
    service = user.get("ksvc", function)
    [container] = service["spec"]["template"]["spec"]["containers"]
    status = service["status"]
    return (
        "K_SINK" in {item["name"] for item in container["env"]}
        and status["observedGeneration"] == service["metadata"]["generation"]
        and status["latestReadyRevisionName"] == status["latestCreatedRevisionName"]
        and all(condition["status"] == "True" for condition in status["conditions"])
    )


def order(user: User, state: str) -> dict[str, Any]:
    """Send an order's event into the broker, by a Function, and return what the broker did with it."""
    answer = user.call("checkout", "/", "POST", json={"id": "o-1", "state": state})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_broker_filters_and_takes_replies(user: User) -> None:
    """Each Function gets what its trigger wants and nothing else, attributes as sent; a reply goes on as an event."""
    apply(user, "A broker")
    wait_until(lambda: runs_with_sink(user, "checkout"), 60, "the SinkBinding's revision")
    assert order(user, "cancelled") == {"broker": 202}
    assert order(user, "created") == {"broker": 202}

    common = {"specversion": "1.0", "subject": "o-1", "datacontenttype": "application/json"}
    sent = common | {"source": "/functions/checkout", "tenant": "blue"}
    wait_until(lambda: len(received(user, "mail")) > 1, 30, "both mails")
    [created] = received(user, "confirm").values()
    assert created.pop("knativearrivaltime")
    data = {"id": "o-1", "state": "created"}
    assert created == sent | {"id": "o-1-created", "type": "com.shop.order.created", "data": data}
    mails = received(user, "mail")
    assert set(mails) == {"o-1-cancelled", "o-1-created-confirmed"}
    assert mails["o-1-cancelled"].items() >= (sent | {"type": "com.shop.order.cancelled"}).items()
    reply = common | {"source": "/functions/confirm", "type": "com.shop.order.confirmed", "data": {"order": "o-1"}}
    assert mails["o-1-created-confirmed"].items() >= reply.items()


def test_a_job_finds_the_function_by_a_sink_binding(user: User) -> None:
    """The binding gives a Job the Function's address and the attributes to add, and the Job's event arrives."""
    apply(user, "A job", "Function", "SinkBinding")
    hook = "mutatingwebhookconfiguration/sinkbindings.webhook.sources.knative.dev"
    user.kubectl("wait", hook, '--for=jsonpath={.webhooks[0].rules[?(@.resources[0]=="jobs/*")].scope}=*')
    [job] = [obj for obj in manifests("A job") if obj["kind"] == "Job"]
    # The only thing that is changed: this cluster has no image registry but its own.
    job["spec"]["template"]["spec"]["containers"][0]["image"] = f"{user.env['REGISTRY']}/mayfly/base-python:3.11"
    user.apply(job)
    user.kubectl("wait", "--for=condition=Complete", "job/import", "--timeout=60s")
    event = wait_until(lambda: received(user, "report"), 30, "the report")["import-7"]
    assert (event["origin"], event["data"]) == ("import", {"products": 42})


def test_a_clock_wakes_a_function(sleeper: User) -> None:
    """A PingSource finds the Function by reference, and its event starts the instance that gets it."""
    user = sleeper
    wait_until(lambda: not pods(user, "reminder"), 120, "the Function to sleep")
    apply(user, "A clock", "PingSource")
    [event, *_] = wait_until(lambda: received(user, "reminder"), 60, "a tick").values()
    assert event["type"] == "dev.knative.sources.ping"
    assert event["source"] == f"/apis/v1/namespaces/{user.namespace}/pingsources/every-five-seconds"
    assert (event["datacontenttype"], event["data"]) == ("application/json", {"remind": "stock"})
