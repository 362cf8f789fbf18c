"""Events over HTTP: what is taken is stored byte for byte, what is refused leaves nothing behind."""

from __future__ import annotations

import json
import re
import socket

import pytest

from mayfly.events import cloudevent
from mayfly.model import handover
from tests.contract.eventing import world as worlds
from tests.contract.store import make
from tests.unit.events import cases

EVERYTHING = {"source": "/shop/orders"}
"""The source of every event of the table."""
ORDER = {"type": "com.shop.order"}
STRUCTURED = [("content-type", cases.JSON_TYPE)]
BATCH = [("content-type", cases.BATCH_TYPE)]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

TOO_LARGE = {
    *("name beyond bounds", "long value", "long together", "many", "2 MB"),
    *("depth bomb", "one too deep", "objects too deep", "long data"),
    *("too many", "too large", "one too large"),
}
UNSUPPORTED = {"0.3", "2.0", "1", "avro", "no format", "similar", "mixed versions"}
"""Names of the table's cases that are not simply 400."""
NO_HTTP = {"line break", "control character"}
"""Not even a request: the server library refuses it."""


def name(events):
    return pytest.mark.parametrize("case", events, ids=str)


def check_refusal(world, headers, body, case):
    """Assert that an event is refused with the right status, and return why."""
    namespace, before = world.make_namespace(EVERYTHING), world.count()
    answer = world.post_event(namespace, headers, body)
    status = 413 if case in TOO_LARGE else 415 if case in UNSUPPORTED else 400
    assert answer.status == status
    assert world.count() == before
    if case not in NO_HTTP:
        assert answer.document["status"] == status
        assert answer.reason in {"InvalidEvent", "EventTooLarge", "UnsupportedEvent"}
    return answer


@name(cases.BAD_BINARY)
def test_a_bad_binary_event_is_refused_and_nothing_is_stored(world, case):
    headers, body, text = cases.BAD_BINARY[case]
    answer = check_refusal(world, headers, body, case)
    if case not in NO_HTTP:
        assert text in answer.document["detail"]


@pytest.mark.parametrize("source", ["/mayfly/namespaces/shop/functions/mail", "/mayfly/namespaces/"])
def test_nobody_sends_in_the_platforms_name(world, source):
    """Or a tick that somebody made up would be taken for the real one, which would then not be delivered."""
    check_refusal(world, cases.make_binary(source=source), b"", "source")


@pytest.mark.parametrize("source", cases.BAD_SOURCES)
def test_a_bad_source_is_refused_and_nothing_is_stored(world, source):
    check_refusal(world, cases.make_binary(source=source), b"", source)


@name(cases.BAD_STRUCTURED)
def test_a_bad_structured_event_is_refused_and_nothing_is_stored(world, case):
    body, text = cases.BAD_STRUCTURED[case]
    answer = check_refusal(world, STRUCTURED, body, case)
    assert text in answer.document["detail"]


@name(cases.BAD_BATCH)
def test_a_bad_batch_is_refused_whole(world, case):
    body, text = cases.BAD_BATCH[case]
    answer = check_refusal(world, BATCH, body, case)
    assert text in answer.document["detail"]


def check_stored(world, namespace, answer, attributes, data):
    """Assert that one event came and is stored as it was sent."""
    assert answer.status == 202
    (delivery,) = answer.document["deliveries"]
    assert (answer.document["events"], delivery["function"], delivery["duplicate"]) == (1, "f0", False)
    invocation, message, context = world.find(namespace, delivery["id"])
    assert (invocation.kind, invocation.depth, context.client) == ("event", 0, "ada")
    assert (message.method, message.path) == ("POST", "/")
    (stored,) = cloudevent.parse_http(message.headers, message.body)
    assert dict(stored.attributes) == {**cases.STRUCTURED, **attributes}
    assert stored.data == data


@name(cases.GOOD_BINARY)
def test_a_good_binary_event_is_stored_as_it_was_sent(world, case):
    headers, body, attributes, data = cases.GOOD_BINARY[case]
    namespace = world.make_namespace(EVERYTHING)
    check_stored(world, namespace, world.post_event(namespace, headers, body), attributes, data)


@name(cases.GOOD_STRUCTURED)
def test_a_good_structured_event_is_stored_as_it_was_sent(world, case):
    body, attributes, data = cases.GOOD_STRUCTURED[case]
    namespace = world.make_namespace(EVERYTHING)
    check_stored(world, namespace, world.post_event(namespace, STRUCTURED, body), attributes, data)


