"""The internal token: read from its file, compared in constant time, and worth nothing when there is none."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

READ_SECONDS = 1.0
"""How long the file's text is used before it is read anew, so that the token can be rotated."""


class TokenFile:
    """Give the token in a file; empty when the file is missing, unreadable or empty."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._until = float("-inf")
        self._token = ""

    def __call__(self) -> str:
        """Return the token."""
        now = self._clock()
        if now >= self._until:
            self._until = now + READ_SECONDS
            self._token = self._read()
        return self._token

    def _read(self) -> str:
        try:
            token = self._path.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            log.error("the internal token cannot be read", extra={"path": str(self._path), "error": str(error)})  # noqa: TRY400  (a traceback says no more)
            return ""
        if not token:
            log.error("the internal token is empty", extra={"path": str(self._path)})
        return token


def admits(own: Callable[[], str], presented: str | None) -> bool:
    """Tell whether ``presented`` is our ``own`` token, in time that does not depend on the guess.

    Without a token of our own, or when it cannot be had, nobody is admitted.
    """
    if not presented:
        return False
    try:
        token = own()
    except (OSError, ValueError) as error:
        log.error("the internal token cannot be had", extra={"error": str(error)})  # noqa: TRY400
        return False
    return bool(token) and hmac.compare_digest(presented.encode(), token.encode())
