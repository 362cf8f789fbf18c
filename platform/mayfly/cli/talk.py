"""Talk to the user on stderr, in colour only where colour is wanted.

Colour: a terminal, no ``NO_COLOR`` (https://no-color.org) and a ``TERM`` other than ``dumb``.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}


def is_plain(stream: TextIO) -> bool:
    """Say whether ``stream`` gets neither colours nor moving parts."""
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return ``text`` in a colour, or as it is where ``stream`` (stderr when ``None``) gets none."""
    return text if is_plain(stream or sys.stderr) else f"\033[{_CODES[style]}m{text}\033[0m"


def say(text: str) -> None:
    """Print a remark."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def fail(text: str) -> None:
    """Print what went wrong."""
    say(f"{paint('error:', 'red')} {text}")


def give(text: str) -> None:
    """Print data to stdout."""
    print(text, flush=True)  # noqa: T201
