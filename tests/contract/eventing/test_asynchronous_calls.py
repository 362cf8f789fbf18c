"""Asynchronous calls as the gateway hands them over."""

from __future__ import annotations

import concurrent.futures
import re
import uuid

import pytest

from mayfly.model import handover
from tests.contract.eventing import world as worlds

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def shop(each_world):
    """A namespace with a function that takes calls and one that does not."""
    namespace = each_world.make_namespace()
    each_world.put(namespace, "mail", delivery={"maxAge": "1h"})
    each_world.put(namespace, "closed", http={"async": False})
    return namespace


def test_a_call_is_stored_as_the_function_is_to_see_it(each_world, shop):
    headers = [("Content-Type", "text/plain"), ("Prefer", "respond-async, return=minimal"), ("X-Shop", "\xe9")]
    headers += [("traceparent", TRACE), ("tracestate", "a=b"), (handover.CLIENT, "ada"), ("accept", "*/*")]
    answer = each_world.call(shop, "mail", headers, body=b"\x00\xff", path="/async/to?x=1&y=%20", method="PUT")
    assert answer.status == 202
    identity = answer.document["id"]
    assert re.fullmatch(ID, identity)
    assert re.fullmatch(f".*{handover.INVOCATION}", answer.headers["location"])
    assert answer.document == {"id": identity, "state": "waiting", "location": f"/invocations/{identity}"}
    assert answer.headers["location"] == f"/invocations/{identity}"
    assert answer.headers["preference-applied"] == "respond-async"
    invocation, message, context = each_world.find(shop, identity)
    assert (message.method, message.path, message.body) == ("PUT", "/to?x=1&y=%20", b"\x00\xff")
    assert dict(message.headers) == {
        "content-type": "text/plain",
        "prefer": "return=minimal",
        "x-shop": "\xe9",
        "accept": "*/*",
        handover.CLIENT: "ada",
    }
    assert (context.traceparent, context.tracestate, context.client) == (TRACE, "a=b", "ada")
    assert (invocation.kind, invocation.state.value, invocation.target) == ("call", "waiting", "")
    assert invocation.expires == invocation.due + 3600


def test_the_stem_of_the_route_begins_the_location(each_world, shop):
    answer = each_world.call(shop, "mail", [(handover.STEM, "/thumb")])
    assert answer.headers["location"] == answer.document["location"] == f"/thumb/invocations/{answer.document['id']}"
    assert "preference-applied" not in answer.headers


def test_a_call_the_way_openfaas_has_it(each_world, shop):
    path, word = "/async-function/mail/a?q", handover.ALIAS
    answer = each_world.call(shop, "mail", [("X-Call-Id", "order-7")], path=path, word=word)
    _, message, context = each_world.find(shop, answer.document["id"])
    assert (answer.status, answer.headers["x-call-id"]) == (202, "order-7")
    assert (message.path, context.call_id) == ("/a?q", "order-7")
    answer = each_world.call(shop, "mail", [("X-Call-Id", "order 7")], path="/async-function/mail", word=word)
    _, message, context = each_world.find(shop, answer.document["id"])
    assert answer.headers["x-call-id"] == context.call_id == answer.document["id"]
    assert message.path == "/"


@pytest.mark.parametrize("function", ["closed", "nobody", ""])
def test_who_takes_no_calls_is_not_found(each_world, shop, function):
    answer = each_world.call(shop, function)
    assert (answer.status, answer.reason) == (404, "NotFound")
    assert each_world.count(shop) == 0


def test_another_namespaces_function_is_not_found(each_world, shop):
    assert each_world.call(each_world.make_namespace(), "mail").status == 404


@pytest.mark.parametrize(
    "headers",
    [
        [(handover.ASYNC, "call"), (handover.NAMESPACE, "shop"), (handover.FUNCTION, "mail")],
        [(handover.TOKEN, "x"), (handover.ASYNC, "call")],
        [(handover.TOKEN, ""), (handover.ASYNC, "read")],
        [(handover.ASYNC, "anything")],
    ],
    ids=["none", "wrong", "empty", "unknown word"],
)
def test_only_the_gateway_may_hand_over(world, headers):
    answer = world.send("POST", "/", headers)
    assert (answer.status, answer.reason) == (401, "Unauthorized")


# what is otherwise the second time -> what comes of it
KEYED = {
    "nothing": ({}, 202),
    "the key's quotes": ({"form": '"{}"'}, 202),
    "a header": ({"headers": [("content-type", "text/plain"), ("accept", "x")]}, 202),
    "the body": ({"body": b"b"}, 422),
    "the path": ({"path": "/other"}, 422),
    "the query": ({"path": "/?q"}, 422),
    "the method": ({"method": "PUT"}, 422),
    "the type": ({"headers": [("content-type", "text/html")]}, 422),
}


@pytest.mark.parametrize("case", KEYED)
def test_a_key_stands_for_one_call(each_world, shop, case):
    again, status = KEYED[case]
    key = uuid.uuid4().hex

    def call(form="{}", headers=(("content-type", "text/plain"),), body=b"a", **changes):
        given = [("idempotency-key", form.format(key)), *headers]
        return each_world.call(shop, "mail", given, body=body, **changes)

    first, second = call(), call(**again)
    assert (first.status, second.status) == (202, status)
    assert "idempotent-replayed" not in first.headers
    if status == 202:
        assert second.headers.pop("idempotent-replayed") == "true"
        assert (second.body, second.headers) == (first.body, first.headers)
    else:
        assert second.reason == "IdempotencyKeyReused"
    assert each_world.count(shop) == 1


