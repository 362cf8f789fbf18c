"""Connect the way the store's promises need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from mayfly.store.pg import faults

_SETTINGS = {
    "application_name": "mayfly",
    # The promise of a commit, whatever the server's default is.
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "30s",
}
_BY_INDEX = dict.fromkeys(("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off")
"""A queue is empty at one moment and long at the next: what was planned by its statistics is wrong half of the time,
and every statement of the lines has an index made for it."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is and how patient to be."""

    dsn: str
    schema: str
    timeout_seconds: float

    async def connect(self, *, by_index: bool) -> Any:
        """Return a connection; ``by_index``: for statements that each have their index.

        Raises: errors.StoreUnavailable
        """
        try:
            return await asyncpg.connect(
                self.dsn,
                timeout=self.timeout_seconds,
                server_settings={**_SETTINGS, "search_path": self.schema, **(_BY_INDEX if by_index else {})},
            )
        except (*faults.FOREIGN, ValueError) as error:
            raise faults.translate(error) from error

    def __repr__(self) -> str:
        return f"Server(schema={self.schema!r})"
