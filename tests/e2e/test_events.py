"""Events, schedules and asynchronous calls on the real platform: through the gateway, by the command, past failures."""

from __future__ import annotations

import collections
import concurrent.futures
import json
import time
from typing import Any

import httpx2
import pytest

from tests.e2e.person import FUNCTIONS, User, make_function, wait_until

KEY = "0f4c2a91d7e84b3c9a55"
EVENTS_HOST = "events.mayfly.localhost"
LIGHT = {"resources": {"cpu": "20m"}}
COUNTER = """
import collections, threading
COUNTS = collections.Counter()
LOCK = threading.Lock()

def count(request):
    if request.method == "GET":
        return dict(COUNTS)
    with LOCK:
        COUNTS[request.headers.get("ce-id", request.path)] += 1
    return "", 204
"""


def invocations(user: User, *options: str) -> list[dict[str, Any]]:
    done = user.mayfly("invocations", "list", "--limit", "500", "-o", "json", *options)
    assert done.code == 0, done.err
    return list(json.loads(done.out)["items"])


def dead_letters(user: User, name: str) -> list[dict[str, Any]]:
    done = user.mayfly("dlq", "list", name, "-o", "json")
    assert done.code == 0, done.err
    return list(json.loads(done.out)["items"])


def states(user: User, name: str) -> collections.Counter[str]:
    return collections.Counter(item["state"] for item in invocations(user, "--function", name))


def post_event(user: User, name: str, kind: str = "com.shop.counted", **headers: str) -> httpx2.Response:
    attributes = {"ce-specversion": "1.0", "ce-id": name, "ce-source": "/e2e", "ce-type": kind}
    return httpx2.post(
        f"{user.gateway_url}/events/{user.namespace}",
        headers={"host": EVENTS_HOST, "x-api-key": KEY, "content-type": "application/json", **attributes, **headers},
        content=b"{}",
        timeout=30,
    )


def open_events(user: User) -> None:
    user.kubectl("create", "secret", "generic", "mayfly-event-keys", f"--from-literal=e2e={KEY}")


def test_an_order_flows_through_the_shop_and_a_failing_mail_is_sent_again(user: User) -> None:
    """Order, payment, stock, mail; the mail's provider is away, so it ends as a dead letter, and is redriven."""
    url = f"http://provider.{user.namespace}.svc.cluster.local/send"
    user.kubectl("create", "configmap", "mail", f"--from-literal=url={url}")
    user.apply(make_function("provider", {"main.py": "def take(request):\n    return '', 503\n"}, **LIGHT))
    for name in ("order-created", "payment", "stock", "mail"):
        done = user.mayfly("deploy", str(FUNCTIONS / name))
        assert done.code == 0, done.err
    order = {"id": "o-1", "lines": [{"cents": 1250, "quantity": 2}]}
    done = user.mayfly("events", "send", "com.shop.order.created", "--id", "o-1", "--data", json.dumps(order))
    assert done.code == 0, done.err
    [letter] = wait_until(lambda: dead_letters(user, "mail"), 60, "the mail is a dead letter")
    assert (letter["reason"], letter["attempts"], letter["status"]) == ("RetriesExhausted", 3, 500)
    for name in ("order-created", "payment", "stock"):
        assert states(user, name) == {"delivered": 1}, name
    wait_until(lambda: "DeadLetters" in user.kubectl("describe", "fn", "mail"), 30, "describe tells of dead letters")

    code = "def take(request):\n    print('mail', request.get_json()['subject'])\n    return '', 202\n"
    user.apply(make_function("provider", {"main.py": code}, **LIGHT))
    wait_until(lambda: user.get("fn", "provider")["status"].get("revision") == "provider-00002", 60, "it is back")
    user.wait_ready("provider")
    done = user.mayfly("dlq", "redrive", "mail")
    assert done.code == 0, done.err
    wait_until(lambda: states(user, "mail") == {"delivered": 1}, 60, "the mail is delivered")
    assert not dead_letters(user, "mail")
    [mail] = invocations(user, "--function", "mail")
    assert (mail["id"], mail["redrives"], mail["depth"]) == (letter["id"], 1, 3)
    wait_until(
        lambda: "mail Your order o-1 is on its way" in user.mayfly("logs", "provider").out, 30, "the provider took it"
    )