@name(cases.GOOD_BATCH)
def test_a_good_batch_is_stored_once_each(world, case):
    body, number = cases.GOOD_BATCH[case]
    namespace = world.make_namespace(EVERYTHING)
    answer = world.post_event(namespace, BATCH, body)
    assert (answer.status, answer.document["events"], len(answer.document["deliveries"])) == (202, number, number)
    assert [one["duplicate"] for one in answer.document["deliveries"]] == [False, *[True] * number][:number]
    assert world.count(namespace) == min(number, 1)


def make_batch(*identities):
    return json.dumps([{**cases.STRUCTURED, "id": one} for one in identities])


def test_an_event_goes_to_everybody_who_wants_it_and_to_nobody_else(each_world):
    namespace = each_world.make_namespace(ORDER, {"type": "other"}, EVERYTHING)
    stranger = each_world.make_namespace(ORDER)
    answer = each_world.post_event(namespace, cases.make_binary(), b"data")
    assert [one["function"] for one in answer.document["deliveries"]] == ["f0", "f2"]
    assert (each_world.count(namespace), each_world.count(stranger)) == (2, 0)


def test_an_event_that_nobody_wants_is_accepted_and_not_kept(each_world):
    namespace = each_world.make_namespace({"type": "other"})
    answer = each_world.post_event(namespace, cases.make_binary())
    assert (answer.status, answer.document) == (202, {"events": 1, "deliveries": []})
    assert each_world.count(namespace) == 0


def test_an_event_that_is_sent_again_is_told_by_its_first_id(each_world):
    namespace = each_world.make_namespace(EVERYTHING)
    first = each_world.post_event(namespace, cases.make_binary(), b"data").document["deliveries"][0]
    again = each_world.post_event(namespace, STRUCTURED, cases.make_structured()).document["deliveries"][0]
    assert (first["duplicate"], again["duplicate"], again["id"]) == (False, True, first["id"])
    assert each_world.count(namespace) == 1


def test_what_of_a_batch_is_new_is_stored_beside_what_is_not(each_world):
    namespace = each_world.make_namespace(EVERYTHING)
    each_world.post_event(namespace, BATCH, make_batch("1", "2"))
    answer = each_world.post_event(namespace, BATCH, make_batch("2", "3", "3"))
    assert [one["duplicate"] for one in answer.document["deliveries"]] == [True, False, True]
    assert each_world.count(namespace) == 3


@pytest.mark.parametrize(
    ("headers", "attributes", "kept"),
    [
        ([("traceparent", TRACE), ("tracestate", "a=b")], {}, (TRACE, "a=b")),
        ([], {"traceparent": OTHER_TRACE, "tracestate": "c=d"}, (OTHER_TRACE, "c=d")),
        ([("traceparent", TRACE)], {"traceparent": OTHER_TRACE, "tracestate": "c=d"}, (TRACE, "")),
        ([("traceparent", "x")], {"traceparent": OTHER_TRACE}, (OTHER_TRACE, "")),
        ([], {"traceparent": "x"}, ("", "")),
    ],
    ids=["the request's", "the event's", "the request's first", "a broken one is none", "none"],
)
def test_the_trace_goes_with_the_event(world, headers, attributes, kept):
    namespace = world.make_namespace(EVERYTHING)
    answer = world.post_event(namespace, [*headers, *cases.make_binary(**attributes)])
    _, _, context = world.find(namespace, answer.document["deliveries"][0]["id"])
    assert (context.traceparent, context.tracestate) == kept


def test_an_event_may_say_how_deep_it_is(world):
    """Invariant I6: a function that passes on the event it got does not begin anew."""
    namespace = world.make_namespace(EVERYTHING)
    answer = world.post_event(namespace, cases.make_binary(mayflydepth="2"))
    invocation, _, _ = world.find(namespace, answer.document["deliveries"][0]["id"])
    assert invocation.depth == 2


def test_the_message_holds_nothing_of_the_request_but_the_event(world):
    namespace = world.make_namespace(EVERYTHING)
    headers = [("authorization", "Bearer x"), ("x-api-key", "y"), ("cookie", "z"), *cases.make_binary()]
    answer = world.post_event(namespace, headers, b"data")
    _, message, context = world.find(namespace, answer.document["deliveries"][0]["id"])
    assert message.headers == cases.BINARY
    assert worlds.TOKEN not in f"{message} {context}"


