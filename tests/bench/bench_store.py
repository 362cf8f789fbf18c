"""The price of durable work: both stores beside what bare commits of the same rows cost on the same disk.

``python -m tests.bench.bench_store [FOLDER]`` needs no cluster. Each store is measured in a process of its own, so
that its memory is its own, and the bare commits are measured right before it: a disk changes its mind within minutes.
``single`` is one row of 1 KiB for each commit, ``grouped`` is as many rows for each commit as there are callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg

from mayfly.store import ids, interface, postgres, records, sqlite
from mayfly.store.lite import connection
from tests.bench import figures
from tests.contract.store import server

CALLERS = 64
SECONDS = 3
BODY = os.urandom(1024)
WAITING = 100_000
QUEUES = [(f"ns{number % 4}", f"f{number}") for number in range(40)]
TERMS = records.Terms(capacity=1000, lease_seconds=60)
GOAL_PER_SECOND = 3000
GOAL_RATIO = 0.5


async def run(_cluster: object, _env: dict[str, str], folder: str | None = None) -> None:
    """Measure both stores, one after the other."""
    for backend in ("sqlite", "postgres"):
        made = tempfile.mkdtemp(prefix="mayfly-bench-", dir=folder or "/var/tmp")
        try:
            words = [sys.executable, "-m", "tests.bench.bench_store", made, backend]
            process = await asyncio.create_subprocess_exec(*words)
            if await process.wait():
                raise SystemExit(f"the benchmark of {backend} failed")
        finally:
            shutil.rmtree(made)


async def measure(folder: pathlib.Path, backend: str) -> None:
    """Print every figure of one store."""
    async with _open(folder, backend) as (store, limits):
        rate, p99 = await _accept(store)
        partner = {name: round(value) for name, value in limits.items()}
        goal = {"goal": GOAL_PER_SECOND, "relation": ">="}
        figures.print_figure(f"store_{backend}_accept", rate, "1/s", partner=partner, **goal)
        figures.print_figure(f"store_{backend}_accept_p99", p99 * 1000, "ms", partner={"callers": CALLERS})
        ratio = {"goal": GOAL_RATIO if backend == "sqlite" else None, "relation": ">="}
        figures.print_figure(f"store_{backend}_accept_to_single", rate / limits["single"], "ratio", **ratio)
        figures.print_figure(f"store_{backend}_accept_to_grouped", rate / limits["grouped"], "ratio", partner=partner)
        figures.print_figure(f"store_{backend}_claim_settle", await _deliver(store), "1/s", partner=partner)
        await _fill(store)
        await _claim_from_many(store, backend)
        drift = (await store.conservation()).drift
        figures.print_figure(f"store_{backend}_drift", drift, "invocations", goal=0)


@contextlib.asynccontextmanager
async def _open(folder: pathlib.Path, backend: str) -> AsyncIterator[tuple[interface.Store, dict[str, float]]]:
    """Yield an empty store and the bare commit rates of what it stands on."""
    if backend == "sqlite":
        limits = _commit_bare_sqlite(folder / "bare.db")
        store: interface.Store = await sqlite.SqliteStore.open(path=folder / "store.db")
        yield store, limits
        await store.close()
        return
    with _serve(folder) as dsn:
        limits = await _commit_bare_postgres(dsn)
        store = await postgres.PostgresStore.open(dsn=dsn)
        yield store, limits
        await store.close()


@contextlib.contextmanager
def _serve(folder: pathlib.Path) -> Iterator[str]:
    started = server.make(folder)
    try:
        yield started.dsn
    finally:
        started.stop()


def _commit_bare_sqlite(path: pathlib.Path) -> dict[str, float]:
    """Return rows per second of an insert and nothing else, with the store's own settings."""
    rates = {}
    with contextlib.closing(connection.connect_writer(path)) as raw:
        raw.execute("create table bare (seq integer primary key, body blob)")
        for name, rows in (("single", 1), ("grouped", CALLERS)):
            ends, done = time.perf_counter() + 1, 0
            while time.perf_counter() < ends:
                _insert(raw, rows)
                done += rows
            rates[name] = float(done)
    return rates


