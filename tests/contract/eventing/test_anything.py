"""Any request gets an answer that blames who is to blame: with a sound store and cluster there is no 5xx."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from mayfly.model import handover
from tests.contract.eventing import world as worlds
from tests.unit.events import cases

OURS = (
    *("ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-mayflydepth", "ce-traceparent", "content-type"),
    *("prefer", "idempotency-key", "x-callback-url", "x-call-id", "traceparent", "tracestate", "connection"),
    *("mayfly-depth", "webhook-request-origin", "x-api-key", "mayfly-token", "accept", "upgrade", "x-request-id"),
    *(handover.STEM, handover.CLIENT),
)
WORDS = (
    *("1.0", "respond-async", "wait=1", "a-1", "/shop/orders", "com.shop.order", cases.JSON_TYPE, cases.BATCH_TYPE),
    *("text/plain", '"', "%", "%zz", "\xe9", "\t", "websocket", "upgrade", "keep-alive", worlds.ALLOWED_URL, "999"),
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
names = st.sampled_from(OURS) | st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z").filter(
    lambda name: name not in {"content-length", "transfer-encoding", "host", "expect"}
)
text = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00", exclude_categories=["Cc"]), max_size=40)
values = st.sampled_from(WORDS) | text | st.lists(st.sampled_from(WORDS), max_size=4).map(",".join)
headers = st.lists(st.tuples(names, values), max_size=12)
sound = st.just(list(cases.BINARY))
bodies = (
    st.binary(max_size=200)
    | st.sampled_from([body for body, *_ in cases.GOOD_STRUCTURED.values() if len(body) < 10_000])
    | st.sampled_from([body for body, *_ in cases.GOOD_BATCH.values() if len(body) < 10_000])
)
methods = st.sampled_from(["POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE", "PATCH", "PURGE"])
paths = st.from_regex(r"\A/[!-~]{0,40}\Z").filter(lambda path: "#" not in path)
anything = hypothesis.settings(
    deadline=None, max_examples=300, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@anything
@hypothesis.given(methods, paths | st.sampled_from(["/events", "/events/shop", "/v1/x"]), headers, bodies)
def test_a_stranger_gets_nothing_done(world, method, path, given, body):
    before = world.count()
    answer = world.send(method, path, given, body)
    assert answer.status in ({200, 401, 404, 405} if method == "OPTIONS" else {400, 401, 404, 405})
    assert world.count() == before


@anything
@hypothesis.given(st.one_of(headers, st.tuples(sound, headers).map(lambda both: both[0] + both[1])), bodies)
def test_an_event_of_any_form_is_taken_or_refused(world, given, body):
    world.put("any", "f0", triggers=[{"event": {"source": "/shop/orders"}}])
    before = world.count("any")
    answer = world.post_event("any", given, body)
    assert answer.status in {202, 400, 413, 415}
    new = [one for one in answer.document["deliveries"] if not one["duplicate"]] if answer.status == 202 else []
    assert world.count("any") == before + len(new)


@anything
@hypothesis.given(st.tuples(methods, paths), headers, bodies, st.sampled_from(["call", "alias"]))
def test_a_call_of_any_form_is_taken_or_refused(world, line, given, body, word):
    world.put("any", "mail")
    before = world.count("any")
    method, path = line
    answer = world.call("any", "mail", given, body=body, path=path, method=method, word=word)
    assert answer.status in {202, 400, 422}
    new = answer.status == 202 and "idempotent-replayed" not in answer.headers
    assert world.count("any") == before + new
