"""Threads for synchronous user code.

Why not ``concurrent.futures``: its threads are joined at exit, so a handler that hangs would hang the stop, and a
handler past its deadline would hold its place for ever. Here threads are daemons, and each one that is past its
deadline is replaced until it returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger("mayfly_runtime")

UNLIMITED = 64
"""Threads when ``concurrency`` is 0 (unlimited).

Blocking calls wait, they do not compute, so more threads than cores are right; above some dozens the interpreter lock
and memory (64 idle stacks take about 6 MB of the default 128 MiB) cost more than waiting in line. asyncio handlers are
not bounded by it.
"""
MOST = 1000
"""Threads at most, whatever ``concurrency`` says: Knative's own largest container concurrency."""
MOST_STUCK = 64
"""Threads past their deadline that are replaced; when even more hang, calls wait in line until they time out."""


def size_for(concurrency: int) -> int:
    """Return how many threads serve ``concurrency`` calls at a time; pure."""
    return min(concurrency, MOST) or UNLIMITED


class _Job:
    __slots__ = ("abandoned", "arguments", "context", "function", "future", "loop", "running")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.running = False
        self.abandoned = False

    def run(self) -> None:
        """Call the function in the caller's context and hand the outcome to the loop."""
        result: Any = None
        error: BaseException | None = None
        try:
            result = self.context.run(self.function, *self.arguments)
        except StopIteration as stop:  # a future cannot carry it
            error = RuntimeError(f"the function raised StopIteration: {stop.value!r}")
            error.__cause__ = stop
        except BaseException as raised:  # noqa: BLE001  (sys.exit() in a handler must not end the thread silently)
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(_settle, self.future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Workers:
    """At most ``size`` threads, started when needed; later jobs wait their turn, first come first served.

    With a size of one, everything runs on the same thread, the handler's import included.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._load = 0
        self._threads = 0
        self._stuck = 0

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``function(*arguments)``, called in a thread with this task's context variables.

        When the awaiting task is cancelled the thread goes on; its place is given to a new one.
        """
        job = _Job(function, arguments)
        self._submit(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._abandon(job)
            raise

    def _submit(self, job: _Job) -> None:
        with self._lock:
            self._load += 1
        self._jobs.put(job)
        self._grow()

    def _grow(self) -> None:
        """Start a thread if jobs outnumber them; stuck ones do not count."""
        with self._lock:
            if self._threads >= min(self._load, self.size + min(self._stuck, MOST_STUCK)):
                return
            self._threads += 1
            name = f"worker-{self._threads}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _abandon(self, job: _Job) -> None:
        """Stop counting on the thread that runs ``job``; a job still in line is only skipped later."""
        with self._lock:
            if not job.running:
                return
            job.abandoned = True
            self._stuck += 1
        self._grow()

    def _work(self) -> None:
        loop = asyncio.new_event_loop()  # so that asyncio.get_event_loop() works in synchronous handlers
        asyncio.set_event_loop(loop)
        surplus = False
        while not surplus:
            job = self._jobs.get()
            if self._begin(job):
                job.run()
            surplus = self._leave(job)
        loop.close()

    def _begin(self, job: _Job) -> bool:
        """Mark ``job`` as running unless its caller has given up."""
        with self._lock:
            job.running = not job.future.cancelled()
        return job.running

    def _leave(self, job: _Job) -> bool:
        """Count ``job`` as done; say whether this thread is one too many."""
        with self._lock:
            job.running = False
            self._load -= 1
            self._stuck -= job.abandoned
            surplus = self._threads > self.size + self._stuck
            self._threads -= surplus
        return surplus
