"""What an end causes: replies, news for destinations, dead letters and callbacks, each once and with its trace."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest

from mayfly.eventing import context, kinds, publish
from mayfly.eventing.delivery import attempt, followups, outcome
from mayfly.events import chain, cloudevent, event, retry
from mayfly.model import trigger
from mayfly.store import records
from tests.unit.eventing.make import (
    CALL,
    ID,
    KEPT,
    NOW,
    ONE,
    TRACE,
    answer,
    make_case,
    make_target,
    make_wanting,
    reply_with,
    to_message,
    try_it,
)

TO_STOCK = trigger.Destination(function="stock")
TO_EVENT = trigger.Destination(event="com.shop.told")
TO_URL = trigger.Destination(url="https://hooks.example.com/in?key=1")
FAILED = answer(422, b"no such order", ("content-type", "text/plain; charset=utf-8"))
REPLY = event.make_event(
    {"specversion": "1.0", "id": "r1", "source": "/mail", "type": "com.shop.mailed", "datacontenttype": "text/csv"},
    b"1,2",
)


def settle(came, *others, **changes):
    return outcome.conclude(make_case(*others, **changes), try_it(came), chance=0.5)


def follow(came, *others, **changes):
    return settle(came, *others, **changes).follow_ups


def read_event(one):
    (found,) = cloudevent.parse_http(one.message.headers, one.message.body)
    return found


# -- replies --


@pytest.mark.parametrize("kind", ["event", "schedule", "reply"])
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_a_reply_is_published(kind, mode):
    """To all who want it, one deeper, with the trace, byte for byte."""
    carried = cloudevent.to_binary(REPLY) if mode == "binary" else cloudevent.to_structured(REPLY)
    came = answer(200, carried.body, *carried.headers)
    wants = [make_wanting(name, "com.shop.mailed") for name in ("stock", "books")]
    settled = settle(came, *wants, make_wanting("other", "x"), kind=kind, depth=1)
    assert isinstance(settled.outcome, records.Delivered)
    assert settled.attempt.error == ""
    for each, wanted in zip(settled.follow_ups, wants, strict=True):
        assert (each.function, each.kind, each.parent, each.depth) == (wanted.name, "reply", ID, 2)
        assert context.parse_context(each.context) == context.Context(TRACE, "a=b")
        assert (each.due, each.expires) == (NOW + 0.25, NOW + 0.25 + wanted.policy.max_age)
        assert each.dedup_key == f"reply:{ID}:0"
        found = read_event(each)
        assert found.attributes == {**REPLY.attributes, chain.ATTRIBUTE: "2"}
        assert found.data == b"1,2"
    assert len({id(each.message) for each in settled.follow_ups}) == 1


def test_i6_a_chain_of_replies_stops_at_depth_three():
    """A answers B's event, B answers A's, whatever depth they write themselves."""
    to = {"ping": make_wanting("ping", "pong"), "pong": make_wanting("pong", "ping")}
    turn, one, delivered = "ping", make_case(*to.values(), to=to["ping"]), []
    for _ in range(10):
        ended = outcome.forestall(one, now=NOW)
        if ended is not None:
            break
        delivered.append(one.invocation.depth)
        said = event.make_event(
            {"specversion": "1.0", "id": str(len(delivered)), "source": "/x", "type": turn, chain.ATTRIBUTE: "0"}
        )
        (follow_up,) = outcome.conclude(one, try_it(reply_with(said)), chance=0.5).follow_ups
        turn = "pong" if turn == "ping" else "ping"
        assert follow_up.function == turn
        one = make_case(
            *to.values(), to=to[turn], message=follow_up.message, depth=follow_up.depth, kind=follow_up.kind
        )
    assert delivered == [0, 1, 2, 3]
    assert ended.outcome.reason == "TooDeep"


@pytest.mark.parametrize("kind", set(kinds.Kind) - {kinds.Kind.EVENT, kinds.Kind.SCHEDULE, kinds.Kind.REPLY})
def test_other_answers_are_no_replies(kind):
    assert follow(reply_with(REPLY), make_wanting("stock", "com.shop.mailed"), kind=kind.value) == ()


@pytest.mark.parametrize("status", [201, 202, 204, 299])
def test_only_200_carries_a_reply(status):
    """https://github.com/knative/specs/blob/main/specs/eventing/data-plane.md."""
    settled = settle(reply_with(REPLY, status), make_wanting("stock", "com.shop.mailed"))
    assert settled.follow_ups == ()
    assert settled.attempt.error == ""


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (answer(200, b"", ("ce-id", "1")), "attribute specversion is missing"),
        (answer(200, b"{", ("content-type", "application/cloudevents+json")), "."),
        (answer(200, b"[]", ("content-type", "application/cloudevents-batch+json")), "it is a batch"),
        (answer(200, b"", ("content-type", "application/cloudevents+avro")), "application/cloudevents+avro"),
        (dataclasses.replace(reply_with(REPLY), truncated=True), "longer than the 3 bytes"),
        (answer(200, b"", *cloudevent.to_binary(REPLY).headers, ("content-encoding", "gzip")), "compressed"),
        (
            reply_with(REPLY.replace(**{f"x{number}": "y" for number in range(64 - len(REPLY.attributes))})),
            "65 attributes",
        ),
    ],
    ids=["no attributes", "no JSON", "batch", "avro", "cut", "compressed", "no room for the depth"],
)
def test_a_reply_that_is_not_sound_is_noted(came, why):
    """The delivery succeeded all the same, and the attempt says what is wrong."""
    settled = settle(came, make_wanting("stock", "com.shop.mailed"))
    assert isinstance(settled.outcome, records.Delivered)
    assert settled.follow_ups == ()
    assert settled.attempt.error.startswith("The event in the answer was not published: ")
    assert why in settled.attempt.error