def test_asynchronous_calls_obey_the_route_and_what_comes_later_does_not_ask_again(user: User) -> None:
    """Without the key 401 and nothing stored; with it 202; deliveries and events pass the lock of the route."""
    user.kubectl("create", "secret", "generic", "partners", f"--from-literal=acme={KEY}")
    code = "def who(request):\n    return {name: request.headers.get(name) for name in ('x-mayfly-client', 'ce-id')}\n"
    http = {"auth": {"apiKey": {"secret": "partners"}}, "rateLimit": {"perKey": {"requests": 1, "window": "1m"}}}
    triggers = [{"event": {"type": "com.shop.locked"}}]
    user.apply(make_function("locked", {"main.py": code}, http=http, triggers=triggers, **LIGHT))
    user.wait_ready("locked")
    refused = user.call("locked", "/", "POST", headers={"prefer": "respond-async"})
    assert refused.status_code == 401
    assert invocations(user) == []
    keyed = {"x-api-key": KEY}
    taken = user.call("locked", "/", "POST", headers={"prefer": "respond-async", **keyed})
    assert taken.status_code == 202, taken.text
    location = taken.headers["location"]
    assert user.call("locked", f"{location}/result").status_code == 401
    done = user.mayfly("events", "send", "com.shop.locked", "--id", "l-1")
    assert done.code == 0, done.err
    wait_until(lambda: states(user, "locked") == {"delivered": 2}, 60, "call and event are delivered")
    kinds = {item["kind"]: item for item in invocations(user)}
    answer = json.loads(user.mayfly("invocations", "result", kinds["call"]["id"]).out)
    assert answer == {"x-mayfly-client": "acme", "ce-id": None}


def test_a_sleeping_function_gets_every_event_once(user: User) -> None:
    """Sixty events while there is no instance: it wakes, and takes each of them exactly once."""
    open_events(user)
    trigger = {"event": {"type": "com.shop.counted"}}
    scaling = {"idle": "6s", "max": 1}
    user.apply(make_function("counter", {"main.py": COUNTER}, triggers=[trigger], scaling=scaling, **LIGHT))
    user.wait_ready("counter")
    wait_until(lambda: user.get("fn", "counter")["status"].get("replicas", 0) == 0, 120, "it sleeps")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: post_event(user, f"c-{number}"), range(60)))
    assert {answer.status_code for answer in answers} == {202}
    assert post_event(user, "c-0").json()["deliveries"][0]["duplicate"] is True
    wait_until(lambda: states(user, "counter") == {"delivered": 60}, 60, "all are delivered")
    counted = user.call("counter").json()
    assert counted == {f"c-{number}": 1 for number in range(60)}


@pytest.mark.disruptive
def test_nothing_that_was_promised_is_lost_when_the_process_is_killed(user: User) -> None:
    """The eventing pod gets SIGKILL three times while events come in; every 202 is delivered."""
    open_events(user)
    trigger = {"event": {"type": "com.shop.counted"}}
    scaling = {"min": 1, "max": 1}
    user.apply(make_function("counter", {"main.py": COUNTER}, triggers=[trigger], scaling=scaling, **LIGHT))
    user.wait_ready("counter")
    promised: list[str] = []
    refused = collections.Counter[int]()
    ending = time.monotonic() + 30

    def produce(worker: int) -> None:
        number = 0
        while time.monotonic() < ending:
            name = f"k-{worker}-{number}"
            answer = post_event(user, name)
            if answer.status_code == 202:
                promised.append(name)
                number += 1
                continue
            refused[answer.status_code] += 1
            time.sleep(0.1)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        producers = [pool.submit(produce, worker) for worker in range(4)]
        for _ in range(3):
            time.sleep(6)
            [pod] = user.run(
                "kubectl", "-n", "mayfly-system", "get", "pods", "-o", "name",
                "-l", "app.kubernetes.io/component=eventing",
            ).out.split()  # fmt: skip
            killed = user.run("kubectl", "-n", "mayfly-system", "delete", pod, "--force", "--grace-period=0")
            assert killed.code == 0, killed.err
        for producer in producers:
            producer.result()
    assert set(refused) <= {503}, refused
    assert len(promised) > 200
    wait_until(lambda: not set(promised) - set(user.call("counter").json()), 60, "all that was promised has come")
    wait_until(lambda: not {"waiting", "leased"} & set(states(user, "counter")), 90, "nothing waits")
    counted = user.call("counter").json()
    again = sum(times - 1 for times in counted.values())
    assert again <= 0.05 * len(promised), again


