"""Wait for builds without keeping a worker.

A build that is not done at once is waited for in a task of its own, which wakes the key when there is news and keeps it
for the next turn. Asking again would not do: a failure that time may mend is no answer that the builder keeps, so it
would begin anew, and nobody would ever be told. Losing a task loses nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mayfly import errors
from mayfly.cluster import watch
from mayfly.model import build
from mayfly.reconcile import building

log = logging.getLogger(__name__)

LONG_WAIT_SECONDS = 25.0
"""One long poll; the builder waits at most 30 seconds."""
PAUSE_SECONDS = 0.5
"""Between two long polls, in case a builder answers at once."""
PLACES = 8
"""How many workers may wait in place at a time, so that a crowd of builds leaves workers for everything else."""


class Waiters:
    """The builds that are waited for, one per key."""

    def __init__(self, builder: building.Builder, wake: Callable[[watch.Key], None]) -> None:
        self._builder = builder
        self._wake = wake
        self._tasks: dict[watch.Key, tuple[str, asyncio.Task[None]]] = {}
        self._news: dict[watch.Key, tuple[str, build.BuildStatus]] = {}
        self._places = PLACES

    async def ask(self, key: watch.Key, request: build.BuildRequest, *, wait_seconds: float) -> build.BuildStatus:
        """Return where the build of ``request`` stands; unless that is final, ``key`` is woken when it changes.

        Raises:
            BuilderUnavailable: the builder cannot be reached or is full.
            BuildError: the builder refuses the request.
        """
        about, answer = self._news.pop(key, ("", None))
        if answer is not None and about == _name(request):
            return answer
        waits = self._places > 0
        self._places -= waits
        try:
            answer = await self._builder.ask(request=request, wait_seconds=wait_seconds if waits else 0.0)
        finally:
            self._places += waits
        if answer.final:
            self.drop(key)
        else:
            self._follow(key, request)
        return answer

    def drop(self, key: watch.Key) -> None:
        """Wait no longer on behalf of ``key``."""
        self._news.pop(key, None)
        if waiter := self._tasks.pop(key, None):
            waiter[1].cancel()

    async def close(self) -> None:
        """Wait no longer for anything."""
        tasks = [task for _, task in self._tasks.values()]
        for key in tuple(self._tasks):
            self.drop(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, key: watch.Key, request: build.BuildRequest) -> None:
        about = _name(request)
        if (present := self._tasks.get(key)) and present[0] == about and not present[1].done():
            return
        self.drop(key)
        self._tasks[key] = (about, asyncio.create_task(self._wait(key, request), name=f"build of {key}"))

    async def _wait(self, key: watch.Key, request: build.BuildRequest) -> None:
        try:
            while True:
                answer = await self._builder.ask(request=request, wait_seconds=LONG_WAIT_SECONDS)
                if answer.final:
                    self._news[key] = (_name(request), answer)
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        except errors.MayflyError as error:
            log.debug("waiting for a build ended", extra={"function": str(key), "error": str(error)})
        self._tasks.pop(key, None)
        self._wake(key)


def _name(request: build.BuildRequest) -> str:
    """Return what tells one question from another: the same request may be asked for another look at its branch."""
    return f"{request.digest()} {request.look or ''}"
