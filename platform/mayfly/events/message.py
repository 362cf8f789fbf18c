"""An HTTP message as values: what carries events in and out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[str, str]]
"""Pairs in the order of the wire; names in any case, values as ISO 8859-1 text, the way HTTP libraries give them."""


@dataclass(frozen=True, slots=True)
class Message:
    """Headers and body of a request, without ``Content-Length`` and the like, which the client adds.

    Where there is no ``Content-Type`` the event has none, and the client must not invent one.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes


def values_of(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Return every value of the header ``name``, which is in lower case."""
    return [value for key, value in headers if key.lower() == name]
