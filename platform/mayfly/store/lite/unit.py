"""A unit of work: what the jobs of one transaction share."""

from __future__ import annotations

import sqlite3

from mayfly.store import books, records
from mayfly.store.lite import heads

_UPSERT = (
    f"insert into books (namespace, function, {', '.join(books.COLUMNS)}) "  # noqa: S608  (our own names)
    f"values (?, ?, {', '.join('?' * len(books.COLUMNS))}) on conflict (namespace, function) do update set "
    + ", ".join(f"{column} = {column} + excluded.{column}" for column in books.COLUMNS)
)


class Unit:
    """The connection of the writer with the books and heads that have to keep step with it."""

    def __init__(self, connection: sqlite3.Connection, known: heads.Heads, limits: records.Limits) -> None:
        self.connection = connection
        self.entries = books.Entries()
        self.heads = known
        self.limits = limits
        self.wakes = False
        """Whether something may be due earlier than a dispatcher knows."""

    def touch(self, queue: records.Queue) -> None:
        """Say that something began or ceased to wait in ``queue``."""
        self.heads.touch(queue)

    def begin(self) -> None:
        """Begin the transaction."""
        self.connection.execute("begin immediate")

    def commit(self) -> None:
        """Write the books and sync."""
        rows = [(*queue, *sums) for queue, sums in self.entries.drain()]
        if rows:
            self.connection.executemany(_UPSERT, rows)
        self.connection.execute("commit")
        self.heads.settle()

    def roll_back(self) -> None:
        """Forget everything since ``begin``."""
        self.entries = books.Entries()
        self.wakes = False
        self.heads.revoke()
        if self.connection.in_transaction:
            self.connection.execute("rollback")
