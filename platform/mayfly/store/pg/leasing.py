"""Lease invocations beside other dispatchers: rows that another one is taking are skipped, not waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly.store import form, records, turns
from mayfly.store.pg import unit

LAPSED_AT_ONCE = 1000
"""So many lapsed leases are collected by one claim, so that it stays short."""

_LAPSE = """with gone as materialized (
        select id, attempts, leased_at, worker, revision from invocations
        where state = 'leased' and {condition} limit {limit} for update skip locked
    ), recorded as (
        insert into attempts select id, attempts + 1, 'unknown', leased_at, null, null,
            'The lease lapsed: whoever held it did not say what came of it.', worker, revision from gone
    )
    update invocations i set state = 'waiting', attempts = i.attempts + 1, tries = tries + 1, lease_until = null
    from gone where i.id = gone.id returning i.namespace, i.function"""
_LAPSED = _LAPSE.format(condition="lease_until <= $1", limit=LAPSED_AT_ONCE)
_OF_WORKER = _LAPSE.format(condition="worker = $1", limit="all")
# A loose index scan: from each queue straight to the next, however much waits in between
# (https://wiki.postgresql.org/wiki/Loose_indexscan).
HEADS = """with recursive heads as (
        (select namespace, function, due from invocations where state = 'waiting'
         order by namespace, function, due limit 1)
        union all
        select next.* from heads cross join lateral (
            select namespace, function, due from invocations i
            where state = 'waiting' and (i.namespace, i.function) > (heads.namespace, heads.function)
            order by namespace, function, due limit 1
        ) next
    ) select namespace, function, due from heads"""
_CLAIM = f"""with chosen as materialized (
        select found.id, share.seconds
        from unnest($3::text[], $4::text[], $5::int[], $6::float8[]) as share (namespace, function, number, seconds)
        cross join lateral (
            select id from invocations i
            where i.namespace = share.namespace and i.function = share.function and state = 'waiting' and due <= $2
            order by due, id limit share.number for update skip locked
        ) found
    )
    update invocations i set state = 'leased', epoch = epoch + 1, worker = $1, leased_at = $2,
        lease_until = $2 + chosen.seconds
    from chosen where i.id = chosen.id
    returning {", ".join(f"i.{name}" for name in form.INVOCATION)}, i.message"""  # noqa: S608  (our own names)
_MESSAGES = "select id, headers, body, method, path from messages where id = any($1::text[])"
_ENDS = "select min(lease_until) from invocations where state = 'leased'"


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of ``interface.Store.claim``."""

    worker: str
    now: float
    limit: int
    default: records.Terms
    terms: Mapping[records.Queue, records.Terms]


async def claim(work: unit.Unit, rota: turns.Turns, request: Request) -> tuple[records.Lease, ...]:
    """Lease what is due, in turn."""
    _enter_lapsed(work, await work.connection.fetch(_LAPSED, request.now))
    heads = await work.connection.fetch(HEADS + " where due <= $1", request.now)
    agreed = {(row[0], row[1]): request.terms.get((row[0], row[1]), request.default) for row in heads}
    free = {queue: term.capacity for queue, term in agreed.items() if term.capacity > 0}
    rows: list[Any] = []
    while free and len(rows) < request.limit:
        shares = rota.deal(free, request.limit - len(rows))
        taken = await _take(work, request, shares, agreed)
        rows += taken
        _reduce(free, shares, taken)
    return await _make_leases(work, rows)


async def _take(
    work: unit.Unit,
    request: Request,
    shares: Mapping[records.Queue, int],
    agreed: Mapping[records.Queue, records.Terms],
) -> list[Any]:
    """Lease up to its share of every queue."""
    rows: list[Any] = await work.connection.fetch(
        _CLAIM,
        request.worker,
        request.now,
        [namespace for namespace, _ in shares],
        [function for _, function in shares],
        list(shares.values()),
        [agreed[queue].lease_seconds for queue in shares],
    )
    for row in rows:
        work.entries.move((row["namespace"], row["function"]), records.State.WAITING, records.State.LEASED)
    return rows


def _reduce(free: dict[records.Queue, int], shares: Mapping[records.Queue, int], taken: Sequence[Any]) -> None:
    """Take what was dealt out of ``free``, and queues that had less than their share altogether."""
    got = dict.fromkeys(shares, 0)
    for row in taken:
        got[row["namespace"], row["function"]] += 1
    for queue, share in shares.items():
        free[queue] -= share
        if got[queue] < share or not free[queue]:
            del free[queue]


async def _make_leases(work: unit.Unit, rows: Sequence[Any]) -> tuple[records.Lease, ...]:
    if not rows:
        return ()
    found = await work.connection.fetch(_MESSAGES, list({row["message"] for row in rows}))
    messages = {row[0]: records.Message(form.read_headers(row[1]), *tuple(row)[2:]) for row in found}
    leases = []
    for row in rows:
        invocation = form.read_invocation(tuple(row))
        assert invocation.lease_until is not None
        leases.append(records.Lease(invocation, messages[row["message"]], invocation.epoch, invocation.lease_until))
    return tuple(sorted(leases, key=lambda lease: (lease.invocation.due, lease.invocation.id)))


async def lapse(work: unit.Unit, *, worker: str) -> int:
    """Let every lease of ``worker`` lapse."""
    rows = await work.connection.fetch(_OF_WORKER, worker)
    _enter_lapsed(work, rows)
    return len(rows)


def _enter_lapsed(work: unit.Unit, rows: Sequence[Any]) -> None:
    for namespace, function in rows:
        work.entries.move((namespace, function), records.State.LEASED, records.State.WAITING)
        work.wakes = True


async def extend(work: unit.Unit, *, invocation_id: str, epoch: int, until: float) -> bool:
    """Move the end of a lease, if it is the current one."""
    tag: str = await work.connection.execute(
        "update invocations set lease_until = $3 where id = $1 and state = 'leased' and epoch = $2",
        invocation_id,
        epoch,
        until,
    )
    return tag == "UPDATE 1"


async def next_due(work: unit.Unit) -> float | None:
    """Return the earliest instant at which a claim can find something."""
    instants = [row[2] for row in await work.connection.fetch(HEADS)]
    ends = await work.connection.fetchval(_ENDS)
    return min(instants if ends is None else [*instants, ends], default=None)
