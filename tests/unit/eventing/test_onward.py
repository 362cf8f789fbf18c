"""A function sees of an asynchronous call what it would have seen of a synchronous one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly.eventing import onward, prefer, web
from mayfly.model import handover

DROPPED = [
    *(("connection", "close"), ("keep-alive", "timeout=5"), ("transfer-encoding", "chunked"), ("te", "trailers")),
    *(("trailer", "x"), ("upgrade", "h2c"), ("proxy-authorization", "Basic x"), ("expect", "100-continue")),
    *(("host", "mail.shop.example"), ("content-length", "5"), ("x-request-id", "r-1"), ("idempotency-key", "k")),
    *(("traceparent", "00-1"), ("tracestate", "a=b")),
    *((handover.TOKEN, "secret"), (handover.NAMESPACE, "shop"), (handover.FUNCTION, "mail"), (handover.STEM, "/m")),
    *((handover.ASYNC, "call"), (handover.DELIVERY, "secret"), (handover.ATTEMPT, "1"), ("mayfly-depth", "2")),
    *(("mayfly-token", "secret"), ("x-envoy-expected-rq-timeout-ms", "1"), ("prefer", "respond-async")),
]
KEPT = [
    *(("content-type", "text/plain"), ("authorization", "Bearer x"), ("cookie", "a=b"), ("x-forwarded-for", "::1")),
    *((handover.CLIENT, "ada"), ("x-mayfly-jwt-payload", "e30"), ("ce-id", "1"), ("x-mayflower", "a ship")),
    *(("accept", "a"), ("accept", "b"), ("prefer", "return=minimal"), ("x-empty", "")),
]


def make(path="/", query="", headers=(), word=handover.CALL):
    return web.Request("PUT", path, query, ((handover.ASYNC, word), *headers), b"\x00body")


@pytest.mark.parametrize("header", DROPPED, ids=lambda pair: pair[0])
def test_a_header_that_was_for_somebody_else_is_dropped(header):
    assert onward.make_message(make(headers=[header])).headers == ()


def test_every_other_header_stays_in_its_order():
    message = onward.make_message(make(headers=KEPT))
    assert message.headers == tuple(KEPT)
    assert (message.method, message.body) == ("PUT", b"\x00body")


def test_what_connection_names_is_dropped_but_never_an_identity():
    headers = [("connection", "X-Hop, x-mayfly-client"), ("x-hop", "1"), ("connection", "x-two"), ("x-two", "2")]
    message = onward.make_message(make(headers=[*headers, (handover.CLIENT, "ada")]))
    assert message.headers == ((handover.CLIENT, "ada"),)


@pytest.mark.parametrize(
    ("path", "word", "seen"),
    [
        ("/", "call", "/"),
        ("/a/b", "call", "/a/b"),
        ("/async", "call", "/"),
        ("/async/", "call", "/"),
        ("/async/a", "call", "/a"),
        ("/async/async/a", "call", "/async/a"),
        ("/asynchronous", "call", "/asynchronous"),
        ("/a/async/b", "call", "/a/async/b"),
        ("/async%2Fa", "call", "/async%2Fa"),
        ("/async-function/mail", "call", "/async-function/mail"),
        ("/async-function/mail", "alias", "/"),
        ("/async-function/mail.shop", "alias", "/"),
        ("/async-function/mail.shop/", "alias", "/"),
        ("/async-function/mail/a/b", "alias", "/a/b"),
        ("/async-function/mail/async-function/x", "alias", "/async-function/x"),
        ("/async-function/mail/async", "alias", "/async"),
    ],
)
def test_the_path_is_that_of_a_synchronous_call(path, word, seen):
    assert onward.make_message(make(path, word=word)).path == seen
    assert onward.make_message(make(path, "q=%20&q", word=word)).path == f"{seen}?q=%20&q"


@pytest.mark.parametrize(
    ("value", "asks", "rest"),
    [
        ("respond-async", True, ""),
        ("Respond-Async", True, ""),
        (" respond-async , wait=10", True, ""),
        ("wait=10", False, ""),
        ("return=minimal", False, "return=minimal"),
        ("respond-async; x=1, return=minimal", True, "return=minimal"),
        ('a="b, respond-async", wait = 5', False, 'a="b, respond-async"'),
        ('a="b\\", respond-async"', False, 'a="b\\", respond-async"'),
        ("respond-asynchronously", False, "respond-asynchronously"),
        ("", False, ""),
        (",,", False, ""),
    ],
)
def test_preferences_are_told_apart(value, asks, rest):
    assert prefer.asks_for_later((("prefer", value),)) is asks
    assert prefer.strip_ours(value) == rest


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_preference_can_be_stripped_and_asks_no_more(value):
    rest = prefer.strip_ours(value)
    assert not prefer.asks_for_later((("prefer", rest),))
    assert prefer.strip_ours(rest) == rest
