"""A few threads that read, each with its own connection: a long list delays no commit and no other read."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from mayfly import errors
from mayfly.store.lite import connection, faults

THREADS = 2

P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """Connections that are made when first needed and kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._threads = futures.ThreadPoolExecutor(THREADS, thread_name_prefix="store-reader")
        self._closed = False

    async def run(self, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``read`` returns, given a connection."""
        if self._closed:
            raise errors.StoreUnavailable(f"{self._path} is closed.")

        def work() -> T:
            with self._borrow() as borrowed:
                return read(borrowed, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Finish what was begun, then close every connection. Blocks."""
        self._closed = True
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get().close()

    @contextlib.contextmanager
    def _borrow(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one that failed is not used again."""
        borrowed = None
        try:
            try:
                borrowed = self._idle.get_nowait()
            except queue.Empty:
                borrowed = connection.connect_reader(self._path)
            yield borrowed
        except sqlite3.Error as error:
            if borrowed is not None:
                borrowed.close()
            raise faults.translate(error, path=str(self._path)) from error
        except BaseException:
            if borrowed is not None:
                borrowed.close()
            raise
        self._idle.put(borrowed)
