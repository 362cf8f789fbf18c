"""Jobs that people ask for: cancel, redrive, replay, purge."""

from __future__ import annotations

from mayfly.store import form, records
from mayfly.store.lite import unit

_COLUMNS = ", ".join(form.INVOCATION)
_GET = f"select {_COLUMNS} from invocations where id = ? and namespace = ?"  # noqa: S608  (our own names)
_CANCELLED = """insert into attempts select id, attempts + 1, 'cancelled', leased_at, null, null, '', worker, revision
    from invocations where id = ?"""
_CANCEL = """update invocations set state = 'cancelled', settled = ?, lease_until = null,
    attempts = attempts + ?, tries = tries + ? where id = ?"""
_REDRIVE = """update invocations set state = 'waiting', due = ?, expires = ?, tries = 0, redrives = redrives + 1,
    settled = null, reason = '', detail = '' where id = ?"""
_REPLAY = """insert into invocations (
    id, namespace, function, state, message, accepted, due, expires, kind, target, revision, parent, depth, context,
    fingerprint)
    select ?, namespace, function, 'waiting', message, ?, ?, ?, kind, target, ?, id, depth, context, fingerprint
    from invocations where id = ?"""


def get(work: unit.Unit, *, namespace: str, invocation_id: str) -> records.Invocation | None:
    """Return how an invocation stands within this transaction."""
    row = work.connection.execute(_GET, (invocation_id, namespace)).fetchone()
    return row and form.read_invocation(row)


def cancel(work: unit.Unit, *, namespace: str, invocation_id: str, now: float) -> records.Invocation | None:
    """Cancel what is not settled."""
    found = get(work, namespace=namespace, invocation_id=invocation_id)
    if found is None or found.state in records.SETTLED:
        return found
    under_way = found.state is records.State.LEASED
    if under_way:
        work.connection.execute(_CANCELLED, (invocation_id,))
    work.connection.execute(_CANCEL, (now, under_way, under_way, invocation_id))
    work.entries.move((namespace, found.function), found.state, records.State.CANCELLED)
    work.touch((namespace, found.function))
    return get(work, namespace=namespace, invocation_id=invocation_id)


def redrive(
    work: unit.Unit, *, namespace: str, invocation_id: str, due: float, expires: float | None
) -> records.Invocation | None:
    """Have a dead invocation wait again."""
    found = get(work, namespace=namespace, invocation_id=invocation_id)
    if found is None or found.state is not records.State.DEAD:
        return found
    work.connection.execute(_REDRIVE, (due, expires, invocation_id))
    work.entries.move((namespace, found.function), records.State.DEAD, records.State.WAITING)
    _announce(work, (namespace, found.function))
    return get(work, namespace=namespace, invocation_id=invocation_id)


def replay(
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
    found = get(work, namespace=namespace, invocation_id=invocation_id)
    if found is None or found.state not in records.SETTLED:
        return found
    row = new_id, now, now, expires, revision, invocation_id
    work.connection.execute(_REPLAY, row)
    work.connection.execute(
        "update messages set refs = refs + 1 where seq = (select message from invocations where id = ?)", (new_id,)
    )
    work.entries.accept((namespace, found.function))
    _announce(work, (namespace, found.function))
    return get(work, namespace=namespace, invocation_id=new_id)


def _announce(work: unit.Unit, queue: records.Queue) -> None:
    work.touch(queue)
    work.wakes = True


def purge(
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
        where, values = "state = ? and settled < ?", [state.value, settled_before]
        for column, value in (("namespace", namespace), ("function", function)):
            if value is not None:
                where, values = f"{where} and {column} = ?", [*values, value]
        rows = work.connection.execute(
            f"select id, namespace, function, message from invocations where settled is not null and {where} "  # noqa: S608
            "order by settled limit ?",
            [*values, limit - purged],
        ).fetchall()
        for row in rows:
            _delete(work, state, row)
        purged += len(rows)
    return purged


def _delete(work: unit.Unit, state: records.State, row: tuple[str, str, str, int]) -> None:
    identity, namespace, function, message = row
    for statement in (
        "delete from attempts where invocation = ?",
        "delete from results where invocation = ?",
        "delete from invocations where id = ?",
    ):
        work.connection.execute(statement, (identity,))
    work.connection.execute("update messages set refs = refs - 1 where seq = ?", (message,))
    work.connection.execute("delete from messages where seq = ? and refs = 0", (message,))
    work.entries.purge((namespace, function), state)
