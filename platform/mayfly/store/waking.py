"""Wake who waits for work."""

from __future__ import annotations

import asyncio


class Bell:
    """Remembers that it rang until somebody waits. Belongs to one event loop."""

    def __init__(self) -> None:
        self._rang = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits, or else the next who does."""
        self._rang.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most ``seconds``; ``False``: time is up."""
        try:
            async with asyncio.timeout(seconds):
                await self._rang.wait()
        except TimeoutError:
            return False
        self._rang.clear()
        return True
