"""The header ``Prefer``: https://www.rfc-editor.org/rfc/rfc7240. Pure."""

from __future__ import annotations

import re

from mayfly.store import records

HEADER = "prefer"
RESPOND_ASYNC = "respond-async"
OURS = frozenset({RESPOND_ASYNC, "wait"})
"""Preferences that an asynchronous call settles (sections 4.1 and 4.3); the function sees the others."""
_ITEM = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"|")++')
"""One preference with its parameters; a comma in double quotes does not end it."""


def asks_for_later(headers: records.Headers) -> bool:
    """Tell whether a caller prefers an answer before the work is done."""
    return any(
        _name(item) == RESPOND_ASYNC for name, value in headers if name == HEADER for item in _ITEM.findall(value)
    )


def strip_ours(value: str) -> str:
    """Return a header's ``value`` without what an asynchronous call settles, empty when nothing is left.

    >>> strip_ours('respond-async, wait=10, return=minimal; x="a,b"')
    'return=minimal; x="a,b"'
    """
    items = (item.strip() for item in _ITEM.findall(value))
    return ", ".join(item for item in items if item and _name(item) not in OURS)


def _name(item: str) -> str:
    return re.split("[=;]", item, maxsplit=1)[0].strip().lower()