def _insert(raw: sqlite3.Connection, rows: int) -> None:
    raw.execute("begin immediate")
    raw.executemany("insert into bare (body) values (?)", [(BODY,)] * rows)
    raw.execute("commit")


async def _commit_bare_postgres(dsn: str) -> dict[str, float]:
    raw = await asyncpg.connect(dsn)
    await raw.execute("create table bare (seq bigserial primary key, body bytea)")
    rates = {}
    for name, rows in (("single", 1), ("grouped", CALLERS)):
        ends, done = time.perf_counter() + 1, 0
        while time.perf_counter() < ends:
            await raw.execute("insert into bare (body) select unnest($1::bytea[])", [BODY] * rows)
            done += rows
        rates[name] = float(done)
    await raw.close()
    return rates


def _make(number: int) -> records.NewInvocation:
    now = time.time()
    namespace, function = QUEUES[number % len(QUEUES)]
    message = records.Message(headers=(("content-type", "application/json"),), body=BODY)
    key = os.urandom(12).hex()
    return records.NewInvocation(ids.make_id(now), namespace, function, message, now, dedup_key=key)


async def _accept(store: interface.Store) -> tuple[float, float]:
    """Return accepts per second and their p99 in seconds; one invocation each, with a dedup key."""
    ends, samples = time.perf_counter() + SECONDS, []

    async def call(caller: int) -> None:
        while (began := time.perf_counter()) < ends:
            await store.accept([_make(caller)], now=time.time())
            samples.append(time.perf_counter() - began)

    await asyncio.gather(*(call(caller) for caller in range(CALLERS)))
    return len(samples) / SECONDS, figures.quantile(samples, 0.99)


async def _deliver(store: interface.Store) -> float:
    """Return how many per second are claimed and settled, a hundred at a time."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() < began + SECONDS:
        leases = await store.claim(worker="bench", now=time.time(), limit=100, default=TERMS)
        if not leases:
            break
        await asyncio.gather(*(_settle(store, lease) for lease in leases))
        done += len(leases)
    return done / (time.perf_counter() - began)


async def _settle(store: interface.Store, lease: records.Lease) -> None:
    now = time.time()
    outcome = records.Delivered(records.Result(200, (), b"ok"))
    attempt = records.Try(now, now, 200)
    await store.settle(invocation_id=lease.invocation.id, epoch=lease.epoch, outcome=outcome, attempt=attempt, now=now)


async def _fill(store: interface.Store) -> None:
    """Have so many wait, most of them in one queue."""
    waiting = sum(count.waiting for count in (await store.counts()).values())
    for start in range(waiting, WAITING, 500):
        batch = [_make(number if number % 4 == 0 else 0) for number in range(start, start + 500)]
        await store.accept(batch, now=time.time())


async def _claim_from_many(store: interface.Store, backend: str) -> None:
    def claim() -> Awaitable[Any]:
        return store.claim(worker="bench", now=time.time(), limit=16, default=TERMS)

    samples = [await _time(claim) for _ in range(100)]
    partner = {"waiting": WAITING, "claimed": 16, "queues": len(QUEUES)}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = figures.quantile(samples, share) * 1000
        figures.print_figure(f"store_{backend}_claim_of_many_{name}", value, "ms", partner=partner)
    figures.print_figure(f"store_{backend}_memory", _read_memory(), "MB", goal=250, partner={"waiting": WAITING})


async def _time(call: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


def _read_memory() -> float:
    """Return this process's resident memory: /proc/PID/statm, proc(5)."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(measure(pathlib.Path(sys.argv[1]), sys.argv[2]))
    else:
        asyncio.run(run(None, {}, *sys.argv[1:]))
