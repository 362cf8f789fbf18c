"""Make invocations: of an event for everybody who wants it, of a call, of what follows another one. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

from mayfly.eventing import context, kinds, target
from mayfly.events import chain, cloudevent, event
from mayfly.store import ids, records

SOURCES = "/mayfly/namespaces/"
"""Beginning of the source of every event that the platform itself makes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where an invocation comes from."""

    kind: kinds.Kind
    parent: str | None = None
    depth: int = 0
    context: context.Context = context.EMPTY


def make_event_invocations(
    one: event.Event, targets: Iterable[target.Target], *, origin: Origin, now: float
) -> tuple[records.NewInvocation, ...]:
    """Return a delivery of ``one`` to each of ``targets``; they share the message.

    The event's source and id name it for each Function: sent again, it is delivered once. What the platform makes of
    another invocation has that one as parent, and its depth counts from it.
    """
    carried = cloudevent.to_binary(one)
    message = records.Message(headers=carried.headers, body=carried.body)
    depth = max(origin.depth, chain.depth_of(one))
    key, kept = make_event_key(one), origin.context.to_text()
    return tuple(
        records.NewInvocation(
            id=ids.make_id(now),
            namespace=each.namespace,
            function=each.name,
            message=message,
            due=now,
            expires=now + each.policy.max_age,
            dedup_key=key,
            kind=origin.kind.value,
            parent=origin.parent,
            depth=depth,
            context=kept,
        )
        for each in targets
    )


def make_call_invocation(
    message: records.Message,
    to: target.Target,
    *,
    origin: Origin,
    now: float,
    idempotency_key: str | None = None,
    url: str = "",
) -> records.NewInvocation:
    """Return the delivery of a call, or of what is sent to ``url`` in the name of the Function ``to``."""
    return records.NewInvocation(
        id=ids.make_id(now),
        namespace=to.namespace,
        function=to.name,
        message=message,
        due=now,
        expires=now + to.policy.max_age,
        dedup_key=None if idempotency_key is None else f"key:{idempotency_key}",
        fingerprint="" if idempotency_key is None else make_fingerprint(message),
        kind=origin.kind.value,
        target=url,
        parent=origin.parent,
        depth=origin.depth,
        context=origin.context.to_text(),
    )


def make_source(namespace: str, function: str) -> str:
    """Return the source of events that the platform makes about a Function."""
    return f"{SOURCES}{namespace}/functions/{function}"


def make_event_key(one: event.Event) -> str:
    """Return the dedup key of an event: ``source`` and ``id`` name it (CloudEvents 1.0.2, section "id")."""
    whole = "\0".join(one.identity)
    if len(whole) <= 200:  # noqa: PLR2004  (an index of readable keys, but not of endless ones)
        return f"event:{whole.replace(chr(0), ' ')}"
    return f"event#{hashlib.blake2b(whole.encode(), digest_size=32).hexdigest()}"


def make_fingerprint(message: records.Message) -> str:
    """Return a digest of what an ``Idempotency-Key`` stands for: method, path, type and body."""
    types: Sequence[str] = [value for name, value in message.headers if name == "content-type"]
    digest = hashlib.blake2b(digest_size=16)
    for part in (message.method, message.path, *types):
        digest.update(part.encode() + b"\0")
    digest.update(message.body)
    return digest.hexdigest()
