"""The tables of the SQLite store, as numbered steps. A step that was released is never changed: a new one follows.

``PRAGMA user_version`` holds the number of the last step taken, ``PRAGMA application_id`` says whose file it is.
"""

from __future__ import annotations

import sqlite3

from mayfly import errors

APPLICATION_ID = 0x4D617966
"""``Mayf`` in ASCII: https://www.sqlite.org/pragma.html#pragma_application_id."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # Once for each message, however many invocations send it; refs counts them.
        """create table messages (
            seq integer primary key, refs integer not null,
            method text not null, path text not null, headers text not null, body blob not null
        )""",
        """create table invocations (
            id text primary key, namespace text not null, function text not null, state text not null,
            message integer not null references messages,
            accepted real not null, due real not null, expires real,
            epoch integer not null default 0, attempts integer not null default 0, tries integer not null default 0,
            redrives integer not null default 0, settled real,
            reason text not null default '', detail text not null default '', status integer,
            worker text not null default '', leased_at real, lease_until real,
            kind text not null, target text not null, revision text, parent text, depth integer not null,
            context text not null, dedup_key text, fingerprint text not null
        ) without rowid""",
        # Without a rowid every index ends with the id of itself.
        "create index by_namespace on invocations (namespace)",
        "create index by_function on invocations (namespace, function)",
        "create index waiting on invocations (namespace, function, due) where state = 'waiting'",
        "create index leased on invocations (lease_until) where state = 'leased'",
        "create index dead on invocations (namespace, function) where state = 'dead'",
        "create index settled on invocations (state, settled) where settled is not null",
        """create unique index dedup on invocations (namespace, function, dedup_key)
           where dedup_key is not null""",
        """create table attempts (
            invocation text not null, number integer not null, tried text not null, started real not null, ended real,
            status integer, error text not null, worker text not null, revision text,
            primary key (invocation, number)
        ) without rowid""",
        """create table results (
            invocation text primary key, status integer not null, headers text not null, body blob not null,
            truncated integer not null
        )""",
        """create table books (
            namespace text not null, function text not null,
            accepted integer not null default 0, waiting integer not null default 0, leased integer not null default 0,
            delivered integer not null default 0, dead integer not null default 0, cancelled integer not null default 0,
            purged integer not null default 0,
            primary key (namespace, function)
        ) without rowid""",
    ),
)


def migrate(connection: sqlite3.Connection, *, path: str) -> int:
    """Take the steps that are missing, each in a transaction of its own, and return how many.

    Raises: errors.SchemaTooNew, errors.StoreCorrupt (another program's file)
    """
    current: int = connection.execute("pragma user_version").fetchone()[0]
    (owner,) = connection.execute("pragma application_id").fetchone()
    if current and owner != APPLICATION_ID:
        raise errors.StoreCorrupt(
            f"{path} is a database of another program (application_id {owner:#x}): name another file."
        )
    if current > len(STEPS):
        raise errors.SchemaTooNew(
            f"{path} has schema {current}, this version of Mayfly knows {len(STEPS)}: "
            "run the version that wrote it, or a later one, or bring back the backup made before the upgrade."
        )
    for number, step in enumerate(STEPS[current:], current + 1):
        _take(connection, number, step)
    return len(STEPS) - current


def _take(connection: sqlite3.Connection, number: int, step: tuple[str, ...]) -> None:
    connection.execute("begin immediate")
    try:
        for statement in step:
            connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {number}")
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
