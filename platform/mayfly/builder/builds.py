"""The builds of this process: waiting, running, finished; each fingerprint once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from mayfly import errors
from mayfly.build import assemble, record, workshop
from mayfly.builder import commits, metrics
from mayfly.model import build

log = logging.getLogger(__name__)

KEPT_BUILDS = 500
KEPT_LOG_BYTES = 8 * 1024 * 1024
"""Finished builds are forgotten, the oldest first, beyond either number."""


class QueueFull(errors.BuilderUnavailable):
    """As many builds wait as may."""


@dataclass
class Build:
    """One build; ``status`` is set when it is final."""

    job: workshop.Job
    notes: record.Record = field(default_factory=record.Record)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    running: bool = False
    status: build.BuildStatus | None = None
    task: asyncio.Task[None] | None = None

    def report(self) -> build.BuildStatus:
        """Return the state as it is now."""
        return self.status or build.BuildStatus(
            state=build.BuildState.RUNNING if self.running else build.BuildState.QUEUED,
            fingerprint=self.job.fingerprint,
            runtime=self.job.base.runtime,
            revision=self.job.request.source.revision,
            steps=tuple(self.notes.steps),
            message=f"in step {self.notes.step}" if self.running else "waiting for a free builder",
            log=self.notes.log.tail(),
        )


class Builds:
    """Run builds, a few at a time."""

    def __init__(self, shop: workshop.Workshop, figures: metrics.Metrics) -> None:
        self._shop = shop
        self._commits = commits.Commits(shop)
        self._figures = figures
        self._slots = asyncio.Semaphore(shop.given.concurrency)
        self._active: dict[str, Build] = {}
        self._finished: OrderedDict[str, Build] = OrderedDict()
        self._log_bytes = 0
        self._closing = False

    async def submit(self, request: build.BuildRequest, *, wait_seconds: float) -> build.BuildStatus:
        """Return the state of the build of ``request`` after at most ``wait_seconds``; start it where needed.

        What the registry has is answered at once, past the queue. A permanent failure is remembered; a temporary one
        is tried again.

        Raises:
            QueueFull: too many builds wait.
        """
        fingerprint = request.digest()
        ends = time.monotonic() + wait_seconds
        try:
            pinned = await self._commits.pin(request, wait_seconds=wait_seconds)
            if pinned is None:
                return build.BuildStatus(
                    state=build.BuildState.QUEUED, fingerprint=fingerprint, message="waiting for the git server"
                )
            job = await self._shop.identify(pinned)
            fingerprint = job.fingerprint
            if known := await self._known(job):
                return known
        except errors.MayflyError as problem:
            return self._counted(assemble.make_failure(fingerprint, problem, record.Record()))
        running = self._active.get(job.fingerprint) or self._start(job)
        try:
            async with asyncio.timeout(max(ends - time.monotonic(), 0.0)):
                await running.done.wait()
        except TimeoutError:
            pass
        return running.report()

    async def _known(self, job: workshop.Job) -> build.BuildStatus | None:
        """Return a final state that needs no build, None if one is needed or under way."""
        if job.fingerprint in self._active:
            return None
        finished = self._finished.get(job.fingerprint)
        if finished is not None and finished.status is not None and finished.status.reason:
            return finished.status if _is_final(job, finished.status) else None
        recalled = await assemble.recall(job, shop=self._shop, notes=record.Record())
        return self._counted(recalled) if recalled else None

    def find(self, fingerprint: str) -> Build | None:
        """Return the build with ``fingerprint``, None if this process does not know it."""
        return self._active.get(fingerprint) or self._finished.get(fingerprint)

    def _start(self, job: workshop.Job) -> Build:
        waiting = sum(not one.running for one in self._active.values())
        if self._closing or waiting >= self._shop.given.queue_limit:
            raise QueueFull(f"{waiting} builds wait, {self._shop.given.queue_limit} may; try again later")
        started = self._active[job.fingerprint] = Build(job)
        self._forget(job.fingerprint)
        started.task = asyncio.create_task(self._run(started), name=f"build {job.fingerprint[:12]}")
        return started

    async def _run(self, one: Build) -> None:
        """Wait for a slot, build, and file the result."""
        fields = {"function": f"{one.job.request.namespace}/{one.job.request.name}", "fingerprint": one.job.fingerprint}
        try:
            with self._figures.waiting.track_inprogress():
                await self._slots.acquire()
            try:
                one.running = True
                with self._figures.running.track_inprogress():
                    one.status = await assemble.build_image(one.job, shop=self._shop, notes=one.notes)
            finally:
                self._slots.release()
        except Exception as error:  # the last resort: a build must never leave its caller without an answer
            log.exception("build failed unexpectedly", extra=fields)
            problem = errors.BuilderUnavailable(f"the builder failed unexpectedly ({type(error).__name__}); try again")
            one.status = assemble.make_failure(one.job.fingerprint, problem, one.notes)
        finally:
            del self._active[one.job.fingerprint]
            if one.status is not None:
                self._file(one)
                status = self._counted(one.status)
                log.info("build ended", extra={**fields, "state": status.state.value, "reason": status.reason})
            one.done.set()

    def _file(self, one: Build) -> None:
        """Keep a finished build for as long as there is room."""
        # Credentials are for the time of the build.
        one.job = replace(one.job, request=one.job.request.model_copy(update={"credentials": None}))
        self._finished[one.job.fingerprint] = one
        self._log_bytes += len(one.notes.log.text())
        while len(self._finished) > KEPT_BUILDS or (self._log_bytes > KEPT_LOG_BYTES and len(self._finished) > 1):
            self._forget(next(iter(self._finished)))

    def _forget(self, fingerprint: str) -> None:
        if old := self._finished.pop(fingerprint, None):
            self._log_bytes -= len(old.notes.log.text())

    def _counted(self, status: build.BuildStatus) -> build.BuildStatus:
        self._figures.count(status)
        return status

    async def close(self) -> None:
        """Stop all builds; whoever asked will ask again."""
        self._closing = True
        tasks = [one.task for one in self._active.values() if one.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._commits.close()


def _is_final(job: workshop.Job, failure: build.BuildStatus) -> bool:
    """Tell whether asking again for ``job`` must fail again.

    What a host outside refused to one login it may give to another, which the fingerprint does not know.
    """
    refused = job.request.source.url is not None and failure.reason == errors.SourceError.reason
    return not failure.temporary and not refused
