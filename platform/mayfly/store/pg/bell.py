"""Wake the other processes: LISTEN and NOTIFY, https://www.postgresql.org/docs/15/sql-notify.html.

Notifications are sent apart from the transactions they tell of, and many commits share one: inside of them the server
would commit one transaction at a time (it orders notifications by a lock). One that gets lost costs time, never work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from mayfly import errors
from mayfly.store import waking
from mayfly.store.pg import connection, faults

log = logging.getLogger(__name__)

CHANNEL = "mayfly_{schema}"
PAUSE_SECONDS = 0.5
"""Between tries to connect again."""
GATHER_SECONDS = 0.002
"""So long commits are gathered before one notification tells of them."""


class Town:
    """Rings the bell of this process whenever one rings anywhere."""

    def __init__(self, server: connection.Server, bell: waking.Bell) -> None:
        self._server = server
        self._bell = bell
        self._news = asyncio.Event()
        self._lost = asyncio.Event()
        self._channel = CHANNEL.format(schema=server.schema)
        self._task = asyncio.create_task(self._serve())

    def ring(self) -> None:
        """Ring here at once and elsewhere in a moment."""
        self._bell.ring()
        self._news.set()

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _serve(self) -> None:
        while True:
            try:
                await self._listen()
            except (*faults.FOREIGN, errors.StoreError) as error:
                log.debug("not listening for work", extra={"error": str(error)})
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Listen and notify until the connection is lost. What was missed before is made up by one ring."""
        listening = await self._server.connect(by_index=False)
        self._lost.clear()
        try:
            listening.add_termination_listener(lambda _: self._lose())
            await listening.add_listener(self._channel, lambda *_: self._bell.ring())
            self._bell.ring()
            while not self._lost.is_set():
                await self._news.wait()
                self._news.clear()
                await asyncio.sleep(GATHER_SECONDS)
                await self._notify(listening)
        finally:
            listening.terminate()

    async def _notify(self, listening: Any) -> None:
        async with asyncio.timeout(self._server.timeout_seconds):
            await listening.execute(f'notify "{self._channel}"')

    def _lose(self) -> None:
        self._lost.set()
        self._news.set()
