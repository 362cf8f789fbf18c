"""Keys that need attention, each handled by one worker at a time.

Level-triggered: a key says "look at this", never what happened. Adding a key that waits changes nothing; adding one
that is being handled has it handled once more afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from mayfly import errors
from mayfly.cluster import backoff, pending

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
Handler = Callable[[K], Awaitable[float | None]]
"""Handle one key; return the seconds after which to look again, or ``None``. An exception has it tried again."""


class WorkQueue(Generic[K]):
    """Queue keys for ``run``, first come, first served.

    A key whose handler raises comes back after a growing pause: ``base_seconds``, doubled each time, at most
    ``cap_seconds``, with jitter, and never sooner than the API server wished (``errors.Throttled``). One whose
    handler returns is forgiven its failures.
    """

    def __init__(self, *, name: str, base_seconds: float = 0.1, cap_seconds: float = 120.0) -> None:
        self._name = name
        self._base = base_seconds
        self._cap = cap_seconds
        self._pending: pending.Pending[K] = pending.Pending()
        self._ready = asyncio.Semaphore(0)
        self._timer: asyncio.TimerHandle | None = None
        self._jitter = random.Random()  # noqa: S311  (spreads retries, keeps no secret)
        self._retries = 0
        self._handled = 0

    def add(self, key: K) -> None:
        """Have ``key`` handled as soon as a worker is free."""
        if self._pending.add(key):
            self._ready.release()

    def add_after(self, key: K, seconds: float) -> None:
        """Have ``key`` handled after ``seconds``; an earlier wish for the same key stays in force."""
        self._pending.add_at(key, time.monotonic() + seconds)
        self._arm()

    def forget(self, key: K) -> None:
        """Forgive the failures of ``key``."""
        self._pending.forget(key)

    async def run(self, handler: Handler[K], *, workers: int) -> None:
        """Handle keys with so many at a time until cancelled.

        May be run again afterwards: keys whose handling was cut short are handled anew.
        """
        self._arm()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(workers):
                    group.create_task(self._work(handler), name=f"{self._name}-{number}")
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    @property
    def depth(self) -> int:
        """Return how many keys wait for a worker."""
        return self._pending.waiting

    @property
    def delayed(self) -> int:
        """Return how many keys wait for their time."""
        return self._pending.later

    @property
    def running(self) -> int:
        """Return how many keys are being handled."""
        return self._pending.running

    @property
    def retries(self) -> int:
        """Return how many handlings failed since the start."""
        return self._retries

    @property
    def handled(self) -> int:
        """Return how many handlings ended since the start, well or not."""
        return self._handled

    async def _work(self, handler: Handler[K]) -> None:
        while True:
            await self._ready.acquire()
            key = self._pending.take()
            try:
                self._settle(key, await handler(key))
            except Exception as error:  # noqa: BLE001  (whatever one key does, the others go on)
                self._retry(key, error)
            except asyncio.CancelledError:
                if not _is_being_cancelled():  # something the handler waited for was, which is no reason to stop
                    self._retry(key, RuntimeError("what the handler waited for was cancelled"))
                    continue
                self.add(key)  # cut short: look again when the queue runs again
                raise
            finally:
                self._handled += 1
                if self._pending.done(key):
                    self._ready.release()

    def _settle(self, key: K, again_seconds: float | None) -> None:
        self._pending.forget(key)
        if again_seconds is not None:
            self.add_after(key, again_seconds)

    def _retry(self, key: K, error: Exception) -> None:
        self._retries += 1
        attempt = self._pending.fail(key)
        seconds = backoff.delay(attempt=attempt, base=self._base, cap=self._cap, jitter=self._jitter)
        if isinstance(error, errors.Throttled) and error.retry_after_seconds is not None:
            seconds = max(seconds, error.retry_after_seconds)
        unexpected = not isinstance(error, errors.MayflyError)
        log.log(
            logging.ERROR if unexpected else logging.WARNING,
            "%s: %s failed, again in %.1f s: %s",
            self._name,
            key,
            seconds,
            error or type(error).__name__,
            exc_info=error if unexpected else None,
        )
        self.add_after(key, seconds)

    def _arm(self) -> None:
        """Set the timer to the next key's time."""
        due = self._pending.next_due()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            wait = max(0.0, due - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        for _ in range(self._pending.release(time.monotonic())):
            self._ready.release()
        self._timer = None
        self._arm()


def _is_being_cancelled() -> bool:
    """Say whether someone asked the running task itself to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
