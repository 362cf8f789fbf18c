"""Which schedule is to be looked at next, and what is to be done about it. Pure: instants come in as POSIX seconds."""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import itertools
from collections.abc import Iterator, Mapping

from mayfly.eventing import target
from mayfly.events import schedule
from mayfly.store import records

Name = tuple[str, target.Ticker]
"""A schedule in its present form: uid of its Function, key and content. A changed one is another one."""
_SPARE = 64
"""The heap may hold so many entries more than twice what is needed before it is made anew."""


@dataclasses.dataclass(slots=True, eq=False)
class Line:
    """One schedule of the agenda."""

    queue: records.Queue
    name: Name
    done: float
    """All ticks up to this instant are done or missed for good."""
    gone: bool = False

    @property
    def key(self) -> str:
        """Names the trigger uniquely and for good; ticks are named by it."""
        uid, ticker = self.name
        return f"{uid}/{ticker.key}"

    def decide(self, now: float) -> schedule.Due:
        """Return what is to be done at ``now``."""
        return schedule.find_due(self.name[1].schedule, last=_read(self.done), now=_read(now))

    def find_next(self) -> float | None:
        """Return the instant of the first tick that is not done, ``None`` when none will come."""
        tick = self.name[1].schedule.next_tick(_read(self.done))
        return None if tick is None else tick.timestamp()


class Agenda:
    """Lines by their next tick: a change costs the logarithm of their number, a look at the earliest one nothing."""

    def __init__(self) -> None:
        self._lines: dict[records.Queue, dict[Name, Line]] = {}
        self._heap: list[tuple[float, int, Line]] = []
        self._numbers = itertools.count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Line]:
        return (line for several in self._lines.values() for line in several.values())

    def set(self, queue: records.Queue, wanted: Mapping[Name, float]) -> None:
        """Have the schedules of one Function be ``wanted``, each with the instant up to which it is done.

        One that is there already keeps what it has done.
        """
        before = self._lines.pop(queue, {})
        after = {name: before.get(name) or Line(queue, name, done) for name, done in wanted.items()}
        self._size += len(after) - len(before)
        for name, line in before.items():
            line.gone = name not in after
        if after:
            self._lines[queue] = after
        for name, line in after.items():
            if name not in before:
                self.put(line)
        if len(self._heap) > 2 * self._size + _SPARE:
            self._heap = [entry for entry in self._heap if not entry[2].gone]
            heapq.heapify(self._heap)

    def next_at(self) -> float | None:
        """Return the instant of the earliest tick that is not done, ``None`` when there is none."""
        while self._heap and self._heap[0][2].gone:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float, *, limit: int) -> list[Line]:
        """Take out up to ``limit`` lines that have a tick up to ``now``, the earliest first; ``put`` them back."""
        found: list[Line] = []
        while len(found) < limit and (at := self.next_at()) is not None and at <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def put(self, line: Line) -> None:
        """Put a line in, by the first tick after what it has done; one that was dropped meanwhile stays away."""
        at = line.find_next()
        if at is not None and not line.gone:
            heapq.heappush(self._heap, (at, next(self._numbers), line))

    def rewind(self, now: float) -> None:
        """Let nothing later than ``now`` be done: the clock was set back, and waiting for it would skip ticks.

        Those that were made are made again; the store knows them by their ids.
        """
        self._heap.clear()
        for line in self:
            line.done = min(line.done, now)
            self.put(line)


def _read(instant: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(instant, dt.UTC)
