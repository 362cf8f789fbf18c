"""Keep the books: what moved between states during one transaction. The sums are written in the same transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from mayfly.store import records

COLUMNS = tuple(field.name for field in dataclasses.fields(records.Count))
"""The columns of the books, in the order of ``records.Count``."""
_PLACES = {name: place for place, name in enumerate(COLUMNS)}


class Entries:
    """The moves of one transaction, summed for each queue."""

    def __init__(self) -> None:
        self._sums: dict[records.Queue, list[int]] = {}

    def accept(self, queue: records.Queue) -> None:
        """Enter a new invocation, waiting."""
        self._add(queue, "accepted", 1)
        self._add(queue, "waiting", 1)

    def move(self, queue: records.Queue, before: records.State, after: records.State, number: int = 1) -> None:
        """Enter that ``number`` invocations went from one state to another."""
        self._add(queue, before.value, -number)
        self._add(queue, after.value, number)

    def purge(self, queue: records.Queue, state: records.State) -> None:
        """Enter that a settled invocation is gone."""
        self._add(queue, state.value, -1)
        self._add(queue, "purged", 1)

    def drain(self) -> Iterator[tuple[records.Queue, list[int]]]:
        """Yield the sums of each queue that has any, in a fixed order (so that transactions cannot lock crosswise)."""
        sums, self._sums = self._sums, {}
        for queue in sorted(sums):
            if any(sums[queue]):
                yield queue, sums[queue]

    def _add(self, queue: records.Queue, column: str, number: int) -> None:
        self._sums.setdefault(queue, [0] * len(COLUMNS))[_PLACES[column]] += number
