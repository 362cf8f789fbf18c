"""Durations as Kubernetes users write them: ``30s``, ``1m30s``, ``250ms``."""

from __future__ import annotations

import re

from mayfly import errors

PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
"""The positive part of Go's duration syntax (https://pkg.go.dev/time#ParseDuration), down to milliseconds."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` stands for.

    >>> parse_duration("1m30s")
    90.0

    Raises:
        SpecError: ``text`` is not a duration.
    """
    if not re.fullmatch(PATTERN, text):
        raise errors.SpecError(f"duration {text!r}: write a number with a unit ms, s, m or h, for example 30s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def check_duration(text: str) -> str:
    """Return ``text`` if it is a duration, for pydantic; raises ``ValueError``."""
    try:
        parse_duration(text)
    except errors.SpecError as error:
        raise ValueError(str(error)) from error
    return text


def format_duration(seconds: float) -> str:
    """Return ``seconds`` in the shortest exact form.

    >>> format_duration(90.0), format_duration(0.25)
    ('90s', '250ms')
    """
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
