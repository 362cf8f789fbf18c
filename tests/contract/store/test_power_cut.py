"""I1 where the power fails: of what was not synced nothing is left, and every promise is there all the same.

``powercut.c`` keeps what each file held when it was synced last; after a kill that takes the file's place.
"""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

from mayfly.store import sqlite

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = pathlib.Path(__file__).with_name("powercut.c")
ROUNDS = 20


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library, built for this machine with the compiler that the local cluster needs as well."""
    made = tmp_path_factory.mktemp("shim") / "powercut.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", made, SOURCE], check=True)
    return made


def run_until_power_fails(path: pathlib.Path, shim: pathlib.Path, *, sync: str, seconds: float) -> set[str]:
    """Accept without end, kill, and return the ids that were promised."""
    paths = os.pathsep.join(str(each) for each in (ROOT, ROOT / "platform"))
    env = {**os.environ, "PYTHONPATH": paths, "LD_PRELOAD": str(shim)}
    argv = [sys.executable, "-m", "tests.contract.store.sender", str(path), "8", "1000000", sync]
    sender = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT, env=env)
    first = sender.stdout.readline()
    time.sleep(seconds)
    sender.kill()
    told = sender.stdout.read()
    sender.stdout.close()
    sender.wait(timeout=10)
    lines = [first, *told[: told.rfind(b"\n") + 1].splitlines()]
    return {line.decode().strip() for line in lines}


def lose_power(path: pathlib.Path) -> None:
    """Leave of the database what was synced; shared memory is gone by its nature."""
    for ending in ("", "-wal", "-shm"):
        file = path.with_name(path.name + ending)
        synced = file.with_name(file.name + ".synced")
        if synced.exists():
            file.write_bytes(synced.read_bytes())
        else:
            file.unlink(missing_ok=True)


async def read_ids(path: pathlib.Path) -> tuple[set[str], int]:
    store = await sqlite.SqliteStore.open(path=path)
    try:
        page = await store.list(namespace="shop", limit=1_000_000)
        return {item.id for item in page.items}, (await store.conservation()).drift
    finally:
        await store.close()


async def test_i1_no_promise_is_lost_with_the_power(tmp_path, shim):
    """Twenty power cuts at any moment; the file opens each time, and in the end every promise is there."""
    path, chance, promised = tmp_path / "s.db", random.Random(7), set()
    for _ in range(ROUNDS):
        promised |= run_until_power_fails(path, shim, sync="full", seconds=chance.uniform(0, 0.25))
        lose_power(path)
    found, drift = await read_ids(path)
    assert promised <= found
    assert len(promised) > ROUNDS
    assert drift == 0


async def test_promises_without_syncs_would_be_lost(tmp_path, shim):
    """What shows that the test above can fail."""
    path = tmp_path / "s.db"
    promised = run_until_power_fails(path, shim, sync="off", seconds=0.2)
    lose_power(path)
    found, _ = await read_ids(path)
    assert promised - found
