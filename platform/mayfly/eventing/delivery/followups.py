"""What the end of an invocation causes: news for its destinations, a dead letter, a callback. Pure.

All of it is stored with the end itself, in one transaction. What is caused has the cause as parent, its trace, and a
dedup key made of its id, so that the same end written twice causes nothing twice. None of it causes anything of its
kind again (``kinds.FOLLOW_UPS``), so its depth only counts up to the most that is delivered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from mayfly.eventing import kinds, publish, target
from mayfly.eventing.delivery import attempt, case, news
from mayfly.events import binary, chain, event
from mayfly.model import trigger
from mayfly.store import records

UNAVAILABLE = 503
"""What a callback says of a call to which no answer came, as OpenFaaS's does."""


def make_follow_ups(one: case.Case, ending: news.Ending, *, now: float) -> tuple[records.NewInvocation, ...]:
    """Return everything that follows ``ending``."""
    if one.kind in kinds.FOLLOW_UPS:
        return ()
    return (*_make_news(one, ending, now), *_make_dead_letter(one, ending, now), *_make_callback(one, ending, now))


def fit(
    follow_ups: Iterable[records.NewInvocation], limits: records.Limits
) -> tuple[tuple[records.NewInvocation, ...], str]:
    """Return those whose message a store takes, and a sentence about the others, empty when there are none."""
    kept: list[records.NewInvocation] = []
    lost: list[records.NewInvocation] = []
    for each in follow_ups:
        size = len(each.message.body) + sum(len(name) + len(value) for name, value in each.message.headers)
        (kept if size <= limits.message_bytes else lost).append(each)
    kinds_of_lost = ", ".join(dict.fromkeys(each.kind for each in lost))
    return tuple(kept), f"Not sent, being over {limits.message_bytes} bytes: {kinds_of_lost}." if lost else ""


def name_after(one: case.Case, follow_ups: Iterable[records.NewInvocation]) -> tuple[records.NewInvocation, ...]:
    """Return ``follow_ups`` with the dedup keys of what this life of the invocation causes."""
    named = f"{one.invocation.id}:{one.invocation.redrives}"
    return tuple(dataclasses.replace(each, dedup_key=f"{each.kind}:{named}") for each in follow_ups)


def _make_news(one: case.Case, ending: news.Ending, now: float) -> Iterator[records.NewInvocation]:
    if one.to is None:
        return
    kind, destination = (
        (kinds.Kind.SUCCESS, one.to.on_success) if ending.dead is None else (kinds.Kind.FAILURE, one.to.on_failure)
    )
    if destination is None:
        return
    if destination.event is not None:
        told = news.make_product(one, ending, event_type=destination.event, now=now)
    else:
        told = news.make_news(one, ending, now=now)
    yield from _send(one, told, destination, kind=kind, now=now)


def _make_dead_letter(one: case.Case, ending: news.Ending, now: float) -> Iterator[records.NewInvocation]:
    if one.to is None or one.to.dead_letter_sink is None or ending.dead is None:
        return
    sink = one.to.dead_letter_sink
    letter = news.make_dead_letter(one, ending, event_type=sink.event)
    yield from _send(one, letter, sink, kind=kinds.Kind.DEAD_LETTER, now=now)


def _make_callback(one: case.Case, ending: news.Ending, now: float) -> Iterator[records.NewInvocation]:
    """Yield the POST that OpenFaaS makes: https://docs.openfaas.com/reference/async/."""
    known = one.context
    if one.kind is not kinds.Kind.CALL or not known.callback:
        return
    headers = [
        ("x-call-id", known.call_id or one.invocation.id),
        ("x-function-name", one.invocation.function),
        ("x-function-status", str(ending.status or UNAVAILABLE)),
        ("x-duration-seconds", f"{ending.seconds:.6f}"),
    ]
    if ending.answer is not None:
        headers += _describe_body(ending.answer)
    body = b"" if ending.answer is None else ending.answer.body
    yield publish.make_call_invocation(
        records.Message(tuple(headers), body),
        one.name(one.invocation.function),
        origin=_make_origin(one, kinds.Kind.CALLBACK),
        now=now,
        url=known.callback,
    )


def _describe_body(answer: attempt.Answer) -> records.Headers:
    said = tuple(pair for pair in answer.headers if pair[0] in {"content-type", "content-encoding"})
    return (*said, (f"x-{news.TRUNCATED}", "true")) if answer.truncated else said


def _send(
    one: case.Case, told: event.Event, destination: trigger.Destination, *, kind: kinds.Kind, now: float
) -> tuple[records.NewInvocation, ...]:
    """Return the deliveries of ``told`` to ``destination``."""
    origin = _make_origin(one, kind)
    told = news.at_depth(told, origin.depth)
    if destination.url is not None:
        carried = binary.write(told)
        message = records.Message(carried.headers, carried.body)
        to = one.name(one.invocation.function)
        return (publish.make_call_invocation(message, to, origin=origin, now=now, url=destination.url),)
    wanted: tuple[target.Target, ...]
    if destination.function is not None:
        wanted = (one.name(destination.function),)
    else:
        wanted = one.find(one.invocation.namespace, told)
    return publish.make_event_invocations(told, wanted, origin=origin, now=now)


def _make_origin(one: case.Case, kind: kinds.Kind) -> publish.Origin:
    return publish.Origin(
        kind,
        parent=one.invocation.id,
        depth=min(one.invocation.depth + 1, chain.MAX_DEPTH),
        context=one.context.for_follow_up(),
    )
