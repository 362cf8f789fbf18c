"""The SQLite store when processes die, disks fill up and files are not what they should be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

import pytest

from mayfly import errors
from mayfly.store import records, sqlite
from mayfly.store.lite import accepting, connection, delivering, reading, schema
from tests.contract.store.make import NOW, TERMS, accept_one, claim, claim_one, kill, make_invocation, settle

ROOT = pathlib.Path(__file__).parents[3]
KILLS = 10


def start_sender(path, *words, before=()):
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    command = [*before, sys.executable, "-m", "tests.contract.store.sender", str(path), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=env)


async def test_i1_a_killed_process_loses_no_promise(tmp_path):
    """I1: SIGKILL at any moment; every id that was told is there, the books balance, and the store goes on."""
    path, promised, chance = tmp_path / "s.db", [], random.Random(5)
    for _ in range(KILLS):
        sender = start_sender(path)
        promised.append(sender.stdout.readline())
        time.sleep(chance.uniform(0, 0.3))  # noqa: ASYNC251  (the moment of death is to be any)
        sender.kill()
        told = sender.stdout.read()
        promised += told[: told.rfind(b"\n") + 1].splitlines(keepends=True)
        sender.stdout.close()
        sender.wait(timeout=10)
    store = await sqlite.SqliteStore.open(path=path)
    try:
        conservation = await store.conservation()
        page = await store.list(namespace="shop", limit=1_000_000)
    finally:
        await store.close()
    assert {line.decode().strip() for line in promised} <= {item.id for item in page.items}
    assert len(promised) > KILLS
    assert conservation.drift == 0
    assert conservation.books.accepted == len(page.items)


async def test_callers_share_a_sync(tmp_path):
    """A hundred accepts at once take a few commits, not a hundred."""
    store = await sqlite.SqliteStore.open(path=tmp_path / "s.db")
    statements = []
    store._writer._unit.connection.set_trace_callback(statements.append)
    await asyncio.gather(*(store.accept([make_invocation()], now=NOW) for _ in range(100)))
    await store.close()
    assert statements.count("commit") < 10


def read_order(trace: str) -> list[str]:
    """Return what a trace shows, in order: ``sync`` once it is done, ``promise`` when it begins."""
    order = []
    for line in trace.splitlines():
        if re.search(r"(fdatasync|fsync)(\(\d+\)| resumed>.*\)) += 0", line):
            order.append("sync")
        elif re.search(r'write\(1, "[0-9a-f-]{36}\\n"', line):
            order.append("promise")
    return order


@pytest.mark.parametrize(("sync", "kept"), [("full", True), ("off", False)])
def test_i1_no_promise_before_the_sync(tmp_path, sync, kept):
    """I1: the kernel saw a sync end between any two promises; without syncs this test would notice."""
    if (strace := shutil.which("strace")) is None:
        pytest.skip("strace is not here: the order of system calls cannot be seen")
    trace = tmp_path / "trace"
    before = [strace, "-f", "-qq", "-s", "64", "-e", "trace=fdatasync,fsync,write", "-o", str(trace)]
    sender = start_sender(tmp_path / "s.db", "1", "200", sync, before=before)
    assert sender.communicate(timeout=60)[0].endswith(b"end\n")
    order = read_order(trace.read_text())
    assert order.count("promise") == 200
    promises = [place for place, what in enumerate(order) if what == "promise"]
    gaps = zip([-1, *promises], promises, strict=False)
    assert all("sync" in order[before + 1 : after] for before, after in gaps) == kept


@contextlib.contextmanager
def mount_small_disk(size: str):
    folder = tempfile.mkdtemp(prefix="mayfly-disk-")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False, stderr=-3)
    if mounted.returncode:
        pathlib.Path(folder).rmdir()
        pytest.skip("a small disk cannot be mounted without root")
    try:
        yield pathlib.Path(folder)
    finally:
        subprocess.run(["umount", folder], check=True)
        pathlib.Path(folder).rmdir()


async def accept_or_fail(store, body):
    try:
        return await accept_one(store, message=body)
    except errors.StoreError as error:
        return error


async def test_a_full_disk_refuses_and_recovers():
    """Unavailable, temporary; what was promised is there; reading goes on; with space again it accepts at once."""
    with mount_small_disk("8m") as folder:
        ballast = folder / "ballast"
        ballast.write_bytes(b"x" * 4_000_000)
        store = await sqlite.SqliteStore.open(path=folder / "s.db")
        try:
            promised = []
            body = records.Message(body=os.urandom(20_000))
            while isinstance(answer := await accept_or_fail(store, body), str):
                promised.append(answer)
            assert isinstance(answer, errors.StoreUnavailable)
            assert answer.temporary
            for _ in range(3):
                with pytest.raises(errors.StoreUnavailable):
                    await store.accept([make_invocation(message=body) for _ in range(20)], now=NOW)
            kept = await store.list(namespace="shop", limit=1000)
            assert {item.id for item in kept.items} == set(promised)
            ballast.unlink()
            promised.append(await accept_one(store, message=body))
            for lease in await claim(store, limit=5):
                assert (await settle(store, lease)).current
            conservation = await store.conservation()
            assert (conservation.drift, conservation.books.accepted) == (0, len(promised))
        finally:
            await store.close()
        with contextlib.closing(sqlite3.connect(folder / "s.db")) as raw:
            assert raw.execute("pragma integrity_check").fetchone() == ("ok",)


async def test_two_processes_do_not_write(tmp_path):
    """The second is told why, and may come in when the first has gone."""
    first = await sqlite.SqliteStore.open(path=tmp_path / "s.db")
    with pytest.raises(errors.StoreUnavailable, match="held by another process"):
        await sqlite.SqliteStore.open(path=tmp_path / "s.db", patience_seconds=0)
    waiting = asyncio.ensure_future(sqlite.SqliteStore.open(path=tmp_path / "s.db"))
    await asyncio.sleep(0)
    await first.close()
    await (await waiting).close()


async def test_a_folder_that_is_not_there(tmp_path):
    """Said at opening, with the path."""
    with pytest.raises(errors.StoreUnavailable, match="missing"):
        await sqlite.SqliteStore.open(path=tmp_path / "missing" / "s.db")


async def test_a_file_that_is_no_database(tmp_path):
    """Not overwritten, and not taken for a passing fault."""
    path = tmp_path / "s.db"
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(errors.StoreCorrupt):
        await sqlite.SqliteStore.open(path=path)
    assert path.read_bytes() == b"no database " * 1000


async def test_another_programs_database(tmp_path):
    """Nothing is added to it."""
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as raw:
        raw.execute("pragma user_version = 1")
    with pytest.raises(errors.StoreCorrupt, match="another program"):
        await sqlite.SqliteStore.open(path=tmp_path / "s.db")


async def test_a_newer_schema_is_refused(tmp_path):
    """An old version does not write where a new one has been; the lock is let go."""
    path = tmp_path / "s.db"
    await (await sqlite.SqliteStore.open(path=path)).close()
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("pragma user_version = 99")
    for _ in range(2):
        with pytest.raises(errors.SchemaTooNew, match=r"schema 99.*knows"):
            await sqlite.SqliteStore.open(path=path)


@pytest.mark.parametrize("version", range(1, len(schema.STEPS) + 1))
async def test_every_schema_from_the_first_is_brought_up_to_date(tmp_path, version, monkeypatch):
    """With what is in it: waiting, leased and dead ones go on."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:version])
        store = await sqlite.SqliteStore.open(path=tmp_path / "s.db")
        dead = await kill(store)
        await accept_one(store)
        await claim_one(store)
        await accept_one(store, function="stock")
        await store.close()
    store = await sqlite.SqliteStore.open(path=tmp_path / "s.db")
    try:
        assert (await store.redrive(namespace="shop", invocation_id=dead, now=NOW)).state is records.State.WAITING
        assert len(await claim(store, now=NOW + 31, default=TERMS)) == 3
        assert (await store.conservation()).drift == 0
    finally:
        await store.close()