def test_a_plain_answer_is_no_reply():
    settled = settle(answer(200, b"{}", ("content-type", "application/json")))
    assert (settled.follow_ups, settled.attempt.error) == ((), "")


# -- destinations --


def test_success_is_told_to_a_function():
    """As an event with everything about the end, in the order of the table in the docs."""
    came = answer(200, "grün".encode(), ("content-type", "text/plain"))
    (told,) = follow(came, make_target("stock", max_age=7.0), to=make_target(on_success=TO_STOCK), attempts=2, tries=2)
    assert (told.function, told.kind, told.parent, told.depth, told.target) == ("stock", "success", ID, 1, "")
    assert (told.dedup_key, told.expires) == (f"success:{ID}:0", NOW + 7.25)
    found = read_event(told)
    assert found.attributes == {
        "specversion": "1.0",
        "id": f"{ID}-0",
        "source": "/mayfly/namespaces/shop/functions/mail",
        "type": "dev.mayfly.invocation.succeeded",
        "subject": ID,
        "time": "2026-09-21T14:13:20.250Z",
        "datacontenttype": "application/json",
        chain.ATTRIBUTE: "1",
    }
    assert json.loads(found.data) == {
        "id": ID,
        "namespace": "shop",
        "function": "mail",
        "kind": "event",
        "attempts": 3,
        "status": 200,
        "reason": None,
        "detail": None,
        "answer": {
            "status": 200,
            "contentType": "text/plain",
            "body": "grün",
            "bodyBase64": None,
            "truncated": False,
        },
    }


def test_failure_is_told_to_a_function():
    to = make_target(on_failure=TO_STOCK, on_success=TO_URL)
    (told,) = follow(FAILED, make_target("stock"), to=to, kind="call")
    record = json.loads(read_event(told).data)
    assert (told.kind, read_event(told).type) == ("failure", "dev.mayfly.invocation.failed")
    assert (record["status"], record["reason"], record["attempts"], record["kind"]) == (422, "Rejected", 1, "call")
    assert record["detail"].endswith("status 422: no such order")
    assert record["answer"]["body"] == "no such order"


def test_a_failure_without_an_answer_says_so():
    to = make_target(on_failure=TO_STOCK, attempts=1)
    (told,) = follow(attempt.Failure(retry.Failure.TIMEOUT, "no answer"), make_target("stock"), to=to, status=503)
    record = json.loads(read_event(told).data)
    assert (record["status"], record["reason"], record["answer"]) == (503, "RetriesExhausted", None)


def test_what_was_not_tried_is_told_as_well():
    one = make_case(make_target("stock"), to=make_target(on_failure=TO_STOCK), depth=4, kind="reply")
    (told,) = outcome.forestall(one, now=NOW).follow_ups
    assert told.depth == chain.MAX_DEPTH
    assert outcome.forestall(make_case(depth=told.depth, kind=told.kind), now=NOW) is None
    assert json.loads(read_event(told).data)["reason"] == "TooDeep"


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        (b"\xff\x00", "bodyBase64", "/wA="),
        (b"\x00" * 9, "bodyBase64", base64.b64encode(b"\x00" * 9).decode()),
        (b'{"a":\t1}\r\n', "body", '{"a":\t1}\r\n'),
        (b"", "body", ""),
    ],
    ids=["not text", "text that JSON makes six times as long", "text", "nothing"],
)
def test_an_answer_is_told_as_text_or_in_base64(body, field, value):
    (told,) = follow(answer(200, body, truncated=True), make_target("stock"), to=make_target(on_success=TO_STOCK))
    found = json.loads(read_event(told).data)["answer"]
    assert found[field] == value
    assert found["truncated"] is True


