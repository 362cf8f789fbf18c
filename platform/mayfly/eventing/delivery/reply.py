"""A CloudEvent in the answer to another: the reply, published to whoever wants it. Pure.

https://github.com/knative/specs/blob/main/specs/eventing/data-plane.md, "Derived (Reply) Events".
"""

from __future__ import annotations

from mayfly import errors
from mayfly.eventing import kinds, publish
from mayfly.eventing.delivery import attempt, case
from mayfly.events import chain, cloudevent, event
from mayfly.store import records

REPLYING = frozenset({kinds.Kind.EVENT, kinds.Kind.SCHEDULE, kinds.Kind.REPLY})
"""Kinds whose answer may be an event; a call's answer is for its caller, and what tells of an end is the end."""
PREFER: records.Headers = (("prefer", "reply"),)
"""Asks for an event in the answer."""
_STATUS = 200
"""The data plane takes replies from this answer alone."""
_BATCH = "application/cloudevents-batch"


def read_reply(kind: kinds.Kind, answer: attempt.Answer) -> event.Event | None:
    """Return the event that ``answer`` to a delivery of ``kind`` is, ``None`` when it is none.

    Raises:
        InvalidEvent: it should be one, and is not sound.
    """
    if kind not in REPLYING or answer.status != _STATUS or not _claims_to_be(answer):
        return None
    if answer.truncated:
        raise errors.EventTooLarge(f"it is longer than the {len(answer.body)} bytes that are read of an answer")
    if answer.header("content-encoding") not in {None, "", "identity"}:
        raise errors.UnsupportedEvent("it is compressed; send it as it is")
    if (answer.header("content-type") or "").strip(" \t").lower().startswith(_BATCH):
        raise errors.UnsupportedEvent("it is a batch; a reply is one event")
    (found,) = cloudevent.parse_http(answer.headers, answer.body)
    return found


def publish_reply(one: case.Case, reply: event.Event, *, now: float) -> tuple[records.NewInvocation, ...]:
    """Return the deliveries of ``reply`` to everybody in the namespace who wants it, one deeper than what it answers.

    Raises:
        InvalidEvent: there is no room in it for its depth.
    """
    linked = chain.link(reply, one.invocation.depth)
    origin = publish.Origin(
        kinds.Kind.REPLY,
        parent=one.invocation.id,
        depth=one.invocation.depth + 1,
        context=one.context.for_follow_up(),
    )
    wanted = one.find(one.invocation.namespace, linked)
    return publish.make_event_invocations(linked, wanted, origin=origin, now=now)


def _claims_to_be(answer: attempt.Answer) -> bool:
    """Tell whether ``answer`` has any mark of an event."""
    content_type = (answer.header("content-type") or "").strip(" \t").lower()
    return content_type.startswith("application/cloudevents") or any(
        name.startswith("ce-") for name, _ in answer.headers
    )
