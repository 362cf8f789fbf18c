"""The log of many pods as one stream, new pods included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from mayfly import errors
from mayfly.cluster import client, kinds

LOOK_SECONDS = 2.0
"""How often a follower looks for new pods. A new pod's log is read from its beginning, so nothing is missed."""
QUEUE_LINES = 1000
"""Lines that may wait for a slow reader; then reading from the pods pauses."""


class Line(NamedTuple):
    """One line and the pod that wrote it."""

    pod: str
    text: str


class _Run(NamedTuple):
    """One life of a container: a restart is another."""

    pod: str
    uid: str
    restarts: int


async def tail(
    cluster: client.Cluster,
    *,
    namespace: str,
    selector: str,
    container: str,
    follow: bool = False,
    last: int | None = None,
    since_seconds: int | None = None,
) -> AsyncGenerator[Line, None]:
    """Give the log lines of ``container`` in every pod that ``selector`` finds, oldest pod first.

    ``last`` and ``since_seconds`` limit what is read of each pod; ``None`` reads all. With ``follow`` lines of all
    pods come as they are written, pods and restarts that appear later are read whole, and the stream has no end.
    A pod whose container has not started yet is passed over, or waited for with ``follow``.

    Raises:
        errors.ClusterError: the pods cannot be listed.
    """
    if follow:
        async with contextlib.aclosing(
            _follow(cluster, namespace, selector, container, {"tail": last, "since_seconds": since_seconds})
        ) as lines:
            async for line in lines:
                yield line
        return
    for run in _find_runs(await cluster.list(kinds.POD, namespace, selector), container):
        async for line in _read(cluster, namespace, run, container, tail=last, since_seconds=since_seconds):
            yield line


async def _follow(
    cluster: client.Cluster, namespace: str, selector: str, container: str, limits: dict[str, int | None]
) -> AsyncGenerator[Line, None]:
    lines: asyncio.Queue[Line] = asyncio.Queue(QUEUE_LINES)

    async def copy(run: _Run, limits: dict[str, int | None]) -> None:
        async for line in _read(cluster, namespace, run, container, follow=True, **limits):
            await lines.put(line)

    async def look(group: asyncio.TaskGroup) -> None:
        seen: set[_Run] = set()
        first = True
        while True:
            for run in _find_runs(await cluster.list(kinds.POD, namespace, selector), container):
                if run not in seen:
                    seen.add(run)
                    group.create_task(copy(run, limits if first else {}))
            first = False
            await asyncio.sleep(LOOK_SECONDS)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(look(group))

    worker = asyncio.create_task(work())
    try:
        while True:
            getter = asyncio.create_task(lines.get())
            await asyncio.wait({getter, worker}, return_when=asyncio.FIRST_COMPLETED)
            if not getter.done():
                getter.cancel()
                _raise_cause(worker)
            yield getter.result()
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError, BaseExceptionGroup):
            await worker


def _raise_cause(worker: asyncio.Task[None]) -> None:
    """Raise what ended the worker: it never ends by itself."""
    error = worker.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    raise error or AssertionError("a follower ended without a cause")


def _find_runs(pods: client.Objects, container: str) -> list[_Run]:
    """Return the lives of ``container`` whose log can be read, oldest pod first. Pure."""
    return [
        _Run(pod["metadata"]["name"], pod["metadata"]["uid"], status.get("restartCount", 0))
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        for status in (pod.get("status") or {}).get("containerStatuses") or []
        if status["name"] == container and _has_log(status)
    ]


def _has_log(status: dict[str, Any]) -> bool:
    """Say whether the container has started at least once. Pure."""
    return any(state in status.get(when, {}) for when in ("state", "lastState") for state in ("running", "terminated"))


async def _read(
    cluster: client.Cluster, namespace: str, run: _Run, container: str, **how: Any
) -> AsyncGenerator[Line, None]:
    """Give the lines of one life; nothing when the pod has gone meanwhile or the connection breaks off."""
    with contextlib.suppress(errors.NotFound, errors.Invalid, errors.Unreachable):
        async with contextlib.aclosing(cluster.logs(namespace, run.pod, container, **how)) as lines:
            async for text in lines:
                yield Line(run.pod, text)