@pytest.mark.parametrize(
    ("body", "said", "datacontenttype"),
    [
        (b"1,2", "text/csv", "text/csv"),
        (b"1,2", None, None),
        (b"1,2", "no type", None),
        (b"{}", "application/cloudevents+json; charset=utf-8", "application/json"),
        (b"{}", "application/cloudevents+avro", "application/octet-stream"),
    ],
)
def test_success_becomes_a_new_event(body, said, datacontenttype):
    """Its data is the function's answer; data that is an event itself is not taken for the new one."""
    came = answer(201, body, *([("content-type", said)] if said else []))
    wants = make_wanting("books", "com.shop.told")
    (told,) = follow(came, wants, make_target("stock"), to=make_target(on_success=TO_EVENT))
    found = read_event(told)
    assert (told.function, found.type, found.data) == ("books", "com.shop.told", body)
    assert found.content_type == datacontenttype


def test_a_cut_answer_says_so_in_its_event():
    came = answer(200, b"123", truncated=True)
    (told,) = follow(came, make_wanting("books", "com.shop.told"), to=make_target(on_success=TO_EVENT))
    assert read_event(told).attributes["mayflytruncated"] == "true"


def test_failure_becomes_a_new_event_with_the_record():
    (told,) = follow(FAILED, make_wanting("books", "com.shop.told"), to=make_target(on_failure=TO_EVENT))
    assert (read_event(told).type, json.loads(read_event(told).data)["reason"]) == ("com.shop.told", "Rejected")


def test_news_go_to_a_url():
    (told,) = follow(answer(200), to=make_target(on_success=TO_URL))
    assert (told.function, told.target, told.kind) == ("mail", TO_URL.url, "success")
    assert (told.message.method, read_event(told).type) == ("POST", "dev.mayfly.invocation.succeeded")


def test_a_destination_that_is_not_there_ends_as_a_dead_letter():
    """Not nowhere: whoever looks finds it, with the reason."""
    (told,) = follow(answer(200), to=make_target(on_success=TO_STOCK))
    assert told.function == "stock"
    gone = outcome.forestall(make_case(to=None, function="stock", kind="success"), now=NOW + 60)
    assert gone.outcome.reason == "Gone"


def test_a_function_that_is_its_own_destination_is_told_once():
    to = make_target(on_success=trigger.Destination(function="mail"))
    (told,) = follow(answer(200), to=to)
    assert follow(answer(200), to=to, kind=told.kind) == ()


# -- dead letters --


@pytest.mark.parametrize("sink", [TO_STOCK, TO_URL], ids=["function", "url"])
def test_a_dead_letter_is_the_event_itself(sink):
    """With the attributes that Knative Eventing gives it."""
    to = make_target(dead_letter_sink=sink)
    (letter,) = follow(FAILED, make_target("stock"), to=to, attempts=1, tries=1)
    found = read_event(letter)
    assert (letter.kind, letter.target) == ("dead-letter", sink.url or "")
    assert found.data == ONE.data
    assert found.attributes == {
        **ONE.attributes,
        "mayflyreason": "Rejected",
        "mayflyattempts": "2",
        "knativeerrordest": "http://mail.shop.svc.cluster.local/",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(b"no such order").decode(),
        chain.ATTRIBUTE: "1",
    }


def test_a_dead_letter_under_another_type_keeps_its_own():
    to = make_target(dead_letter_sink=TO_EVENT)
    (letter,) = follow(FAILED, make_wanting("books", "com.shop.told"), to=to)
    found = read_event(letter)
    assert (found.type, found.attributes["mayflytype"], found.identity) == ("com.shop.told", "t", ONE.identity)


def test_a_call_becomes_a_dead_letter():
    """Its body is the data, whatever it is."""
    to = make_target(dead_letter_sink=TO_STOCK)
    (letter,) = follow(FAILED, make_target("stock"), to=to, kind="call")
    found = read_event(letter)
    assert (found.type, found.id, found.source) == ("dev.mayfly.call", ID, "/mayfly/namespaces/shop/functions/mail")
    assert (found.data, found.content_type) == (CALL.body, "text/plain")
    assert (found.attributes["mayflymethod"], found.attributes["mayflypath"]) == ("PUT", "/p?q=1")


def test_a_call_whose_body_is_an_event_stays_a_call():
    carried = cloudevent.to_structured(ONE)
    to = make_target(dead_letter_sink=TO_STOCK)
    message = records.Message(carried.headers, carried.body)
    (letter,) = follow(FAILED, make_target("stock"), to=to, kind="call", message=message)
    assert (read_event(letter).type, read_event(letter).content_type) == ("dev.mayfly.call", "application/json")
    assert read_event(letter).data == carried.body


def test_a_success_makes_no_dead_letter():
    assert follow(answer(200), to=make_target(dead_letter_sink=TO_STOCK, on_failure=TO_STOCK)) == ()


