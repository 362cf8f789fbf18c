"""The thread that writes: it takes every job that waits, runs them in one transaction, syncs once, then answers.

While one group is synced the next one gathers, so that many callers share a sync and a lone caller waits for none.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mayfly import errors
from mayfly.store import records
from mayfly.store.lite import connection, faults, heads, schema, unit

log = logging.getLogger(__name__)

GROUP = 256
"""At most so many jobs in one transaction, so that the first of them is not kept waiting."""

T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    run: Callable[[unit.Unit], Any]
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None

    def answer(self) -> None:
        """Tell the caller, who may have stopped waiting."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Writer:
    """One database, one thread. Belongs to the event loop it was started on."""

    def __init__(self, path: Path, *, limits: records.Limits, wake: Callable[[], None]) -> None:
        """``wake`` is called on the event loop after a commit that may have made something due."""
        self._path = path
        self._limits = limits
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._unit: unit.Unit | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)

    def open(self) -> None:
        """Open the database, bring its schema up to date, start the thread. Blocks.

        Raises: errors.StoreError
        """
        try:
            fresh = connection.connect_writer(self._path)
            try:
                steps = schema.migrate(fresh, path=str(self._path))
            except BaseException:
                fresh.close()
                raise
        except sqlite3.Error as error:
            raise faults.translate(error, path=str(self._path)) from error
        if steps:
            log.info("store schema brought up to date", extra={"path": str(self._path), "steps": steps})
        connection.sync_folder(self._path)
        self._unit = self._adopt(fresh)
        self._thread.start()

    async def run(self, job: Callable[[unit.Unit], T]) -> T:
        """Return what ``job`` returns, after it was committed and synced.

        It may run twice, the first time being rolled back: it must change nothing but the database.
        """
        if self._closed:
            raise errors.StoreUnavailable(f"{self._path} is closed; nothing was promised.")
        entry = _Job(job, self._loop.create_future())
        self._jobs.put(entry)
        result: T = await entry.future
        return result

    async def close(self) -> None:
        """Do what was asked for before, then end the thread and close the database."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        ended = False
        while not ended:
            group = [self._jobs.get()]
            while len(group) < GROUP and not self._jobs.empty():
                group.append(self._jobs.get())
            jobs = [job for job in group if job is not None]
            ended = len(jobs) < len(group)
            wakes = bool(jobs) and self._run_group(jobs)
            self._loop.call_soon_threadsafe(self._answer, jobs, wakes)
        self._drop()

    def _answer(self, jobs: list[_Job], wakes: bool) -> None:
        for job in jobs:
            job.answer()
        if wakes:
            self._wake()

    def _run_group(self, jobs: list[_Job]) -> bool:
        """Run ``jobs`` in one transaction, or each in its own when one of them fails; return whether to wake."""
        try:
            return self._commit(jobs)
        except sqlite3.OperationalError as error:
            self._fail(jobs, error)
            return False
        except Exception as error:  # noqa: BLE001  (whatever it is, the caller is told)
            if len(jobs) == 1:
                self._fail(jobs, error)
                return False
            wakes = [self._run_group([job]) for job in jobs]
            return any(wakes)

    def _commit(self, jobs: list[_Job]) -> bool:
        work = self._unit or self._reopen()
        try:
            work.begin()
            for job in jobs:
                job.value = job.run(work)
            work.commit()
        except sqlite3.Error as error:
            self._recover(work, error)
            raise
        except BaseException:
            work.roll_back()
            raise
        wakes, work.wakes = work.wakes, False
        return wakes

    def _recover(self, work: unit.Unit, error: sqlite3.Error) -> None:
        """Roll back; after a failed write or sync trust nothing in memory and read anew from the disk."""
        try:
            work.roll_back()
        except sqlite3.Error:
            log.warning("the store could not roll back; it is opened anew", exc_info=True)
            self._drop()
        if faults.code_of(error) not in {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_BUSY}:
            self._drop()

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            log.error("the store failed", extra={"path": str(self._path), "error": str(error), "jobs": len(jobs)})
            for job in jobs:  # an exception of its own for each, since each is raised elsewhere
                job.error = faults.translate(error, path=str(self._path))
                job.error.__cause__ = error
            return
        for job in jobs:
            job.error = error

    def _reopen(self) -> unit.Unit:
        self._unit = self._adopt(connection.connect_writer(self._path))
        return self._unit

    def _adopt(self, fresh: sqlite3.Connection) -> unit.Unit:
        known = heads.Heads()
        known.load(fresh)
        return unit.Unit(fresh, known, self._limits)

    def _drop(self) -> None:
        if self._unit is not None:
            self._unit.connection.close()
            self._unit = None
