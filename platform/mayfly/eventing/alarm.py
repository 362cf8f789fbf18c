"""Tell the owner of a Function, where ``kubectl describe`` shows it, that its dead letters grow."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Protocol

from mayfly.cluster import client
from mayfly.eventing import known, target
from mayfly.model import names
from mayfly.store import records

log = logging.getLogger(__name__)

REASON = "DeadLetters"
QUIET_SECONDS = 60.0
"""A Function is told of no oftener, by each replica."""
GATHER_SECONDS = 1.0
"""What dies together is told of together."""


class Recorder(Protocol):
    """What ``cluster.events.Recorder`` does for us."""

    def record(self, obj: client.Object, *, reason: str, message: str, warning: bool = False) -> None:
        """Note that something happened to an object."""


@dataclasses.dataclass(slots=True)
class _Growth:
    """What died since it was last told, and when it may be told next."""

    next_at: float
    number: int = 0
    reason: str = ""


class Alarm:
    """Count what dies, and have an Event written about each Function concerned once a minute at most.

    ``dead`` is for whoever settles invocations, ``run`` is a task of its own. ``clock`` gives seconds that nobody sets.
    """

    def __init__(self, *, recorder: Recorder, known: known.Known, clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder = recorder
        self._known = known
        self._clock = clock
        self._growths: dict[records.Queue, _Growth] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._growths)

    def dead(self, queue: records.Queue, reason: str) -> None:
        """Take note that an invocation of ``queue`` was given up for ``reason``, one word; never raises."""
        growth = self._growths.get(queue)
        if growth is None:
            growth = self._growths[queue] = _Growth(self._clock() + GATHER_SECONDS)
            self._wake.set()
        growth.number += 1
        growth.reason = reason

    async def run(self) -> None:
        """Tell of what died until cancelled."""
        while True:
            seconds = self.flush()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    def flush(self) -> float | None:
        """Tell of what may be told now; return the seconds until there is more to do, ``None`` for nothing at all."""
        now = self._clock()
        for queue, growth in list(self._growths.items()):
            if growth.next_at > now:
                continue
            if growth.number == 0:  # quiet for a minute: the next one is told at once again
                del self._growths[queue]
                continue
            self._tell(queue, growth)
            self._growths[queue] = _Growth(now + QUIET_SECONDS)
        return min((growth.next_at - now for growth in self._growths.values()), default=None)

    def _tell(self, queue: records.Queue, growth: _Growth) -> None:
        found = self._known.get(*queue)
        if found is None:
            log.info("%d dead letters of a Function that is gone", growth.number, extra={"function": "/".join(queue)})
            return
        self._recorder.record(
            _refer(found), reason=REASON, message=make_message(found.name, growth.number, growth.reason), warning=True
        )


def make_message(name: str, number: int, reason: str) -> str:
    """Return what an Event says. Pure.

    >>> make_message("mail", 2, "RetriesExhausted")
    'new dead letters: 2, the last one for RetriesExhausted; see them with: mayfly dlq list mail'
    """
    return f"new dead letters: {number}, the last one for {reason}; see them with: mayfly dlq list {name}"


def _refer(found: target.Target) -> client.Object:
    metadata = {"namespace": found.namespace, "name": found.name, "uid": found.uid}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata}
