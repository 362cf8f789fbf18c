"""How much may wait in one namespace."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from mayfly.eventing import problem
from mayfly.eventing.reception import remembered
from mayfly.store import interface

BELIEVED_SECONDS = 1.0
"""How long the store's count is used; what this process lets in meanwhile is added to it."""
NAMESPACES = 1024
"""Namespaces whose count is remembered."""


@dataclasses.dataclass(slots=True)
class _Waiting:
    number: int


class Backlog:
    """Let in what a namespace has room for. Exact to what other processes accept within ``BELIEVED_SECONDS``."""

    def __init__(
        self, *, store: interface.Store, max_waiting: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._most = max_waiting
        self._counts: remembered.Remembered[str, _Waiting] = remembered.Remembered(
            seconds=BELIEVED_SECONDS, most=NAMESPACES, clock=clock
        )

    async def admit(self, namespace: str, coming: int) -> None:
        """Return when ``coming`` more invocations may wait in ``namespace``, and count them in.

        Raises:
            problem.Crowded: too many wait already.
            errors.StoreUnavailable: the store could not say how many do.
        """
        waiting = await self._counts.get(namespace, lambda: self._count(namespace))
        if waiting.number + coming > self._most:
            raise problem.Crowded(
                f"{waiting.number} invocations wait in namespace {namespace!r}, {coming} more would be over"
                f" {self._most}; send again once some are delivered"
            )
        waiting.number += coming

    async def _count(self, namespace: str) -> _Waiting:
        counts = await self._store.counts(namespace=namespace)
        return _Waiting(sum(count.waiting for count in counts.values()))