def test_a_schedule_calls_its_function_once_a_minute(user: User) -> None:
    """The first full minute brings one tick, with its instant as id and time."""
    code = "def tick(event):\n    print('tick', event['id'])\n"
    trigger = {"name": "often", "schedule": {"cron": "* * * * *"}}
    user.apply(make_function("clock", {"main.py": code}, triggers=[trigger], signature="cloudevent", **LIGHT))
    user.wait_ready("clock")
    [first] = wait_until(lambda: invocations(user), 75, "a tick")
    assert first["kind"] == "schedule"
    assert first["dedupKey"].endswith(":00Z")
    wait_until(lambda: states(user, "clock")["delivered"] >= 1, 30, "it is delivered")


def test_a_trigger_that_means_nothing_is_refused_when_it_is_applied(user: User) -> None:
    """By create and by update, with the place and the rule; what was there stays."""
    files = {"main.py": "def take(event):\n    pass\n"}
    bad = [{"event": {"filters": [{"sql": "type = 'a' AND"}]}}]
    manifest = make_function("picky", files, triggers=bad, signature="cloudevent", **LIGHT)
    done = user.run("kubectl", "-n", user.namespace, "apply", "-f", "-", stdin=json.dumps(manifest))
    assert done.code != 0
    assert "spec.triggers[0]" in done.err
    good = make_function("picky", files, triggers=[{"event": {"type": "a"}}], signature="cloudevent", **LIGHT)
    user.apply(good)
    worse = make_function(
        "picky", files, triggers=[{"schedule": {"cron": "61 * * * *"}}], signature="cloudevent", **LIGHT
    )
    done = user.run("kubectl", "-n", user.namespace, "apply", "-f", "-", stdin=json.dumps(worse))
    assert done.code != 0
    assert "61" in done.err
    assert user.get("fn", "picky")["spec"]["triggers"] == [{"event": {"type": "a"}}]


def test_a_call_is_replayed_to_the_revision_before(user: User) -> None:
    """What was answered by the new code is sent once more, to the old code."""
    source = {"main.py": "def f(request):\n    return 'one'\n"}
    user.apply(make_function("versioned", source, **LIGHT))
    user.wait_ready("versioned")
    user.apply(make_function("versioned", {"main.py": "def f(request):\n    return 'two'\n"}, **LIGHT))
    wait_until(lambda: user.get("fn", "versioned")["status"].get("revision") == "versioned-00002", 60, "two revisions")
    user.wait_ready("versioned")
    called = user.mayfly("invoke", "versioned", "--async", "--wait")
    assert called.out.strip() == "two", called.err
    [call] = invocations(user)
    done = user.mayfly("invocations", "replay", call["id"], "--revision", "versioned-00001", "-o", "json")
    assert done.code == 0, done.err
    again = json.loads(done.out)["id"]
    result = user.mayfly("invocations", "result", again, "--wait")
    assert result.out.strip() == "one", result.err


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "wrong-key-wrong-key"}, 401),
        ({"ce-specversion": "0.3"}, 415),
        ({"ce-time": "yesterday"}, 400),
    ],
    ids=["no key", "wrong key", "old version", "bad time"],
)
def test_bad_events_are_refused_at_the_public_host(user: User, headers: dict[str, str], status: int) -> None:
    """Each with a problem document that names value and rule, and nothing is stored."""
    open_events(user)
    answer = wait_until(lambda: _once_known(user, headers, status), 15, "the key is known")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert invocations(user) == []


def _once_known(user: User, headers: dict[str, str], status: int) -> httpx2.Response | None:
    """Return the answer, ``None`` while a key that was just made is not known yet."""
    answer = post_event(user, "b-1", **headers)
    return None if answer.status_code == 401 != status else answer
