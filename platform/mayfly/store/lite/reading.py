"""Read from a connection that never writes."""

from __future__ import annotations

import sqlite3
from typing import Any

from mayfly.store import books, form, records

_COLUMNS = ", ".join(form.INVOCATION)
_ATTEMPT = ", ".join(form.ATTEMPT)
_HEADS = """select namespace, function, (select due from invocations i where i.namespace = b.namespace
    and i.function = b.function and i.state = 'waiting' order by due limit 1)
    from books b where waiting > 0"""


def get(connection: sqlite3.Connection, *, namespace: str, invocation_id: str) -> records.Invocation | None:
    """Return how one invocation stands."""
    statement = f"select {_COLUMNS} from invocations where id = ? and namespace = ?"  # noqa: S608
    row = connection.execute(statement, (invocation_id, namespace)).fetchone()
    return row and form.read_invocation(row)


def list_page(
    connection: sqlite3.Connection, *, namespace: str, selection: records.Selection, limit: int, cursor: str | None
) -> records.Page:
    """Return a page of invocations, the newest id first."""
    where, values = _select(selection)
    if cursor is not None:
        # The plus keeps the planner from walking through everything settled to find the few that wait or are dead.
        few = selection.function is None and selection.states is not None and len(selection.states) == 1
        where, values = [*where, "+id < ?" if few else "id < ?"], [*values, cursor]
    conditions = " and ".join(["namespace = ?", *where])
    statement = f"select {_COLUMNS} from invocations where {conditions} order by id desc limit ?"  # noqa: S608
    rows = connection.execute(statement, [namespace, *values, limit + 1]).fetchall()
    items = tuple(form.read_invocation(row) for row in rows[:limit])
    return records.Page(items, items[-1].id if len(rows) > limit else None)


def _select(selection: records.Selection) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for condition, value in (
        ("function = ?", selection.function),
        ("accepted >= ?", selection.since),
        ("accepted < ?", selection.until),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    if selection.states is not None:
        # Written out, not bound: a partial index serves only a condition that is known when the query is planned.
        names = ", ".join(f"'{state.value}'" for state in selection.states)
        where.append(f"state in ({names})" if len(selection.states) != 1 else f"state = {names}")
    return where, values


def message(connection: sqlite3.Connection, *, namespace: str, invocation_id: str) -> records.Message | None:
    """Return what an invocation sends."""
    row = connection.execute(
        "select m.headers, m.body, m.method, m.path from messages m join invocations i on i.message = m.seq "
        "where i.id = ? and i.namespace = ?",
        (invocation_id, namespace),
    ).fetchone()
    return row and records.Message(form.read_headers(row[0]), *row[1:])


def attempts(connection: sqlite3.Connection, *, namespace: str, invocation_id: str) -> tuple[records.Attempt, ...]:
    """Return every attempt in order."""
    columns = ", ".join(f"a.{name}" for name in form.ATTEMPT)
    rows = connection.execute(
        f"select {columns} from attempts a join invocations i on i.id = a.invocation "  # noqa: S608
        "where i.id = ? and i.namespace = ? order by a.number",
        (invocation_id, namespace),
    )
    return tuple(map(form.read_attempt, rows))


def result(connection: sqlite3.Connection, *, namespace: str, invocation_id: str) -> records.Result | None:
    """Return what the function answered."""
    row = connection.execute(
        "select r.status, r.headers, r.body, r.truncated from results r join invocations i on i.id = r.invocation "
        "where i.id = ? and i.namespace = ?",
        (invocation_id, namespace),
    ).fetchone()
    return row and records.Result(row[0], form.read_headers(row[1]), row[2], bool(row[3]))


def counts(connection: sqlite3.Connection, *, namespace: str | None) -> dict[records.Queue, records.Count]:
    """Return the books of each function."""
    rows = connection.execute(
        f"select namespace, function, {', '.join(books.COLUMNS)} from books "  # noqa: S608
        "where :namespace is null or namespace = :namespace",
        {"namespace": namespace},
    )
    return {(row[0], row[1]): records.Count(*row[2:]) for row in rows}


def lags(connection: sqlite3.Connection) -> dict[records.Queue, float]:
    """Return the earliest due instant of each queue that waits."""
    return {(namespace, function): due for namespace, function, due in connection.execute(_HEADS) if due is not None}


def conservation(connection: sqlite3.Connection, *, namespace: str | None) -> records.Conservation:
    """Return the books beside the rows, of one snapshot."""
    connection.execute("begin")
    try:
        entries = counts(connection, namespace=namespace).values()
        rows = connection.execute(
            "select state, count(*) from invocations where :namespace is null or namespace = :namespace group by state",
            {"namespace": namespace},
        ).fetchall()
    finally:
        connection.execute("commit")
    sums = [sum(getattr(count, column) for count in entries) for column in books.COLUMNS]
    return records.Conservation(records.Count(*sums), {records.State(state): number for state, number in rows})
