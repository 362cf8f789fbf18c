"""What a call says about itself, read strictly."""

from __future__ import annotations

import json

import pytest

from mayfly.eventing import problem, web
from mayfly.eventing.reception import calls
from mayfly.model import handover
from mayfly.store import records


def make(*headers, word=handover.CALL):
    return web.Request("POST", "/", headers=((handover.ASYNC, word), *headers))


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (None, None),
        ("a", "a"),
        ("a" * 255, "a" * 255),
        ('"a-1"', "a-1"),
        (" a ", "a"),
        ('"', '"'),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
    ],
    ids=repr,
)
def test_a_key_is_read(sent, key):
    headers = [] if sent is None else [("idempotency-key", sent)]
    assert calls.read_key(make(*headers), "") == key


@pytest.mark.parametrize(
    "sent", [[""], ['""'], ["a b"], ["a" * 256], ["\xe9"], ["a\tb"], ["a", "a"], ["a", "b"]], ids=repr
)
def test_a_key_out_of_bounds_is_refused(sent):
    with pytest.raises(problem.Refused, match="1 to 255 visible ASCII") as caught:
        calls.read_key(make(*(("idempotency-key", one) for one in sent)), "")
    assert caught.value.status == 400


def test_the_keys_of_two_callers_are_apart():
    """Who shows another's key, and is known as somebody else, gets a call of their own."""
    request = make(("idempotency-key", "k"))
    found = {calls.read_key(request, client) for client in ("", "ada", "bob", "k")}
    assert len(found) == 4
    assert all(len(key) <= 300 for key in found)


@pytest.mark.parametrize(
    ("sent", "found"), [("order-7", "order-7"), ("x" * 128, "x" * 128), ("x" * 129, ""), ("a b", ""), ("", "")]
)
def test_the_callers_id_of_a_call_is_visible_ascii(sent, found):
    assert calls.read_call_id(make(("x-call-id", sent))) == found


@pytest.mark.parametrize(
    ("word", "headers", "verdict", "expected"),
    [
        ("call", [], "NEW", {"location": "/invocations/ID"}),
        ("call", [(handover.STEM, "/thumb")], "NEW", {"location": "/thumb/invocations/ID"}),
        (
            "call",
            [("prefer", "wait=5, respond-async")],
            "NEW",
            {"location": "/invocations/ID", "preference-applied": "respond-async"},
        ),
        ("call", [("x-call-id", "mine")], "NEW", {"location": "/invocations/ID"}),
        ("call", [], "DUPLICATE", {"location": "/invocations/ID", "idempotent-replayed": "true"}),
        ("alias", [], "NEW", {"location": "/invocations/ID", "x-call-id": "ID"}),
        ("alias", [("x-call-id", "mine")], "NEW", {"location": "/invocations/ID", "x-call-id": "mine"}),
        ("alias", [("x-call-id", "not mine")], "NEW", {"location": "/invocations/ID", "x-call-id": "ID"}),
    ],
)
def test_the_answer_says_where_the_outcome_will_be(word, headers, verdict, expected):
    answer = calls.make_answer(make(*headers, word=word), records.Receipt(records.Verdict[verdict], "ID"))
    found = dict(answer.headers)
    assert answer.status == 202
    assert found.pop("content-type") == "application/json"
    assert found.pop("cache-control") == "no-store"
    assert found == expected
    assert json.loads(answer.body) == {"id": "ID", "state": "waiting", "location": expected["location"]}
