"""Settle leases, those of many workers at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly.store import form, records
from mayfly.store.pg import accepting, unit

_FIELDS = {
    "place": "int",
    "id": "text",
    "epoch": "bigint",
    "state": "text",
    "due": "float8",
    "settled": "float8",
    "reason": "text",
    "detail": "text",
    "tried": "text",
    "started": "float8",
    "ended": "float8",
    "status": "int",
    "error": "text",
    "revision": "text",
    "answer": "int",
    "headers": "text",
    "body": "bytea",
    "truncated": "bool",
}
# Rows are locked in the order of their ids, so that two groups cannot wait for each other.
_ARRAYS = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_FIELDS.values(), 1))
_SETTLE = f"""with told as materialized (select * from unnest({_ARRAYS}) as t ({", ".join(_FIELDS)})),
    found as materialized (
        select told.*, i.attempts as number, i.worker from told join invocations i on i.id = told.id
        and i.epoch = told.epoch and i.state = 'leased' order by i.id for update of i
    ), recorded as (
        insert into attempts select id, number + 1, tried, started, ended, status, error, worker, revision
        from found where tried is not null
    ), kept as (
        insert into results select id, answer, headers, body, truncated from found where answer is not null
        on conflict (invocation) do update set status = excluded.status, headers = excluded.headers,
            body = excluded.body, truncated = excluded.truncated
    ), dropped as (
        delete from results r using found where r.invocation = found.id and found.answer is null
            and found.state <> 'waiting'
    )
    update invocations i set state = f.state, due = coalesce(f.due, i.due), settled = f.settled, reason = f.reason,
        detail = f.detail, status = coalesce(f.status, i.status), lease_until = null,
        attempts = i.attempts + (f.tried is not null)::int, tries = tries + (f.tried is not null)::int
    from found f where i.id = f.id returning f.place, i.namespace, i.function"""  # noqa: S608  (our own names)


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of ``interface.Store.settle``."""

    invocation_id: str
    epoch: int
    outcome: records.Outcome
    attempt: records.Try | None
    now: float
    follow_ups: Sequence[records.NewInvocation]


async def settle(work: unit.Unit, requests: Sequence[Request]) -> list[records.Settled]:
    """Write down attempts and outcomes of all leases that are current, with their follow-ups."""
    rows = [tuple(_make_row(place, request, work.limits)) for place, request in enumerate(requests)]
    settled = await work.connection.fetch(_SETTLE, *map(list, zip(*rows, strict=True)))
    for place, namespace, function in settled:
        after = form.STATES[type(requests[place].outcome)]
        work.entries.move((namespace, function), records.State.LEASED, after)
        work.wakes |= after is records.State.WAITING
    current = sorted(row[0] for row in settled)
    receipts = await _follow_up(work, [requests[place] for place in current])
    answers = [records.Settled(current=False)] * len(requests)
    for place, follow_ups in zip(current, receipts, strict=True):
        answers[place] = records.Settled(True, follow_ups)
    return answers


async def _follow_up(work: unit.Unit, requests: Sequence[Request]) -> list[tuple[records.Receipt, ...]]:
    batches = [accepting.Request(request.follow_ups, request.now, together=False) for request in requests]
    return await accepting.accept(work, batches)


def _make_row(place: int, request: Request, limits: records.Limits) -> Iterator[Any]:
    """Yield the values of ``_FIELDS``."""
    outcome, attempt = request.outcome, request.attempt
    yield from (place, request.invocation_id, request.epoch, form.STATES[type(outcome)].value)
    yield from (outcome.due, None) if isinstance(outcome, records.Retry) else (None, request.now)
    yield from (outcome.reason, form.cut(outcome.detail, limits)) if isinstance(outcome, records.Dead) else ("", "")
    if attempt is None:
        yield from (None,) * 6
    else:
        yield from (form.TRIED[type(outcome)].value, attempt.started, attempt.ended, attempt.status)
        yield from (form.cut(attempt.error, limits), attempt.revision)
    result = None if isinstance(outcome, records.Retry) else outcome.result
    if result is None:
        yield from (None,) * 4
    else:
        kept = form.cut_result(result, limits)
        yield from (kept.status, form.write_headers(kept.headers), kept.body, kept.truncated)
