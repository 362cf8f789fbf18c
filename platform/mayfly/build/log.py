"""The log of one build: bounded, and safe to show anywhere."""

from __future__ import annotations

import re
from collections import deque

MAX_LINES = 2000
MAX_LINE = 1000
TAIL_LINES = 40
"""Lines of the log that a build's status carries."""

_URL_LOGIN = re.compile(r"(?<=//)[^/@\s]+(?=@)")
_SECRET = re.compile(r"(?i)\b(authorization|bearer|token|password|passwd|secret|api[-_]?key)(\s*[=:]\s*|\s+)(\S+)")


def clean(text: str) -> str:
    r"""Return ``text`` as one harmless line: credentials masked, control characters escaped, cut to length.

    >>> clean("GET https://me:secret@index.example/x\r\n")
    'GET https://***@index.example/x'
    """
    masked = _SECRET.sub(r"\1\2***", _URL_LOGIN.sub("***", text[: 4 * MAX_LINE].rstrip()))
    shown = "".join(c if c.isprintable() else "    " if c == "\t" else ascii(c)[1:-1] for c in masked)
    return shown if len(shown) <= MAX_LINE else f"{shown[: MAX_LINE - 3]}..."


class BuildLog:
    """Lines of one build, the newest kept; nothing enters without being cleaned."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._dropped = 0

    def add(self, text: str) -> None:
        """Append ``text``, line by line."""
        for line in text.splitlines():
            self._dropped += len(self._lines) == MAX_LINES
            self._lines.append(clean(line))

    def tail(self, count: int = TAIL_LINES) -> tuple[str, ...]:
        """Return the last ``count`` lines, oldest first."""
        return tuple(self._lines)[-count:]

    def text(self) -> str:
        """Return the whole log, each line ended by a line feed."""
        lost = [f"({self._dropped} earlier lines are not kept)"] if self._dropped else []
        return "".join(f"{line}\n" for line in [*lost, *self._lines])
