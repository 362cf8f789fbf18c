"""Show what runs: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

QUIET_SECONDS = 2.0
PLAIN_EVERY_SECONDS = 10.0
_FRAMES = "|/-\\"


class Reporter:
    """Print finished steps with their seconds, and those that take longer than two seconds while they run."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._frame = 0
        self._spoken: dict[str, float] = {}
        self._drawn = False
        self._found: list[str] = []

    def say(self, text: str) -> None:
        """Print one whole line."""
        self.clear()
        print(text, file=self._stream, flush=True)

    def finish(self, name: str, *, seconds: float, worked: bool) -> None:
        """Print a finished step, and count those that had nothing to do."""
        if worked:
            self.say(format_step(name, seconds=seconds))
        else:
            self._found.append(name)

    def end(self) -> None:
        """Say how many steps had nothing to do."""
        if self._found:
            self.say(f"  had  {len(self._found)} step(s) that were done already")
            self._found.clear()

    def show(self, running: dict[str, float]) -> None:
        """Show the running steps, given by name and start time on the monotonic clock."""
        now = time.monotonic()
        slow = {name: now - since for name, since in running.items() if now - since > QUIET_SECONDS}
        if self._live:
            self._draw(slow)
            return
        for name, seconds in slow.items():
            if seconds - self._spoken.get(name, 0.0) >= PLAIN_EVERY_SECONDS:
                self._spoken[name] = seconds
                self.say(f"  ...  {name} ({seconds:.0f} s)")

    def clear(self) -> None:
        """Take the live line away."""
        if self._drawn:
            print("\r\033[K", end="", file=self._stream, flush=True)
            self._drawn = False

    def _draw(self, slow: dict[str, float]) -> None:
        if not slow:
            self.clear()
            return
        self._frame += 1
        names = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slow.items())
        width = os.get_terminal_size(self._stream.fileno()).columns
        line = f"{_FRAMES[self._frame % 4]} {names}"[: max(width - 1, 20)]
        print(f"\r\033[K{line}", end="", file=self._stream, flush=True)
        self._drawn = True


def format_step(name: str, *, seconds: float) -> str:
    """Return the line of a finished step. Pure.

    >>> format_step("start etcd", seconds=1.25)
    '  ok   start etcd                                 1.2 s'
    """
    return f"  ok   {name:<40}{seconds:6.1f} s"