@pytest.mark.parametrize("path", ["/events", "/events/shop", "/v1/namespaces/shop/events"])
def test_a_sender_may_ask_whether_events_are_expected(world, path):
    """CloudEvents' webhook handshake; it asks for no credentials and gives none."""
    asked = [("webhook-request-origin", "events.example.com"), ("webhook-request-rate", "120")]
    answer = world.send("OPTIONS", path, asked)
    assert (answer.status, answer.body, answer.headers["allow"]) == (200, b"", "POST, OPTIONS")
    assert answer.headers["webhook-allowed-origin"] == "events.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"


@pytest.mark.parametrize("asked", [[], [("webhook-request-origin", "\xe9")], [("webhook-request-origin", "a b")]])
def test_without_a_sound_origin_there_is_no_permission(world, asked):
    answer = world.send("OPTIONS", "/events", asked)
    assert (answer.status, answer.headers["allow"]) == (200, "POST, OPTIONS")
    assert not answer.headers.keys() & {"webhook-allowed-origin", "webhook-allowed-rate"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_events_are_posted(world, method):
    answer = world.send(method, "/events/shop")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


def test_while_too_much_waits_nothing_more_is_taken(open_world):
    """One namespace's backlog is its own affair; what cannot be taken whole is not taken at all."""
    world = open_world(max_waiting=5)
    namespace, neighbour = world.make_namespace(EVERYTHING), world.make_namespace(EVERYTHING)
    assert world.post_event(namespace, BATCH, make_batch(*"1234")).status == 202
    refused = world.post_event(namespace, BATCH, make_batch(*"567"))
    assert (refused.status, refused.reason, refused.headers["retry-after"]) == (429, "TooManyWaiting", "5")
    assert world.count(namespace) == 4
    assert world.post_event(namespace, BATCH, make_batch("5")).status == 202
    assert world.post_event(namespace, BATCH, make_batch("6")).status == 429
    assert world.post_event(neighbour, BATCH, make_batch(*"12345")).status == 202
    assert (world.count(namespace), world.count(neighbour)) == (5, 5)


def test_a_backlog_that_was_there_before_counts(open_world):
    world = open_world(max_waiting=5)
    namespace = world.make_namespace(EVERYTHING)
    there = [make.make_invocation(namespace=namespace, function=name) for name in "abcde"]
    world.run(world.store.accept(there, now=make.NOW))
    assert world.post_event(namespace, BATCH, make_batch("6")).status == 429


def test_a_request_that_makes_too_many_deliveries_is_refused(world):
    namespace = world.make_namespace(*[EVERYTHING] * 11)
    answer = world.post_event(namespace, BATCH, make_batch(*map(str, range(1000))))
    assert (answer.status, answer.reason) == (413, "EventTooLarge")
    assert world.count(namespace) == 0


def test_what_came_in_is_counted(open_world):
    world = open_world()
    namespace = world.make_namespace(EVERYTHING)
    world.post_event(namespace, BATCH, make_batch("1", "1"))
    world.post_event(namespace, cases.make_binary(source="/else"))
    world.post_event(namespace, cases.make_binary(source=""))

    def read(name, **labels):
        return world.figures.registry.get_sample_value(f"mayfly_eventing_{name}_total", labels)

    queue = {"namespace": namespace, "function": "f0"}
    assert read("accepted", **queue, kind="event") == 1
    assert read("duplicates", **queue) == 1
    assert read("unwanted_events", namespace=namespace) == 1
    assert read("refused", reason="InvalidEvent") == 1


def test_half_a_request_is_no_event(world):
    """Who hangs up before the end of the body has sent nothing, although what came looks whole."""
    namespace = world.make_namespace(EVERYTHING)
    head = [f"POST /v1/namespaces/{namespace}/events HTTP/1.1", "host: x", "content-length: 10"]
    head += [f"{name}: {value}" for name, value in [(handover.TOKEN, worlds.TOKEN), *cases.BINARY]]
    with socket.create_connection(world.base, timeout=10) as peer:
        peer.sendall("\r\n".join([*head, "", ""]).encode() + b"half")
        peer.shutdown(socket.SHUT_WR)
        assert not re.match(rb"HTTP/1.1 2", peer.recv(4096))
    assert world.post_event(namespace, cases.make_binary(id="whole"), b"0123456789").status == 202
    assert world.count(namespace) == 1
