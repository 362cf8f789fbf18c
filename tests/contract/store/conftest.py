"""Both stores, opened on something real."""

from __future__ import annotations

import contextlib
import pathlib
import secrets
import shutil
import tempfile

import pytest
import pytest_asyncio

from mayfly.store import postgres, sqlite
from tests.contract.store import server

BACKENDS = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres_server():
    """One server for all tests; each store gets a schema of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-postgres-", dir="/var/tmp"))
    started = None
    try:
        started = server.make(folder)
        yield started
    except server.Missing as error:
        pytest.fail(str(error))
    finally:
        if started is not None:
            started.stop()
        shutil.rmtree(folder)


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    return request.param


@pytest_asyncio.fixture
async def open_store(backend, request, tmp_path):
    """Open stores of the backend; the same name opens the same store again."""
    names = {}
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(name: str = "main", **options):
            if backend == "sqlite":
                opened = await sqlite.SqliteStore.open(path=tmp_path / f"{name}.db", **options)
            else:
                dsn = request.getfixturevalue("postgres_server").dsn
                schema = names.setdefault(name, f"s{secrets.token_hex(6)}")
                opened = await postgres.PostgresStore.open(dsn=dsn, schema_name=schema, **options)
            stack.push_async_callback(opened.close)
            return opened

        yield open_one


@pytest_asyncio.fixture
async def store(open_store):
    return await open_store()
