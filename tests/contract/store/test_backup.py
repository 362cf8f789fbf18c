"""Backups of both stores, made while they work and brought back as docs/events.md says."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys

import pytest

from mayfly import errors
from mayfly.store import backup, postgres, records, sqlite
from tests.contract.store import server
from tests.contract.store.make import accept_one, claim, kill, make_invocation, settle


@pytest.fixture
def backend():
    return "sqlite"


async def read_all(store):
    page = await store.list(namespace="shop", limit=1000)
    return {item.id: item.state for item in page.items}


async def test_a_backup_holds_one_moment_of_a_store_that_works(open_store, tmp_path):
    """What was promised before it began is in it, its books balance, and the store was not disturbed."""
    store = await open_store("busy")
    dead = await kill(store)
    before = [await accept_one(store) for _ in range(50)]
    stop = asyncio.Event()

    async def write():
        written = 0
        while not stop.is_set():
            await store.accept([make_invocation() for _ in range(20)], now=make_invocation().due)
            written += 20
        return written

    writing = asyncio.create_task(write())
    held = io.BytesIO()
    await asyncio.to_thread(backup.write_backup, tmp_path / "busy.db", held)
    stop.set()
    assert await writing
    restored = tmp_path / "other.db"
    number = await asyncio.to_thread(backup.stage_restore, restored, io.BytesIO(held.getvalue()))
    other = await sqlite.SqliteStore.open(path=restored)
    try:
        found = await other.conservation()
        assert found.drift == 0
        assert found.books.accepted == number
        for identity in (*before, dead):
            assert await other.get(namespace="shop", invocation_id=identity) is not None
        assert (await other.get(namespace="shop", invocation_id=dead)).reason == "RetriesExhausted"
    finally:
        await other.close()


async def test_a_backup_takes_the_place_of_what_is_there_at_the_next_start(tmp_path):
    """By the module's own command; the old file is kept, and what was leased is delivered again."""
    path = tmp_path / "invocations.db"
    store = await sqlite.SqliteStore.open(path=path)
    kept = await accept_one(store)
    [lease] = await claim(store)
    made = run_backup(path)
    assert (await settle(store, lease)).current
    later = await accept_one(store)
    done = run_backup(path, "--restore", given=made.stdout)
    assert b"1 invocations" in done.stderr
    assert await read_all(store) == {kept: records.State.DELIVERED, later: records.State.WAITING}
    await store.close()

    store = await sqlite.SqliteStore.open(path=path)
    try:
        assert await read_all(store) == {kept: records.State.LEASED}
        assert await store.lapse(worker="w1", now=lease.until) == 1
        [again] = await claim(store)
        assert (again.invocation.id, again.epoch) == (kept, lease.epoch + 1)
        assert (await store.conservation()).drift == 0
    finally:
        await store.close()
    assert path.with_name("invocations.db.replaced").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no database", b"SQLite format 3\0" + b"\0" * 4080], ids=["empty", "text", "zeros"]
)
async def test_what_is_no_backup_is_refused_and_changes_nothing(content, tmp_path):
    path = tmp_path / "invocations.db"
    with pytest.raises(errors.StoreCorrupt):
        backup.stage_restore(path, io.BytesIO(content))
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_backup_is_refused(open_store, tmp_path):
    store = await open_store("whole")
    await store.accept([make_invocation(message=records.Message(body=os.urandom(9000))) for _ in range(40)], now=0.0)
    held = io.BytesIO()
    backup.write_backup(tmp_path / "whole.db", held)
    content = bytearray(held.getvalue())
    content[len(content) // 2 : len(content) // 2 + 20000] = os.urandom(20000)
    with pytest.raises(errors.StoreCorrupt):
        backup.stage_restore(tmp_path / "other.db", io.BytesIO(bytes(content)))


async def test_there_is_nothing_to_back_up_where_no_store_is(tmp_path):
    with pytest.raises(errors.StoreUnavailable, match="does not exist"):
        backup.write_backup(tmp_path / "none.db", io.BytesIO())


async def test_postgresqls_own_tools_back_its_store_up(postgres_server):
    """``pg_dump`` of the schema, into another database."""
    store = await postgres.PostgresStore.open(dsn=postgres_server.dsn, schema_name="dumped")
    dead = await kill(store, function="other")
    kept = await accept_one(store)
    await store.close()
    dump = run_tool("pg_dump", "--schema=dumped", postgres_server.dsn).stdout
    run_tool("createdb", "--maintenance-db", postgres_server.dsn, "brought_back")
    dsn = postgres_server.dsn.rpartition("/")[0] + "/brought_back"
    try:
        run_tool("psql", "--quiet", "--set=ON_ERROR_STOP=1", dsn, given=dump)
        other = await postgres.PostgresStore.open(dsn=dsn, schema_name="dumped")
        assert (await other.get(namespace="shop", invocation_id=kept)).state in {
            records.State.WAITING,
            records.State.LEASED,
        }
        assert (await other.get(namespace="shop", invocation_id=dead)).state is records.State.DEAD
        assert (await other.conservation()).drift == 0
        await other.close()
    finally:
        run_tool("dropdb", "--maintenance-db", postgres_server.dsn, "brought_back")


def run_backup(path, *arguments, given: bytes | None = None):
    env = {**os.environ, "MAYFLY_SQLITE_PATH": str(path), "PYTHONPATH": "platform"}
    argv = [sys.executable, "-m", "mayfly.store.backup", *arguments]
    return subprocess.run(argv, env=env, input=given, check=True, capture_output=True)


def run_tool(name: str, *arguments: str, given: bytes | None = None):
    return subprocess.run([server.find_program(name), *arguments], input=given, check=True, capture_output=True)
