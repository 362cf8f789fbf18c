"""End calls that take too long.

Every call of a process has the same limit, so calls expire in the order in which they began, and one timer is enough
for all of them. (``asyncio.timeout`` sets and cancels one for each call, which costs as much as all our other work.)
"""

from __future__ import annotations

import asyncio
from typing import Any

from mayfly_runtime import calls


class Deadlines:
    """The calls in flight, oldest first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[calls.Call, asyncio.Task[Any]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, call: calls.Call) -> None:
        """Set the call's deadline; at that time its ``expired`` is set and the current task is cancelled."""
        task = asyncio.current_task()
        assert task is not None
        call.deadline = call.loop.time() + self._seconds
        self._running[call] = task
        if self._timer is None:
            self._timer = call.loop.call_at(call.deadline, self._sweep)

    def end(self, call: calls.Call) -> None:
        """Forget the call."""
        self._running.pop(call, None)

    def _sweep(self) -> None:
        """Cancel the calls that are due, and wake again for the first that is not."""
        self._timer = None
        for call, task in list(self._running.items()):
            if call.deadline > call.loop.time():
                self._timer = call.loop.call_at(call.deadline, self._sweep)
                return
            del self._running[call]
            call.expired = True
            task.cancel()
