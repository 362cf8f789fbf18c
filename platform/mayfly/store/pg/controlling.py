"""What people ask for: cancel, redrive, replay, purge."""

from __future__ import annotations

from mayfly.store import form, records
from mayfly.store.pg import unit

_COLUMNS = ", ".join(form.INVOCATION)
_LOCK = f"select {_COLUMNS} from invocations where id = $1 and namespace = $2 for update"  # noqa: S608  (our own names)
_GET = f"select {_COLUMNS} from invocations where id = $1"  # noqa: S608
_CANCELLED = """insert into attempts select id, attempts + 1, 'cancelled', leased_at, null, null, '', worker, revision
    from invocations where id = $1"""
_CANCEL = """update invocations set state = 'cancelled', settled = $2, lease_until = null,
    attempts = attempts + $3, tries = tries + $3 where id = $1"""
_REDRIVE = """update invocations set state = 'waiting', due = $2, expires = $3, tries = 0, redrives = redrives + 1,
    settled = null, reason = '', detail = '' where id = $1"""
_REPLAY = """with old as (select * from invocations where id = $1),
    shared as (update messages set refs = refs + 1 from old where messages.id = old.message)
    insert into invocations (
    id, namespace, function, state, message, accepted, due, expires, kind, target, revision, parent, depth, context,
    fingerprint)
    select $2, namespace, function, 'waiting', message, $3, $3, $4, kind, target, $5, id, depth, context, fingerprint
    from old"""
_PURGE = """with gone as materialized (
        select id, message from invocations where state = $1 and settled < $2
            and ($3::text is null or namespace = $3) and ($4::text is null or function = $4)
        order by settled limit $5 for update skip locked
    ), tried as (delete from attempts a using gone where a.invocation = gone.id),
    answered as (delete from results r using gone where r.invocation = gone.id),
    told as (
        update messages m set refs = m.refs - g.number
        from (select message, count(*)::int as number from gone group by message order by message) g
        where m.id = g.message
    )
    delete from invocations i using gone where i.id = gone.id returning i.namespace, i.function, i.message"""
_UNUSED = "delete from messages where id = any($1::text[]) and refs <= 0"


async def _lock(work: unit.Unit, namespace: str, invocation_id: str) -> records.Invocation | None:
    row = await work.connection.fetchrow(_LOCK, invocation_id, namespace)
    return row and form.read_invocation(tuple(row))


async def _get(work: unit.Unit, invocation_id: str) -> records.Invocation:
    return form.read_invocation(tuple(await work.connection.fetchrow(_GET, invocation_id)))


async def cancel(work: unit.Unit, *, namespace: str, invocation_id: str, now: float) -> records.Invocation | None:
    """Cancel what is not settled."""
    found = await _lock(work, namespace, invocation_id)
    if found is None or found.state in records.SETTLED:
        return found
    under_way = found.state is records.State.LEASED
    if under_way:
        await work.connection.execute(_CANCELLED, invocation_id)
    await work.connection.execute(_CANCEL, invocation_id, now, int(under_way))
    work.entries.move((namespace, found.function), found.state, records.State.CANCELLED)
    return await _get(work, invocation_id)


async def redrive(
    work: unit.Unit, *, namespace: str, invocation_id: str, due: float, expires: float | None
) -> records.Invocation | None:
    """Have a dead invocation wait again."""
    found = await _lock(work, namespace, invocation_id)
    if found is None or found.state is not records.State.DEAD:
        return found
    await work.connection.execute(_REDRIVE, invocation_id, due, expires)
    work.entries.move((namespace, found.function), records.State.DEAD, records.State.WAITING)
    work.wakes = True
    return await _get(work, invocation_id)


async def replay(
    work: unit.Unit,
    *,
    namespace: str,
    invocation_id: str,
    new_id: str,
    now: float,
    revision: str | None,
    expires: float | None,
) -> records.Invocation | None:
    """Send the message of a settled invocation once more."""
    found = await _lock(work, namespace, invocation_id)
    if found is None or found.state not in records.SETTLED:
        return found
    await work.connection.execute(_REPLAY, invocation_id, new_id, now, expires, revision)
    work.entries.accept((namespace, found.function))
    work.wakes = True
    return await _get(work, new_id)


async def purge(
    work: unit.Unit,
    *,
    settled_before: float,
    states: frozenset[records.State],
    namespace: str | None,
    function: str | None,
    limit: int,
) -> int:
    """Delete up to ``limit`` of the longest settled of each state in turn."""
    purged = 0
    for state in sorted(states & records.SETTLED, key=lambda state: state.value):
        values = state.value, settled_before, namespace, function, limit - purged
        rows = await work.connection.fetch(_PURGE, *values)
        await work.connection.execute(_UNUSED, list({row[2] for row in rows}))
        for row in rows:
            work.entries.purge((row[0], row[1]), state)
        purged += len(rows)
    return purged
