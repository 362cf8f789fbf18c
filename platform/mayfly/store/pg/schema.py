"""The tables of the PostgreSQL store, as numbered steps. A step that was released is never changed: a new one follows.

Everything lives in one schema of the database, ``mayfly`` unless told otherwise.
"""

from __future__ import annotations

from typing import Any

from mayfly import errors

LOCK = 0x4D617966
"""Number of the advisory lock under which one process at a time changes the schema: ``Mayf`` in ASCII."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """create table messages (
            id text primary key, refs integer not null,
            method text not null, path text not null, headers text not null, body bytea not null
        )""",
        """create table invocations (
            id text primary key, namespace text not null, function text not null, state text not null,
            message text not null,
            accepted double precision not null, due double precision not null, expires double precision,
            epoch bigint not null default 0, attempts integer not null default 0, tries integer not null default 0,
            redrives integer not null default 0, settled double precision,
            reason text not null default '', detail text not null default '', status integer,
            worker text not null default '', leased_at double precision, lease_until double precision,
            kind text not null, target text not null, revision text, parent text, depth integer not null,
            context text not null, dedup_key text, fingerprint text not null
        ) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)""",
        "create index by_namespace on invocations (namespace, id)",
        "create index by_function on invocations (namespace, function, id)",
        "create index waiting on invocations (namespace, function, due, id) where state = 'waiting'",
        "create index leased on invocations (lease_until) where state = 'leased'",
        "create index dead on invocations (namespace, function, id) where state = 'dead'",
        "create index settled on invocations (state, settled) where settled is not null",
        """create unique index dedup on invocations (namespace, function, dedup_key)
           where dedup_key is not null""",
        """create table attempts (
            invocation text not null, number integer not null, tried text not null, started double precision not null,
            ended double precision, status integer, error text not null, worker text not null, revision text,
            primary key (invocation, number)
        )""",
        """create table results (
            invocation text primary key, status integer not null, headers text not null, body bytea not null,
            truncated boolean not null
        )""",
        # Several rows for each function, so that processes that count at once do not wait for each other.
        """create table books (
            namespace text not null, function text not null, shard integer not null,
            accepted bigint not null default 0, waiting bigint not null default 0, leased bigint not null default 0,
            delivered bigint not null default 0, dead bigint not null default 0, cancelled bigint not null default 0,
            purged bigint not null default 0,
            primary key (namespace, function, shard)
        )""",
    ),
)


async def migrate(connection: Any, *, schema: str) -> int:
    """Take the steps that are missing, all in one transaction, and return how many. Others wait meanwhile.

    Raises: errors.SchemaTooNew
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(f'create schema if not exists "{schema}"')
        await connection.execute("create table if not exists schema_version (version integer not null)")
        current: int = await connection.fetchval("select coalesce(max(version), 0) from schema_version")
        if current > len(STEPS):
            raise errors.SchemaTooNew(
                f"Schema {schema} of the database has version {current}, this version of Mayfly knows {len(STEPS)}: "
                "run the version that wrote it, or a later one, or bring back the backup made before the upgrade."
            )
        for number, step in enumerate(STEPS[current:], current + 1):
            for statement in step:
                await connection.execute(statement)
            await connection.execute("insert into schema_version values ($1)", number)
        return len(STEPS) - current
