"""Documents of invocations: every field there, nothing secret shown."""

from __future__ import annotations

import datetime as dt

import pytest

from mayfly.eventing import context
from mayfly.eventing.management import documents
from mayfly.store import records

NOW = 1_790_000_000.25


def make_invocation(**changes) -> records.Invocation:
    values = {
        "id": "019a0000-0000-7000-8000-000000000001",
        "namespace": "shop",
        "function": "mail",
        "state": records.State.WAITING,
        "accepted": NOW,
        "due": NOW + 1,
        "expires": None,
        "epoch": 3,
        "attempts": 2,
        "tries": 1,
        "redrives": 1,
        "settled": None,
        "reason": "",
        "detail": "",
        "status": None,
        "worker": "w1",
        "lease_until": None,
        "kind": "event",
        "target": "",
        "revision": None,
        "parent": None,
        "depth": 0,
        "context": "",
        "dedup_key": None,
    }
    return records.Invocation(**(values | changes))


def test_what_is_not_there_is_null():
    assert documents.make_invocation(make_invocation()) == {
        "id": "019a0000-0000-7000-8000-000000000001",
        "namespace": "shop",
        "function": "mail",
        "kind": "event",
        "state": "waiting",
        "accepted": "2026-09-21T14:13:20.250Z",
        "due": "2026-09-21T14:13:21.250Z",
        "expires": None,
        "settled": None,
        "attempts": 2,
        "tries": 1,
        "redrives": 1,
        "reason": None,
        "detail": None,
        "status": None,
        "revision": None,
        "parent": None,
        "depth": 0,
        "target": None,
        "client": None,
        "callId": None,
        "traceparent": None,
        "dedupKey": None,
        "nextAttempt": "2026-09-21T14:13:21.250Z",
    }


@pytest.mark.parametrize("state", set(records.State) - {records.State.WAITING}, ids=lambda state: state.value)
def test_only_what_waits_has_a_next_attempt(state):
    assert "nextAttempt" not in documents.make_invocation(make_invocation(state=state))


def test_the_context_is_told_without_where_its_answer_goes():
    kept = context.Context(traceparent="00-1-2-01", callback="https://a.example/?k=1", call_id="c1", client="shop-web")
    made = documents.make_invocation(make_invocation(context=kept.to_text()))
    assert (made["traceparent"], made["callId"], made["client"]) == ("00-1-2-01", "c1", "shop-web")
    assert "a.example" not in str(made)


def test_a_dead_letter_says_until_when_it_is_kept():
    made = documents.make_dead_letter(make_invocation(state=records.State.DEAD), kept_until=NOW)
    assert made["keptUntil"] == "2026-09-21T14:13:20.250Z"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "cookie",
        "Set-Cookie",
        "X-API-Key",
        "apikey",
        "x-auth-token",
        "X-Client-Secret-2",
        "mayfly-token",
        "x-password",
    ],
)
def test_credentials_are_hidden(name):
    assert documents.make_headers(((name, "abc"),)) == [{"name": name, "value": "(hidden)"}]


def test_other_headers_are_shown_in_order_twice_where_they_came_twice():
    headers = (("ce-id", "1"), ("x-monkey", "k"), ("ce-id", "2"))
    assert documents.make_headers(headers) == [{"name": name, "value": value} for name, value in headers]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/", "/"),
        ("/a?page=2&sort=up", "/a?page=2&sort=up"),
        ("/a?token=x", "/a?token=(hidden)"),
        ("/a?page=2&X-Access-Token=x%26y&z=1#end", "/a?page=2&X-Access-Token=(hidden)&z=1#end"),
        ("https://h.example/p?api_key=1&secret=2", "https://h.example/p?api_key=(hidden)&secret=(hidden)"),
    ],
)
def test_credentials_in_a_query_are_hidden(url, shown):
    assert documents.hide_query(url) == shown


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {"body": "", "bodyBase64": None}),
        ("Grüße".encode(), {"body": "Grüße", "bodyBase64": None}),
        (b"\xff\x00", {"body": None, "bodyBase64": "/wA="}),
    ],
    ids=["empty", "text", "bytes"],
)
def test_a_body_is_text_or_base64(body, fields):
    assert documents.make_body(body) == fields


@pytest.mark.parametrize("seconds", [0.0, 1_790_000_000.999_999_8, 1_790_000_000.122_999_97, 1_790_000_000.001])
def test_an_instant_is_never_shown_later_than_it_is(seconds):
    """Who asks for what was accepted since the instant shown gets it."""
    shown = dt.datetime.fromisoformat(documents.format_instant(seconds)).timestamp()
    assert seconds - 0.001 < shown <= seconds


@pytest.mark.parametrize(
    ("state", "due", "pause"),
    [
        (records.State.LEASED, NOW - 100, "1"),
        (records.State.WAITING, NOW - 5, "1"),
        (records.State.WAITING, NOW + 2.1, "3"),
        (records.State.WAITING, NOW + 3600, "30"),
    ],
)
def test_who_asks_early_is_told_when_to_come_back(state, due, pause):
    assert documents.make_retry_after(make_invocation(state=state, due=due), now=NOW) == pause


@pytest.mark.parametrize(("due", "lag"), [(None, 0.0), (NOW + 5, 0.0), (NOW - 1.5, 1.5)])
def test_a_queue_says_how_late_it_is(due, lag):
    made = documents.make_queue("mail", records.Count(accepted=7, waiting=7), earliest_due=due, now=NOW)
    assert made["lag"] == lag
    assert made["accepted"] == made["waiting"] == 7
