"""Read the token that the gateway shares with the eventing process, again and again: it may be changed at any time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

log = logging.getLogger(__name__)

REREAD_SECONDS = 5.0
_TOKEN = re.compile(r"[\x21-\x7e]{16,1024}")
"""What a header carries unchanged; the controller makes 43 characters. A short one could be guessed."""


class TokenFile:
    """Call ``on_change`` with the token in a file whenever it is another one; empty when there is none to be used."""

    def __init__(
        self,
        file: Path,
        *,
        on_change: Callable[[str], Awaitable[None]],
        reread_seconds: float = REREAD_SECONDS,
    ) -> None:
        self._file = file
        self._on_change = on_change
        self._reread_seconds = reread_seconds
        self._last: str | None = None

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await asyncio.sleep(self._reread_seconds)
            await self.read()

    async def read(self) -> None:
        """Read once."""
        found, problem = await asyncio.to_thread(read_token, self._file)
        if found == self._last:
            return
        self._last = found
        if problem:
            log.error("no asynchronous call and no event is taken: %s", problem)
        else:
            log.info("asynchronous calls and events are handed over")
        await self._on_change(found)


def read_token(file: Path) -> tuple[str, str]:
    """Return the token, or an empty text and why there is none."""
    try:
        found = file.read_bytes().strip().decode("ascii")
    except (OSError, ValueError) as error:
        return "", f"the token in {file} cannot be read: {error}"
    if not _TOKEN.fullmatch(found):
        return "", f"the token in {file} must have 16 to 1024 visible ASCII characters and has {len(found)}"
    return found, ""
