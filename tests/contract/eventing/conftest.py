"""The eventing process's HTTP side over both stores, beside the real API server."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import shutil
import tempfile

import pytest

from mayfly.store import postgres, sqlite
from tests.contract.eventing import world as worlds
from tests.contract.store import server

BACKENDS = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres_server():
    """A server that tests may kill, if they start it again."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-postgres-", dir="/var/tmp"))
    started = None
    try:
        started = server.make(folder)
        yield started
    finally:
        if started is not None:
            started.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def world(cluster_env, tmp_path_factory):
    """A door over a SQLite store, for tests that keep to namespaces of their own."""
    path = tmp_path_factory.mktemp("store") / "invocations.db"
    with worlds.serve(functools.partial(sqlite.SqliteStore.open, path=path), cluster_env["KUBECONFIG"]) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_world(cluster_env, postgres_server):
    """The same over PostgreSQL."""
    opening = functools.partial(postgres.PostgresStore.open, dsn=postgres_server.dsn, timeout_seconds=5)
    with worlds.serve(opening, cluster_env["KUBECONFIG"]) as opened:
        yield opened


@pytest.fixture(params=BACKENDS)
def each_world(request):
    """The door over each of the stores."""
    return request.getfixturevalue("world" if request.param == "sqlite" else "postgres_world")


@pytest.fixture
def open_world(cluster_env, tmp_path):
    """Open a door of the test's own over SQLite, with options; it is empty and may be broken."""
    with contextlib.ExitStack() as stack:

        def open_one(kubeconfig: str = cluster_env["KUBECONFIG"], **options):
            opening = functools.partial(sqlite.SqliteStore.open, path=tmp_path / "invocations.db")
            return stack.enter_context(worlds.serve(opening, kubeconfig, **options))

        yield open_one
