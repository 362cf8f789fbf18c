"""Store new invocations, those of many callers at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly.store import dedup, form, records
from mayfly.store.pg import line, unit

_FIND = """select i.namespace, i.function, i.dedup_key, i.id, i.fingerprint
    from unnest($1::text[], $2::text[], $3::text[]) as k (namespace, function, dedup_key)
    join invocations i on i.namespace = k.namespace and i.function = k.function and i.dedup_key = k.dedup_key"""
_MESSAGES = """insert into messages (id, refs, method, path, headers, body)
    select * from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bytea[])"""
_COLUMNS = {
    "id": "text",
    "namespace": "text",
    "function": "text",
    "message": "text",
    "accepted": "float8",
    "due": "float8",
    "expires": "float8",
    "kind": "text",
    "target": "text",
    "revision": "text",
    "parent": "text",
    "depth": "int",
    "context": "text",
    "dedup_key": "text",
    "fingerprint": "text",
}
# Ordered by key: two processes that wait for each other's keys would otherwise wait for ever.
_INVOCATIONS = (
    f"insert into invocations (state, {', '.join(_COLUMNS)}) select 'waiting', * from unnest("  # noqa: S608
    + ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_COLUMNS.values(), 1))
    + f") as new ({', '.join(_COLUMNS)}) order by namespace, function, dedup_key "
    "on conflict (namespace, function, dedup_key) where dedup_key is not null do nothing"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One batch; ``together``: nothing of it is stored when one is a conflict."""

    batch: Sequence[records.NewInvocation]
    now: float
    together: bool = True


async def accept(work: unit.Unit, requests: Sequence[Request]) -> list[tuple[records.Receipt, ...]]:
    """Store what is new of every batch and return its receipts."""
    receipts = []
    for group in _split(requests):
        receipts += await _accept(work, group)
    return receipts


def _split(requests: Sequence[Request]) -> Iterator[list[Request]]:
    """Yield runs of requests of which no two name the same key: a later one has to see what an earlier one did."""
    group: list[Request] = []
    taken: set[dedup.Key] = set()
    for request in requests:
        keys = {key for key in map(dedup.key_of, request.batch) if key}
        if keys & taken:
            yield group
            group, taken = [], set()
        group.append(request)
        taken |= keys
    if group:
        yield group


async def _accept(work: unit.Unit, requests: Sequence[Request]) -> list[tuple[records.Receipt, ...]]:
    known = await _find(work, requests)
    receipts = [dedup.decide(request.batch, known.get, together=request.together) for request in requests]
    fresh = [
        (one, request.now)
        for request, answers in zip(requests, receipts, strict=True)
        for one, receipt in zip(request.batch, answers, strict=True)
        if receipt.verdict is records.Verdict.NEW
    ]
    if fresh:
        await _insert(work, fresh)
    return receipts


async def _find(work: unit.Unit, requests: Sequence[Request]) -> dict[dedup.Key, dedup.Known]:
    keys = [key for request in requests for key in map(dedup.key_of, request.batch) if key]
    if not keys:
        return {}
    rows = await work.connection.fetch(_FIND, *_columns(keys))
    return {(row[0], row[1], row[2]): dedup.Known(row[3], row[4]) for row in rows}


async def _insert(work: unit.Unit, fresh: Sequence[tuple[records.NewInvocation, float]]) -> None:
    names = await _insert_messages(work, [one for one, _ in fresh])
    rows = [
        (
            *(one.id, one.namespace, one.function, names[id(one.message)], now, one.due, one.expires, one.kind),
            *(one.target, one.revision, one.parent, one.depth, one.context, one.dedup_key, one.fingerprint),
        )
        for one, now in fresh
    ]
    tag: str = await work.connection.execute(_INVOCATIONS, *_columns(rows))
    if int(tag.rpartition(" ")[2]) < len(rows):
        raise line.Raced
    for one, _ in fresh:
        work.entries.accept((one.namespace, one.function))
    work.wakes = True


async def _insert_messages(work: unit.Unit, fresh: Sequence[records.NewInvocation]) -> dict[int, str]:
    """Store each message once, under the id of the first that sends it; return that by the message's identity."""
    sent: dict[int, list[records.NewInvocation]] = {}
    for one in fresh:
        sent.setdefault(id(one.message), []).append(one)
    rows = []
    for group in sent.values():
        message = group[0].message
        headers = form.write_headers(message.headers)
        rows.append((group[0].id, len(group), message.method, message.path, headers, message.body))
    await work.connection.execute(_MESSAGES, *_columns(rows))
    return {identity: group[0].id for identity, group in sent.items()}


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