async def test_a_step_that_fails_changes_nothing(tmp_path, monkeypatch):
    """Half a step is none: the next start takes it again."""
    path = tmp_path / "s.db"
    await (await sqlite.SqliteStore.open(path=path)).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, ("create table extra (a)", "create nonsense")))
        with pytest.raises(errors.StoreError):
            await sqlite.SqliteStore.open(path=path)
    await (await sqlite.SqliteStore.open(path=path)).close()
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("select name from sqlite_master where name = 'extra'").fetchone() is None


PLANS = {
    "head": (
        "select due from invocations where namespace = ? and function = ? and state = 'waiting' order by due limit 1",
        2,
    ),
    "claim": (delivering._CLAIM, 7),
    "lapsed": (delivering._LAPSED, 2),
    "current": (delivering._CURRENT, 2),
    "dedup": (accepting._FIND, 3),
    "lags": (reading._HEADS, 0),
    "purge": ("select id from invocations where settled is not null and state = ? and settled < ? order by settled", 2),
}


@pytest.mark.parametrize("name", PLANS)
def test_no_statement_of_delivery_reads_what_waits(tmp_path, name):
    """Each is a search by index that ends early: no scan, no sort, however much waits."""
    statement, places = PLANS[name]
    with contextlib.closing(connection.connect_writer(tmp_path / "s.db")) as raw:
        schema.migrate(raw, path="s.db")
        plan = raw.execute(f"explain query plan {statement}", [None] * places).fetchall()
    steps = [row[3] for row in plan]
    assert not [
        step for step in steps if re.search(r"SCAN (i|invocations)\b(?!.*USING COVERING INDEX)|TEMP B-TREE", step)
    ], steps
