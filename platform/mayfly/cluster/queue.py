"""Keys that need attention, each handled by one worker at a time.

Level-triggered: a key says "look at this", never what happened. Adding a key that waits changes nothing; adding one
that is being handled has it handled once more afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
Handler = Callable[[K], Awaitable[float | None]]
"""Handle one key; return the seconds after which to look again, or ``None``. An exception has it tried again."""


class WorkQueue(Generic[K]):
    """Queue keys for ``run``.

    A key whose handler raises comes back after a growing pause (``base_seconds`` doubled each time, at most
    ``cap_seconds``, with jitter); one whose handler returns is forgiven its failures.
    """

    def __init__(self, *, name: str, base_seconds: float = 0.05, cap_seconds: float = 120.0) -> None:
        raise NotImplementedError

    def add(self, key: K) -> None:
        """Have ``key`` handled as soon as a worker is free."""
        raise NotImplementedError

    def add_after(self, key: K, seconds: float) -> None:
        """Have ``key`` handled after ``seconds``; an earlier wish for the same key stays in force."""
        raise NotImplementedError

    def forget(self, key: K) -> None:
        """Forgive the failures of ``key``."""
        raise NotImplementedError

    async def run(self, handler: Handler[K], *, workers: int) -> None:
        """Handle keys with so many at a time until cancelled."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """Return how many keys wait for a worker."""
        raise NotImplementedError

    @property
    def retries(self) -> int:
        """Return how many handlings failed since the start."""
        raise NotImplementedError
