"""Jobs that lease invocations and settle them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mayfly.store import form, records, turns
from mayfly.store.lite import accepting, unit

LAPSED_AT_ONCE = 1000
"""So many lapsed leases are collected by one claim, so that it stays short."""

_COLUMNS = ", ".join(form.INVOCATION)
_LAPSED = "select id, namespace, function from invocations where state = 'leased' and lease_until <= ? limit ?"
_OF_WORKER = "select id, namespace, function from invocations where state = 'leased' and worker = ?"
_UNKNOWN = """insert into attempts select id, attempts + 1, ?, leased_at, null, null, ?, worker, revision
    from invocations where id = ?"""
_LAPSE = """update invocations set state = 'waiting', attempts = attempts + 1, tries = tries + 1, lease_until = null
    where id = ?"""
_CLAIM = f"""update invocations set state = 'leased', epoch = epoch + 1, worker = ?, leased_at = ?, lease_until = ?
    where id in (select id from invocations where namespace = ? and function = ? and state = 'waiting' and due <= ?
    order by due, id limit ?) returning {_COLUMNS}, message"""  # noqa: S608  (our own names)
_MESSAGE = "select headers, body, method, path from messages where seq = ?"
_EXTEND = "update invocations set lease_until = ? where id = ? and state = 'leased' and epoch = ?"
_CURRENT = """select namespace, function, worker, attempts from invocations
    where id = ? and state = 'leased' and epoch = ?"""
_ATTEMPT = "insert into attempts values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT = "update invocations set attempts = attempts + 1, tries = tries + 1, status = coalesce(?, status) where id = ?"
_RETRY = "update invocations set state = 'waiting', due = ?, lease_until = null where id = ?"
_END = "update invocations set state = ?, settled = ?, reason = ?, detail = ?, lease_until = null where id = ?"
_RESULT = "insert or replace into results values (?, ?, ?, ?, ?)"

LAPSED = "The lease lapsed: whoever held it did not say what came of it."


def claim(
    work: unit.Unit,
    rota: turns.Turns,
    *,
    worker: str,
    now: float,
    limit: int,
    default: records.Terms,
    terms: Mapping[records.Queue, records.Terms],
) -> tuple[records.Lease, ...]:
    """Lease what is due, in turn; see ``interface.Store.claim``."""
    _lapse(work, work.connection.execute(_LAPSED, (now, LAPSED_AT_ONCE)).fetchall())
    heads = work.heads.read(work.connection)
    agreed = {queue: terms.get(queue, default) for queue, due in heads.items() if due <= now}
    free = {queue: term.capacity for queue, term in agreed.items() if term.capacity > 0}
    leases: list[records.Lease] = []
    while free and len(leases) < limit:
        for queue, share in rota.deal(free, limit - len(leases)).items():
            taken = _take(work, queue, worker=worker, now=now, seconds=agreed[queue].lease_seconds, share=share)
            leases += taken
            free[queue] -= share
            if len(taken) < share or not free[queue]:
                del free[queue]
    return tuple(leases)


def _take(
    work: unit.Unit, queue: records.Queue, *, worker: str, now: float, seconds: float, share: int
) -> list[records.Lease]:
    """Lease up to ``share`` of one queue, the earliest due first."""
    rows = work.connection.execute(_CLAIM, (worker, now, now + seconds, *queue, now, share)).fetchall()
    if rows:
        work.touch(queue)
        work.entries.move(queue, records.State.WAITING, records.State.LEASED, len(rows))
    leases = []
    for row in rows:
        invocation = form.read_invocation(row)
        headers, body, method, path = work.connection.execute(_MESSAGE, row[-1:]).fetchone()
        message = records.Message(form.read_headers(headers), body, method, path)
        leases.append(records.Lease(invocation, message, invocation.epoch, now + seconds))
    return sorted(leases, key=lambda lease: (lease.invocation.due, lease.invocation.id))


def lapse(work: unit.Unit, *, worker: str) -> int:
    """Let every lease of ``worker`` lapse."""
    rows = work.connection.execute(_OF_WORKER, (worker,)).fetchall()
    _lapse(work, rows)
    return len(rows)


def _lapse(work: unit.Unit, rows: Sequence[tuple[str, str, str]]) -> None:
    for identity, *queue in rows:
        work.connection.execute(_UNKNOWN, (records.Tried.UNKNOWN.value, LAPSED, identity))
        work.connection.execute(_LAPSE, (identity,))
        namespace, function = queue
        work.entries.move((namespace, function), records.State.LEASED, records.State.WAITING)
        work.touch((namespace, function))
        work.wakes = True


def extend(work: unit.Unit, *, invocation_id: str, epoch: int, until: float) -> bool:
    """Move the end of a lease, if it is the current one."""
    return work.connection.execute(_EXTEND, (until, invocation_id, epoch)).rowcount == 1


def settle(
    work: unit.Unit,
    *,
    invocation_id: str,
    epoch: int,
    outcome: records.Outcome,
    attempt: records.Try | None,
    now: float,
    follow_ups: Sequence[records.NewInvocation],
) -> records.Settled:
    """Write down an attempt and its outcome, if the lease is the current one."""
    row = work.connection.execute(_CURRENT, (invocation_id, epoch)).fetchone()
    if row is None:
        return records.Settled(current=False)
    namespace, function, worker, number = row
    if attempt is not None:
        _record(work, invocation_id, attempt, number=number + 1, tried=form.TRIED[type(outcome)], worker=worker)
    _conclude(work, invocation_id, outcome, now)
    work.entries.move((namespace, function), records.State.LEASED, form.STATES[type(outcome)])
    if isinstance(outcome, records.Retry):
        work.touch((namespace, function))
        work.wakes = True
    return records.Settled(True, accepting.accept(work, follow_ups, now=now, together=False))


def _record(
    work: unit.Unit, identity: str, attempt: records.Try, *, number: int, tried: records.Tried, worker: str
) -> None:
    error = form.cut(attempt.error, work.limits)
    row = identity, number, tried.value, attempt.started, attempt.ended, attempt.status, error, worker, attempt.revision
    work.connection.execute(_ATTEMPT, row)
    work.connection.execute(_COUNT, (attempt.status, identity))


def _conclude(work: unit.Unit, identity: str, outcome: records.Outcome, now: float) -> None:
    if isinstance(outcome, records.Retry):
        work.connection.execute(_RETRY, (outcome.due, identity))
        return
    reason, detail = (outcome.reason, outcome.detail) if isinstance(outcome, records.Dead) else ("", "")
    state = form.STATES[type(outcome)].value
    work.connection.execute(_END, (state, now, reason, form.cut(detail, work.limits), identity))
    if outcome.result is None:
        work.connection.execute("delete from results where invocation = ?", (identity,))
        return
    result = form.cut_result(outcome.result, work.limits)
    row = identity, result.status, form.write_headers(result.headers), result.body, result.truncated
    work.connection.execute(_RESULT, row)


def next_due(work: unit.Unit) -> float | None:
    """Return the earliest instant at which a claim can find something."""
    return min(_instants(work), default=None)


def _instants(work: unit.Unit) -> Iterator[float]:
    yield from work.heads.read(work.connection).values()
    (ends,) = work.connection.execute("select min(lease_until) from invocations where state = 'leased'").fetchone()
    if ends is not None:
        yield ends
