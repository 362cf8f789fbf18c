"""Patterns of LIKE: ``%`` is any text, ``_`` any character, a backslash makes either mean itself (section 3.4.3)."""

from __future__ import annotations

import re
from collections.abc import Callable

_PIECE = re.compile(r"\\[%_]|%|_|[^\\%_]+|\\")


def compile_like(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a text matches ``pattern``, in time proportional to its length.

    >>> compile_like("com.%.cr_ated")("com.shop.created")
    True

    Between two ``%`` the first place that fits is as good as any later one, so none is tried twice (atomic groups).
    """
    segments, plain = _split(pattern)
    if plain and len(segments) == 1:
        return plain[0].__eq__
    if plain and len(segments) == 2 and not plain[1]:  # noqa: PLR2004  (text and %)
        start = plain[0]
        return lambda text: text.startswith(start)
    if plain and len(segments) == 2 and not plain[0]:  # noqa: PLR2004
        end = plain[1]
        return lambda text: text.endswith(end)
    first, *middle, last = segments if len(segments) > 1 else (segments[0], "")
    if len(segments) == 1:
        return _make(first)
    return _make(first + "".join(f"(?>.*?{segment})" for segment in middle if segment) + f".*{last}")


def _make(expression: str) -> Callable[[str], bool]:
    matches = re.compile(expression, re.DOTALL).fullmatch
    return lambda text: matches(text) is not None


def _split(pattern: str) -> tuple[list[str], list[str]]:
    """Return the segments between ``%`` as regular expressions, and as plain text unless one has a ``_``."""
    segments, plain, wild = [""], [""], False
    for piece in _PIECE.findall(pattern):
        if piece == "%":
            segments.append("")
            plain.append("")
        elif piece == "_":
            segments[-1] += "."
            wild = True
        else:
            text = piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece  # noqa: PLR2004  (an escape)
            segments[-1] += re.escape(text)
            plain[-1] += text
    return segments, [] if wild else plain
