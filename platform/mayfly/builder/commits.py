"""Which commit a branch or tag is: looked up once for each time that somebody wants to know."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from mayfly import errors
from mayfly.build import git, workshop
from mayfly.model import build
from mayfly.outside import download

KEPT = 1000
"""Answers are forgotten, the oldest first, beyond this number; whoever asks again has it looked up again."""
AT_ONCE = 16
"""Look-ups that run at the same time."""
LONGEST_SECONDS = 30.0
"""Of one look-up: a host that dribbles keeps its place no longer from others."""


class Commits:
    """Look commits up, in tasks, so that a host that is slow keeps no caller waiting.

    The same question with the same ``look`` has the same answer, which keeps the calls of one build to one commit.
    A failure is told once: the next to ask has it looked up again.
    """

    def __init__(self, shop: workshop.Workshop) -> None:
        self._shop = shop
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: OrderedDict[str, asyncio.Task[str]] = OrderedDict()

    async def pin(self, request: build.BuildRequest, *, wait_seconds: float) -> build.BuildRequest | None:
        """Return ``request`` for a commit, as it is if its source does not move; ``None`` if that takes longer.

        Raises:
            SourceError: there is no such revision or repository, or the login is refused.
            SourceUnavailable: the host does not answer.
        """
        if not request.source.moving:
            return request
        key = f"{request.namespace}/{request.name} {request.digest()} {request.look}"
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._look_up(request), name=f"commit of {request.namespace}/{request.name}")
            # Nobody may come for a failure; then it is no news to the loop either.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._tasks[key] = task
            self._forget_old()
        await asyncio.wait({task}, timeout=wait_seconds)
        if not task.done():
            return None
        if task.cancelled() or task.exception() is not None:
            self._tasks.pop(key, None)
        return request.pin(task.result())

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, request: build.BuildRequest) -> str:
        assert request.source.git is not None
        async with self._places:
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    return await git.resolve(self._shop.downloads, request.source.git, request.credentials)
            except TimeoutError as error:
                raise errors.SourceUnavailable(
                    f"{download.show(request.source.git.url)} did not list its revisions within {LONGEST_SECONDS:g} s"
                ) from error

    def _forget_old(self) -> None:
        for key in [key for key, task in self._tasks.items() if task.done()][: max(len(self._tasks) - KEPT, 0)]:
            del self._tasks[key]