def test_a_key_stands_for_one_call_of_one_caller_of_one_function(each_world, shop):
    each_world.put(shop, "other")
    key = ("idempotency-key", "k-1")
    callers = [(), [(handover.CLIENT, "ada")], [(handover.CLIENT, "bob")]]
    found = {each_world.call(shop, "mail", [key, *caller]).document["id"] for caller in callers}
    found.add(each_world.call(shop, "other", [key]).document["id"])
    assert len(found) == each_world.count(shop) == 4


def test_a_hundred_at_once_with_one_key_are_one_call(each_world, shop):
    """All are told the same id, one of them that it was new, and one invocation is stored."""
    headers = [("idempotency-key", uuid.uuid4().hex)]
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: each_world.call(shop, "mail", headers, body=b"x"), range(100)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert each_world.count(shop) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe9"])
def test_a_key_out_of_bounds_is_refused(each_world, shop, key):
    answer = each_world.call(shop, "mail", [("idempotency-key", key)])
    assert (answer.status, answer.reason) == (400, "InvalidIdempotencyKey")
    assert each_world.count(shop) == 0


def test_a_call_that_is_too_large_is_refused(each_world, shop):
    headers = [("content-type", "x/y")]
    assert each_world.call(shop, "mail", headers, body=b"x" * (1024 * 1024 - 100)).status == 202
    answer = each_world.call(shop, "mail", headers, body=b"x" * (1024 * 1024))
    assert (answer.status, answer.reason) == (413, "EventTooLarge")
    assert each_world.count(shop) == 1


def test_a_callback_is_kept_when_its_url_is_allowed(world):
    namespace = world.make_namespace()
    world.put(namespace, "mail")
    url = f"{worlds.ALLOWED_URL}done?id=1"
    answer = world.call(namespace, "mail", [("x-callback-url", url)])
    _, _, context = world.find(namespace, answer.document["id"])
    assert (answer.status, context.callback) == (202, url)


@pytest.mark.parametrize(
    "url", ["", "https://elsewhere.example/", "hooks.example.com", f"{worlds.ALLOWED_URL}\xe9", worlds.ALLOWED_URL * 99]
)
def test_a_callback_that_is_not_allowed_is_refused(world, url):
    namespace = world.make_namespace()
    world.put(namespace, "mail")
    answer = world.call(namespace, "mail", [("x-callback-url", url)])
    assert (answer.status, answer.reason) == (400, "CallbackRefused")
    assert world.count(namespace) == 0


def test_where_callbacks_are_off_the_header_is_the_functions(open_world):
    world = open_world(callbacks=False)
    world.put("shop", "mail")
    answer = world.call("shop", "mail", [("x-callback-url", "https://elsewhere.example/")])
    _, message, context = world.find("shop", answer.document["id"])
    assert (answer.status, context.callback) == (202, "")
    assert dict(message.headers)["x-callback-url"] == "https://elsewhere.example/"


def test_while_too_much_waits_no_call_is_taken(open_world):
    world = open_world(max_waiting=2)
    world.put("shop", "mail")
    statuses = [world.call("shop", "mail").status for _ in range(4)]
    assert (statuses, world.count()) == ([202, 202, 429, 429], 2)


def test_a_function_that_calls_on_does_not_begin_anew(world):
    """Invariant I6, for calls: the depth that a function was told goes with the call it makes."""
    namespace = world.make_namespace()
    world.put(namespace, "mail")
    answer = world.call(namespace, "mail", [("mayfly-depth", "2")])
    assert world.find(namespace, answer.document["id"])[0].depth == 2


def test_the_internal_token_is_neither_stored_nor_told(world):
    namespace = world.make_namespace()
    world.put(namespace, "mail")
    headers = [
        (handover.DELIVERY, worlds.TOKEN),
        ("connection", handover.TOKEN),
        ("x-callback-url", worlds.ALLOWED_URL),
    ]
    answer = world.call(namespace, "mail", headers, word=handover.ALIAS, path="/async-function/mail")
    assert answer.status == 202
    told = f"{answer.headers} {answer.body}"
    stored = " ".join(map(str, world.find(namespace, answer.document["id"])))
    assert worlds.TOKEN not in told + stored


def test_the_location_leads_to_the_call(each_world, shop):
    """As the gateway hands both over: the call under its policy, and the question after it under the same."""
    answer = each_world.call(shop, "mail", path="/async/a")
    path, word = answer.headers["location"], handover.READ
    found = each_world.call(shop, "mail", path=path, word=word, method="GET")
    assert (found.status, found.document["id"], found.document["state"]) == (200, answer.document["id"], "waiting")
    assert each_world.call(shop, "closed", path=path, word=word, method="GET").status == 404


def test_what_was_taken_can_be_steered(each_world, shop):
    identity = each_world.call(shop, "mail").document["id"]
    path = f"/v1/namespaces/{shop}/invocations/{identity}"
    assert each_world.send("POST", f"{path}/cancel").status == 401
    answer = each_world.send("POST", f"{path}/cancel", [(handover.TOKEN, worlds.TOKEN)])
    assert (answer.status, answer.document["state"]) == (200, "cancelled")
    assert each_world.abandoned[-1:] == [identity]
