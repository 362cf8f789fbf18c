"""Remember when each queue is next due, so that a claim asks the database only about queues that changed.

Belongs to the writer thread. Nothing here is a truth: what was touched is looked up again, by index, when needed.
"""

from __future__ import annotations

import sqlite3

from mayfly.store import records

_HEAD = """select due from invocations where namespace = ? and function = ? and state = 'waiting'
           order by due limit 1"""


class Heads:
    """The earliest due instant of every queue in which something waits."""

    def __init__(self) -> None:
        self._known: dict[records.Queue, float] = {}
        self._stale: set[records.Queue] = set()
        self._touched: set[records.Queue] = set()
        """Since the last commit: to be looked up again if that does not come about."""

    def load(self, connection: sqlite3.Connection) -> None:
        """Look every queue up that has anything waiting, as at the start."""
        self._known.clear()
        self._stale = set(connection.execute("select namespace, function from books where waiting > 0"))

    def touch(self, queue: records.Queue) -> None:
        """Have ``queue`` looked up again."""
        self._stale.add(queue)
        self._touched.add(queue)

    def settle(self) -> None:
        """Take what was seen since the last commit as it is."""
        self._touched.clear()

    def revoke(self) -> None:
        """Take nothing for granted that was seen since the last commit."""
        self._stale |= self._touched
        self._touched.clear()

    def read(self, connection: sqlite3.Connection) -> dict[records.Queue, float]:
        """Return the earliest due instant of each queue that waits; not to be changed by the caller."""
        for queue in self._stale:
            row = connection.execute(_HEAD, queue).fetchone()
            if row is None:
                self._known.pop(queue, None)
            else:
                self._known[queue] = row[0]
        self._stale.clear()
        return self._known
