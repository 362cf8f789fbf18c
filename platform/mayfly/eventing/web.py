"""Requests and answers of this door as values; ``app`` reads and writes them, handlers turn one into the other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly.store import records


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read to its end."""

    method: str
    path: str
    """As it was sent (percent-encoded), without the query."""
    query: str = ""
    """What stands behind ``?``."""
    headers: records.Headers = ()
    """Names in lower case, in the order they came; values as ISO 8859-1 text."""
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the first value of the header ``name`` (in lower case), ``None`` when it was not sent."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """One answer; ``Content-Length`` is added when it is sent."""

    status: int
    headers: records.Headers = ()
    body: bytes = b""


Handler = Callable[[Request], Awaitable[Response]]
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def make_json(document: Any, *, status: int = 200, headers: records.Headers = ()) -> Response:
    """Return the answer that carries ``document``; nobody on the way may keep it."""
    body = _write(document).encode()
    return Response(status, (("content-type", "application/json"), ("cache-control", "no-store"), *headers), body)
