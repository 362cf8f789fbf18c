"""A unit of work: what the requests of one transaction share."""

from __future__ import annotations

from typing import Any

from mayfly.store import books, records

_UPSERT = (
    f"insert into books (namespace, function, shard, {', '.join(books.COLUMNS)}) select * from unnest("  # noqa: S608
    "$1::text[], $2::text[], $3::int[], "
    + ", ".join(f"${place}::bigint[]" for place in range(4, 4 + len(books.COLUMNS)))
    + ") on conflict (namespace, function, shard) do update set "
    + ", ".join(f"{column} = books.{column} + excluded.{column}" for column in books.COLUMNS)
)


class Unit:
    """One transaction with its entries in the books."""

    def __init__(self, connection: Any, *, limits: records.Limits, shard: int) -> None:
        self.connection = connection
        self.entries = books.Entries()
        self.limits = limits
        self.wakes = False
        """Whether something may be due earlier than a dispatcher knows."""
        self._shard = shard

    async def enter(self) -> None:
        """Write the books, last of all, so that their rows are locked only for the commit."""
        rows = [(*queue, self._shard, *sums) for queue, sums in self.entries.drain()]
        if rows:
            await self.connection.execute(_UPSERT, *map(list, zip(*rows, strict=True)))
