"""Watch every call: an id in the answer and in the log, one log line, counters."""

from __future__ import annotations

import dataclasses
import logging
import re
import time
import uuid
from typing import Any

import prometheus_client
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mayfly.api import access

log = logging.getLogger(__name__)

HEADER = "X-Request-Id"
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that are asked all the time and say nothing in the log."""
_FORM = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HUNG_UP = 499
"""What a call is counted as whose caller left before the answer began (nginx's number for it)."""

REGISTRY = prometheus_client.CollectorRegistry()
CALLS = prometheus_client.Counter(
    "mayfly_api_calls", "Calls answered.", ["route", "method", "status"], registry=REGISTRY
)
SECONDS = prometheus_client.Histogram(
    "mayfly_api_call_seconds", "Seconds until the answer's last byte.", ["route", "method"], registry=REGISTRY
)
prometheus_client.ProcessCollector(registry=REGISTRY)


@dataclasses.dataclass
class _Call:
    """What is known of one call so far."""

    request_id: str
    began: float
    status: int = _HUNG_UP
    complete: bool = False

    def see(self, message: Message) -> None:
        """Take note of a message of the answer, and put the id into its headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)


class Observed:
    """Serve an application and watch each call; outermost, so that it sees errors nobody foresaw too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call. An answer that broke off is raised on, so that the server cuts the connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        call = _Call(given if _FORM.fullmatch(given) else uuid.uuid4().hex, time.monotonic())

        async def pass_on(message: Message) -> None:
            call.see(message)
            await send(message)

        try:
            await self._app(scope, receive, pass_on)
        except Exception:
            log.exception("unforeseen error", extra={"path": scope["path"], "request_id": call.request_id})
            if not call.complete:
                raise
        finally:
            _record(scope, call)


def _record(scope: Scope, call: _Call) -> None:
    seconds = time.monotonic() - call.began
    route: Any = scope.get("route")
    path = getattr(route, "path", "none")
    CALLS.labels(path, scope["method"], call.status).inc()
    SECONDS.labels(path, scope["method"]).observe(seconds)
    if scope["path"] not in QUIET:
        caller = {"caller": scope[access.CALLER]} if access.CALLER in scope else {}
        extra = {**caller, "method": scope["method"], "path": scope["path"], "status": call.status}
        log.info("call", extra={**extra, "seconds": round(seconds, 4), "request_id": call.request_id})
