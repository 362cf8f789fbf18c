"""Watch a Function until it serves, fails or the time is up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from mayfly import errors
from mayfly.cli import exits, progress, session, talk, view
from mayfly.cluster import answer, kinds

PAUSE_SECONDS = 1.0
"""Before a broken watch is tried again."""


async def follow(
    current: session.Session,
    obj: dict[str, Any],
    *,
    show: Callable[[progress.Snapshot], None],
    seconds: float,
) -> dict[str, Any]:
    """Return the Function once it is ready with the spec of ``obj`` or a later one.

    Raises:
        exits.Failed: it failed; the text has reason, message and the last lines of the build log.
        exits.TimedOut: it was neither ready nor failed after ``seconds``.
        errors.NotFound: it was deleted meanwhile.
    """
    last, told = obj, ""
    known = ((obj.get("status") or {}).get("build") or {}).get("request", "")
    try:
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(errors.Unreachable, answer.Expired):
                    async with contextlib.aclosing(_versions(current, obj)) as versions:
                        async for last in versions:
                            snapshot = progress.read(last, known_build=known)
                            show(snapshot)
                            told = tell_obstacle(last, told)
                            if snapshot.failure is not None:
                                raise exits.Failed(describe_failure(last["metadata"]["name"], snapshot.failure))
                            if snapshot.ready:
                                return last
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        raise exits.TimedOut(describe_wait(last, seconds)) from None


async def _versions(current: session.Session, obj: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """Give every version of the Function from ``obj``'s on."""
    name, generation = obj["metadata"]["name"], obj["metadata"].get("generation", 0)
    changes = current.cluster.watch(kinds.FUNCTION, current.namespace, fields=f"metadata.name={name}")
    async with contextlib.aclosing(changes):
        async for change in changes:
            if change.type == "DELETED":
                raise errors.NotFound(f"function {name!r} was deleted while it was being deployed")
            if change.type != "BOOKMARK" and change.object["metadata"].get("generation", 0) >= generation:
                yield change.object


def tell_obstacle(obj: dict[str, Any], told: str) -> str:
    """Say once what holds a Function up that may still come, and return what was said last."""
    ready = view.get_condition(obj, progress.READY)
    if ready.get("reason") not in progress.PASSING or ready.get("message", "") == told:
        return told
    talk.say(f"{talk.paint('waiting:', 'yellow')} {ready['reason']}: {ready.get('message', '')}")
    return str(ready.get("message", ""))


def describe_failure(name: str, failure: progress.Failure) -> str:
    """Return what the user reads when a deployment fails. Pure."""
    lines = [f"{name} is not ready: {failure.reason}: {failure.message}"]
    if failure.log:
        lines += ["build log, last lines:", *(f"  {line}" for line in failure.log)]
    return "\n".join(lines)


def describe_wait(obj: dict[str, Any], seconds: float) -> str:
    """Return what the user reads when the time is up. Pure."""
    name = obj["metadata"]["name"]
    snapshot = progress.read(obj)
    running = next((step for step in snapshot.steps if step.state == "running"), None)
    if running is None or not (obj.get("status") or {}).get("observedGeneration"):
        where = "the controller has not looked at it; is it running? kubectl -n mayfly-system get pods"
    else:
        message = view.get_condition(obj, "Ready").get("message") or ""
        why = ": ".join(part for part in (running.detail, message) if part)
        where = f"it is at step {running.name!r}" + (f" ({why})" if why else "")
    further = f"mayfly get {name} -n {obj['metadata'].get('namespace', 'default')}"
    return f"{name} is not ready after {seconds:g} s: {where}; it goes on without this command: {further}"
