"""What the interface's description says about invocations, and what belongs to them.

The eventing process writes these documents (``mayfly.eventing.management.documents``); a test holds the two equal.
"""

from __future__ import annotations

from typing import Any, Literal

import pydantic
from pydantic import Field, alias_generators

State = Literal["waiting", "leased", "delivered", "dead", "cancelled"]
Instant = str
"""RFC 3339 in UTC with milliseconds."""

_WHEN = "2026-11-21T06:00:00.123Z"
_ID = "019a4c2e-79b0-7cc3-98c4-dc0c0c07398f"


class Shape(pydantic.BaseModel):
    """What all of them share: names in camelCase, every field always there, ``null`` for nothing."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel, extra="forbid", serialize_by_alias=True, validate_by_name=False
    )


def _example(**fields: Any) -> pydantic.ConfigDict:
    return pydantic.ConfigDict(json_schema_extra={"examples": [fields]})


_INVOCATION: dict[str, Any] = {
    "id": _ID,
    "namespace": "shop",
    "function": "mail",
    "kind": "event",
    "state": "waiting",
    "accepted": _WHEN,
    "due": "2026-11-21T06:00:03.500Z",
    "expires": "2026-11-21T12:00:00.123Z",
    "settled": None,
    "attempts": 1,
    "tries": 1,
    "redrives": 0,
    "reason": None,
    "detail": None,
    "status": 503,
    "revision": None,
    "parent": None,
    "depth": 0,
    "target": None,
    "client": "system:serviceaccount:shop:checkout",
    "callId": None,
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "dedupKey": "event:/shop/orders o-4711",
}


class Invocation(Shape):
    """One delivery of an event or a call to one function, as it stands."""

    model_config = _example(**_INVOCATION, nextAttempt="2026-11-21T06:00:03.500Z")

    id: str = Field(description="Its name, a UUID of version 7; the function sees it as Mayfly-Invocation.")
    namespace: str = Field(description="Namespace.")
    function: str = Field(description="The Function it is delivered to, or in whose name it is sent on.")
    kind: str = Field(description="Why it is: event, call, schedule, reply, success, failure, dead-letter or callback.")
    state: State = Field(
        description="waiting: for its next attempt; leased: an attempt is under way; then delivered, dead or cancelled."
    )
    accepted: Instant = Field(description="When it was stored.")
    due: Instant = Field(description="When it was, or is, to be tried.")
    expires: Instant | None = Field(description="When it is given up at the latest.")
    settled: Instant | None = Field(description="When it was delivered, given up or cancelled.")
    attempts: int = Field(description="Attempts on record, over its whole life.")
    tries: int = Field(description="Attempts since it was accepted or last redriven: what retries are counted by.")
    redrives: int = Field(description="How often it was redriven.")
    reason: str | None = Field(
        description="Why it is dead: RetriesExhausted, Expired, Rejected, TooDeep, Forbidden or Gone."
    )
    detail: str | None = Field(description="The same in a sentence, with the last error.")
    status: int | None = Field(description="HTTP status of the last attempt that got one.")
    revision: str | None = Field(description="The one revision it goes to; null: where the function's traffic goes.")
    parent: str | None = Field(description="The invocation whose reply, outcome or replay this is.")
    depth: int = Field(description="How many replies and destinations led here.")
    target: str | None = Field(description="The URL it goes to when that is not the function.")
    client: str | None = Field(description="Who sent it, as a policy of the route or Kubernetes named them.")
    call_id: str | None = Field(description="X-Call-Id of the call.")
    traceparent: str | None = Field(description="The trace it belongs to (W3C Trace Context).")
    dedup_key: str | None = Field(description="What it is known by when it is sent again.")
    next_attempt: Instant | None = Field(None, description="When it is tried next; only while it waits.")


class InvocationList(Shape):
    """One page of invocations."""

    items: list[Invocation] = Field(description="The invocations, the newest first.")
    cursor: str | None = Field(description="To be sent as cursor for the next page; null: there is none.")


class DeadInvocation(Invocation):
    """An invocation that was given up, and is kept for a redrive."""

    model_config = _example(
        **_INVOCATION
        | {"state": "dead", "attempts": 6, "tries": 6, "settled": "2026-11-21T06:04:11.020Z"}
        | {"reason": "RetriesExhausted", "detail": "RetriesExhausted after 6 attempts, the last: status 503"},
        keptUntil="2026-12-05T06:04:11.020Z",
    )

    kept_until: Instant = Field(description="When it is deleted, as its Function's spec.delivery.deadLetter says.")


class DeadLetterList(Shape):
    """One page of dead letters."""

    items: list[DeadInvocation] = Field(description="The dead letters, the newest first.")
    cursor: str | None = Field(description="To be sent as cursor for the next page; null: there is none.")


class Attempt(Shape):
    """One try to deliver."""

    model_config = _example(
        number=1,
        outcome="retried",
        started=_WHEN,
        ended="2026-11-21T06:00:00.140Z",
        status=503,
        error=None,
        revision="mail-00002",
        worker="mayfly-eventing-0",
    )

    number: int = Field(description="From 1, over the invocation's whole life.")
    outcome: Literal["delivered", "retried", "dead", "unknown", "cancelled"] = Field(
        description="What came of it; unknown and cancelled: the function may or may not have had it."
    )
    started: Instant = Field(description="When it was sent.")
    ended: Instant | None = Field(description="When the answer was there, or the error; null: nobody saw it.")
    status: int | None = Field(description="HTTP status of the answer; null: there was none.")
    error: str | None = Field(description="What went wrong, in words.")
    revision: str | None = Field(description="The revision that answered, if known.")
    worker: str = Field(description="Which process sent it.")


class AttemptList(Shape):
    """Every attempt of an invocation."""

    items: list[Attempt] = Field(description="The attempts, in order.")


class HeaderField(Shape):
    """One header."""

    name: str = Field(description="Its name.")
    value: str = Field(description="Its value; (hidden) for credentials.")


class Result(Shape):
    """What the function answered last."""

    model_config = _example(
        id=_ID,
        state="delivered",
        status=200,
        headers=[{"name": "content-type", "value": "application/json"}],
        body='{"sent":true}',
        bodyBase64=None,
        truncated=False,
    )

    id: str = Field(description="The invocation.")
    state: State = Field(description="delivered: it was delivered with this answer; dead: given up with it.")
    status: int = Field(description="HTTP status of the function's answer.")
    headers: list[HeaderField] = Field(description="Its headers, credentials hidden.")
    body: str | None = Field(description="Its body where that is UTF-8, else null.")
    body_base64: str | None = Field(description="Its body in base64 where it is not UTF-8, else null.")
    truncated: bool = Field(description="Whether the answer was longer than is kept.")


class Message(Shape):
    """What an invocation sends."""

    model_config = _example(
        method="POST",
        path="/",
        headers=[{"name": "ce-type", "value": "com.shop.order.created"}],
        body='{"order":"o-4711"}',
        bodyBase64=None,
    )

    method: str = Field(description="HTTP method.")
    path: str = Field(description="Path and query; values of parameters that carry credentials are hidden.")
    headers: list[HeaderField] = Field(description="Headers, credentials hidden.")
    body: str | None = Field(description="The body where it is UTF-8, else null.")
    body_base64: str | None = Field(description="The body in base64 where it is not UTF-8, else null.")


class Replay(Shape):
    """How to replay."""

    model_config = _example(revision="mail-00002")

    revision: str | None = Field(None, description="The revision to send it to; absent: where the traffic goes.")


class Redriven(Shape):
    """One step of a redrive."""

    model_config = _example(redriven=1000, cursor=_ID)

    redriven: int = Field(description="How many dead letters wait again.")
    cursor: str | None = Field(description="To be sent as cursor for the next step; null: it is done.")


class Purged(Shape):
    """One step of a purge."""

    model_config = _example(purged=1000, cursor=_WHEN)

    purged: int = Field(description="How many dead letters were deleted.")
    cursor: str | None = Field(description="To be sent as cursor for the next step; null: it is done.")


class Queue(Shape):
    """The books of one function."""

    model_config = _example(
        function="mail",
        accepted=1204,
        waiting=3,
        leased=1,
        delivered=1100,
        dead=2,
        cancelled=0,
        purged=98,
        nextDue="2026-11-21T06:00:03.500Z",
        lag=0.25,
    )

    function: str = Field(description="The function.")
    accepted: int = Field(description="Invocations ever accepted: waiting + leased + ... + purged.")
    waiting: int = Field(description="Waiting for an attempt.")
    leased: int = Field(description="With an attempt under way.")
    delivered: int = Field(description="Delivered, and still on record.")
    dead: int = Field(description="Dead letters.")
    cancelled: int = Field(description="Cancelled, and still on record.")
    purged: int = Field(description="Deleted after their retention, or by hand.")
    next_due: Instant | None = Field(description="When the first of what waits is due; null: nothing waits.")
    lag: float = Field(description="By how many seconds that is over already.")


class QueueList(Shape):
    """The books of every function of a namespace that ever had work."""

    items: list[Queue] = Field(description="The functions, by name.")


class EventDelivery(Shape):
    """What became of an event for one function that wants it."""

    id: str = Field(description="The invocation that delivers it.")
    function: str = Field(description="The function.")
    duplicate: bool = Field(description="Whether the event was sent before; the id is then that of the first time.")


class Accepted(Shape):
    """What was stored of the events sent."""

    model_config = _example(events=1, deliveries=[{"id": _ID, "function": "mail", "duplicate": False}])

    events: int = Field(description="Events in the request.")
    deliveries: list[EventDelivery] = Field(description="Their deliveries; none: no trigger wants them.")
