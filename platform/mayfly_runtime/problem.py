"""Refusals and failures as problem documents (RFC 9457)."""

from __future__ import annotations

import http
import json
from typing import Any

CONTENT_TYPE = b"application/problem+json"


class Problem(Exception):
    """Answer the call with ``status`` and say why; ``extra`` members join the document."""

    def __init__(self, status: int, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.extra = extra


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


def make_body(status: int, detail: str, request_id: str, **extra: Any) -> bytes:
    """Return the problem document."""
    try:
        title = http.HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": request_id}
    return json.dumps(document | extra, ensure_ascii=False).encode("utf-8", "replace")