def test_an_attempt_that_is_followed_by_another_causes_nothing():
    to = make_target(dead_letter_sink=TO_STOCK, on_failure=TO_STOCK, on_success=TO_STOCK)
    assert follow(answer(500), to=to) == ()


def test_what_no_store_takes_is_not_sent_and_said_to_be_so():
    """An event as large as one may be has no room for what a dead letter says of it."""
    large = event.make_event({**ONE.attributes}, b"x" * (1024 * 1024 - 120))
    settled = settle(FAILED, to=make_target(dead_letter_sink=TO_STOCK, on_failure=TO_STOCK), message=to_message(large))
    assert [each.kind for each in settled.follow_ups] == ["failure"]
    assert settled.outcome.detail.endswith("Not sent, being over 1048576 bytes: dead-letter.")


@pytest.mark.parametrize("body", [b"\x00", b"\n", b'"', b"\xff", "\u20ac".encode()])
def test_whatever_is_kept_of_an_answer_fits_into_its_news(body):
    most = records.DEFAULT_LIMITS.result_bytes
    came = answer(200, (body * most)[:most])
    assert len(follow(came, make_target("stock"), to=make_target(on_success=TO_STOCK))) == 1


# -- callbacks --

CALLED = {"kind": "call", "context": dataclasses.replace(KEPT, callback=TO_URL.url, call_id="c-1").to_text()}


def test_a_callback_is_what_openfaas_sends():
    came = answer(201, b"\x1f", ("content-type", "text/csv"), ("content-encoding", "gzip"), ("x", "y"), truncated=True)
    (back,) = follow(came, **CALLED)
    assert (back.kind, back.target, back.function, back.message.method) == ("callback", TO_URL.url, "mail", "POST")
    assert back.message.headers == (
        ("x-call-id", "c-1"),
        ("x-function-name", "mail"),
        ("x-function-status", "201"),
        ("x-duration-seconds", "0.250000"),
        ("content-type", "text/csv"),
        ("content-encoding", "gzip"),
        ("x-mayflytruncated", "true"),
    )
    assert back.message.body == b"\x1f"
    assert context.parse_context(back.context) == context.Context(TRACE, "a=b")


def test_a_callback_tells_of_failure_too():
    """Once, when it is given up, and with the status that OpenFaaS gives where there was no answer."""
    assert follow(answer(500), **CALLED) == ()
    (back,) = follow(FAILED, **CALLED)
    assert dict(back.message.headers)["x-function-status"] == "422"
    (back,) = outcome.forestall(make_case(**CALLED), now=NOW + 1e6).follow_ups
    assert (dict(back.message.headers)["x-function-status"], back.message.body) == ("503", b"")


def test_a_callback_goes_out_when_the_function_is_gone():
    (back,) = outcome.forestall(make_case(to=None, **CALLED), now=NOW + 60).follow_ups
    assert back.kind == "callback"


def test_without_an_id_of_its_own_a_call_has_ours():
    kept = dataclasses.replace(KEPT, callback=TO_URL.url)
    (back,) = follow(answer(200), kind="call", context=kept.to_text())
    assert dict(back.message.headers)["x-call-id"] == ID


# -- all of them --


def test_everything_at_once_and_each_once():
    """A settlement that is repeated names the same keys, a new life after a redrive names others."""
    to = make_target(on_failure=TO_STOCK, dead_letter_sink=TO_URL)
    first, second = (follow(FAILED, make_target("stock"), to=to, **CALLED) for _ in range(2))
    again = follow(FAILED, make_target("stock"), to=to, redrives=1, **CALLED)
    keys = [[each.dedup_key for each in several] for several in (first, second, again)]
    assert [each.kind for each in first] == ["failure", "dead-letter", "callback"]
    assert keys[0] == keys[1]
    assert not set(keys[0]) & set(keys[2])


@pytest.mark.parametrize("kind", kinds.FOLLOW_UPS)
@pytest.mark.parametrize("came", [answer(200), FAILED], ids=["success", "failure"])
def test_what_tells_of_an_end_is_the_end(kind, came):
    to = make_target(on_failure=TO_STOCK, on_success=TO_STOCK, dead_letter_sink=TO_URL)
    assert follow(came, make_target("stock"), to=to, **(CALLED | {"kind": kind.value})) == ()


def test_the_keys_of_follow_ups_and_of_requests_are_apart():
    (told,) = follow(answer(200), make_target("stock"), to=make_target(on_success=TO_STOCK))
    posted = event.make_event({**ONE.attributes, "id": ID, "source": "success"})
    assert told.dedup_key != publish.make_event_key(posted)
    assert followups.name_after(make_case(), [told])[0].dedup_key == told.dedup_key
