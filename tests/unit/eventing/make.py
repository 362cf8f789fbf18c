"""Invocations, Functions and attempts for tests of deliveries."""

from __future__ import annotations

import dataclasses

from mayfly.eventing import context, target
from mayfly.eventing.delivery import attempt, case
from mayfly.events import cloudevent, event, filters, retry
from mayfly.model import trigger
from mayfly.store import ids, records

NOW = 1_790_000_000.0
ID = ids.make_id(NOW, bytes(10))
ONE = event.make_event(
    {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "text/plain"}, b"x"
)
CALL = records.Message((("content-type", "text/plain"),), b"x", "PUT", "/p?q=1")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
KEPT = context.Context(traceparent=TRACE, tracestate="a=b", client="ada")


def to_message(one: event.Event) -> records.Message:
    carried = cloudevent.to_binary(one)
    return records.Message(carried.headers, carried.body)


def make_target(name: str = "mail", namespace: str = "shop", **changes) -> target.Target:
    """Return a Function; what a policy says may stand among the changes."""
    named = {field.name for field in dataclasses.fields(retry.Policy)}
    said = {key: changes.pop(key) for key in tuple(changes) if key in named}
    policy = retry.Policy(**({"jitter": trigger.Jitter.NONE} | said))
    return target.Target(namespace=namespace, name=name, uid=f"{namespace}-{name}", policy=policy, **changes)


def make_wanting(name: str, wanted: str, **changes) -> target.Target:
    """Return a Function that wants events of a type."""
    condition = filters.parse_filters([{"exact": {"type": wanted}}])
    return make_target(name, filters=(condition,), **changes)


def make_invocation(**changes) -> records.Invocation:
    values = {field.name: None for field in dataclasses.fields(records.Invocation)}
    values |= {"id": ID, "namespace": "shop", "function": "mail", "state": records.State.LEASED, "accepted": NOW}
    values |= {"due": NOW, "expires": NOW + 21600.0, "epoch": 1, "attempts": 0, "tries": 0, "redrives": 0}
    values |= {"reason": "", "detail": "", "worker": "w", "lease_until": NOW + 100, "kind": "event", "target": ""}
    values |= {"depth": 0, "context": KEPT.to_text()}
    return records.Invocation(**(values | changes))


def make_case(*others: target.Target, to="same", message: records.Message | None = None, **changes) -> case.Case:
    """Return the delivery to ``to`` (default: a plain Function; ``None``: nobody) in a namespace with ``others``."""
    invocation = make_invocation(**changes)
    if to == "same":
        to = make_target(invocation.function)
    if message is None:
        message = CALL if invocation.kind == "call" else to_message(ONE)
    every = {each.name: each for each in (*others, *([] if to is None else [to]))}

    def get(namespace: str, name: str) -> target.Target | None:
        return every.get(name) if namespace == invocation.namespace else None

    def find(namespace: str, one: event.Event) -> tuple[target.Target, ...]:
        assert namespace == invocation.namespace
        return tuple(each for each in every.values() if any(wish.matches(one) for wish in each.filters))

    return case.Case(invocation, message, to, get, find)


def make_lease(message: records.Message | None = None, **changes) -> records.Lease:
    invocation = make_invocation(**changes)
    return records.Lease(invocation, message or to_message(ONE), invocation.epoch, NOW + 100)


def try_it(came: attempt.Came, *, started: float = NOW, ended: float = NOW + 0.25) -> attempt.Attempt:
    return attempt.Attempt(started, ended, came)


def answer(status: int = 200, body: bytes = b"", *headers: tuple[str, str], **changes) -> attempt.Answer:
    return attempt.Answer(status, headers, body, **changes)


def reply_with(one: event.Event, status: int = 200) -> attempt.Answer:
    """Return the answer that is ``one`` in binary mode."""
    carried = cloudevent.to_binary(one)
    return attempt.Answer(status, carried.headers, carried.body)
