"""Read from connections that only read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mayfly.store import books, form, records
from mayfly.store.pg import leasing

_COLUMNS = ", ".join(form.INVOCATION)


async def get(connection: Any, *, namespace: str, invocation_id: str) -> records.Invocation | None:
    """Return how one invocation stands."""
    statement = f"select {_COLUMNS} from invocations where id = $1 and namespace = $2"  # noqa: S608
    row = await connection.fetchrow(statement, invocation_id, namespace)
    return row and form.read_invocation(tuple(row))


async def list_page(
    connection: Any, *, namespace: str, selection: records.Selection, limit: int, cursor: str | None
) -> records.Page:
    """Return a page of invocations, the newest id first."""
    conditions, values = ["namespace = $1"], [namespace]
    for condition, value in _select(selection, cursor):
        values.append(value)
        conditions.append(f"{condition} ${len(values)}")
    if selection.states is not None:
        # Written out, not bound: a partial index serves only a condition that is known when the query is planned.
        names = ", ".join(f"'{state.value}'" for state in selection.states) or "''"
        conditions.append(f"state in ({names})")
    where = " and ".join(conditions)
    statement = f"select {_COLUMNS} from invocations where {where} order by id desc limit {limit + 1:d}"  # noqa: S608
    rows = await connection.fetch(statement, *values)
    items = tuple(form.read_invocation(tuple(row)) for row in rows[:limit])
    return records.Page(items, items[-1].id if len(rows) > limit else None)


def _select(selection: records.Selection, cursor: str | None) -> Iterator[tuple[str, Any]]:
    if selection.function is not None:
        yield "function =", selection.function
    if selection.since is not None:
        yield "accepted >=", selection.since
    if selection.until is not None:
        yield "accepted <", selection.until
    if cursor is not None:
        yield "id <", cursor


async def message(connection: Any, *, namespace: str, invocation_id: str) -> records.Message | None:
    """Return what an invocation sends."""
    row = await connection.fetchrow(
        "select m.headers, m.body, m.method, m.path from messages m join invocations i on i.message = m.id "
        "where i.id = $1 and i.namespace = $2",
        invocation_id,
        namespace,
    )
    return row and records.Message(form.read_headers(row[0]), *tuple(row)[1:])


async def attempts(connection: Any, *, namespace: str, invocation_id: str) -> tuple[records.Attempt, ...]:
    """Return every attempt in order."""
    columns = ", ".join(f"a.{name}" for name in form.ATTEMPT)
    rows = await connection.fetch(
        f"select {columns} from attempts a join invocations i on i.id = a.invocation "  # noqa: S608
        "where i.id = $1 and i.namespace = $2 order by a.number",
        invocation_id,
        namespace,
    )
    return tuple(form.read_attempt(tuple(row)) for row in rows)


async def result(connection: Any, *, namespace: str, invocation_id: str) -> records.Result | None:
    """Return what the function answered."""
    row = await connection.fetchrow(
        "select r.status, r.headers, r.body, r.truncated from results r join invocations i on i.id = r.invocation "
        "where i.id = $1 and i.namespace = $2",
        invocation_id,
        namespace,
    )
    return row and records.Result(row[0], form.read_headers(row[1]), row[2], row[3])


async def counts(connection: Any, *, namespace: str | None) -> dict[records.Queue, records.Count]:
    """Return the books of each function, summed over their shards."""
    sums = ", ".join(f"sum({column})::bigint" for column in books.COLUMNS)
    rows = await connection.fetch(
        f"select namespace, function, {sums} from books "  # noqa: S608
        "where $1::text is null or namespace = $1 group by namespace, function",
        namespace,
    )
    return {(row[0], row[1]): records.Count(*tuple(row)[2:]) for row in rows}


async def lags(connection: Any) -> dict[records.Queue, float]:
    """Return the earliest due instant of each queue that waits."""
    return {(namespace, function): due for namespace, function, due in await connection.fetch(leasing.HEADS)}


async def conservation(connection: Any, *, namespace: str | None) -> records.Conservation:
    """Return the books beside the rows, of one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        entries = (await counts(connection, namespace=namespace)).values()
        rows = await connection.fetch(
            "select state, count(*) from invocations where $1::text is null or namespace = $1 group by state",
            namespace,
        )
    sums = [sum(getattr(count, column) for count in entries) for column in books.COLUMNS]
    return records.Conservation(records.Count(*sums), {records.State(state): number for state, number in rows})
