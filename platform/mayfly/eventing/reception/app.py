"""The HTTP interface: find who answers a request, and answer every error as a problem.

An ASGI application without a framework: half of what a small event costs would be the framework's. Nothing here is
public but ``/events``: the rest is for who knows the internal token, and without one of our own that is nobody.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from mayfly import errors
from mayfly.eventing import problem, tokenfile, web
from mayfly.eventing.reception import asgi, intake
from mayfly.model import handover

log = logging.getLogger(__name__)

MANAGEMENT = "/v1/"


class App:
    """Serve one process."""

    def __init__(
        self,
        *,
        token: Callable[[], str],
        events: web.Handler,
        calls: web.Handler,
        reads: web.Handler,
        management: web.Handler,
        bounds: asgi.Bounds = asgi.DEFAULT,
    ) -> None:
        """``token`` gives the internal token, read anew as often as it likes; empty: there is none."""
        self._token = token
        self._events = events
        self._handed = {handover.CALL: calls, handover.ALIAS: calls, handover.READ: reads}
        self._management = management
        self._room = asgi.Room(bounds)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served here, not {scope['type']!r}")
        head = asgi.read_head(scope)
        body = asgi.Body(self._room)
        try:
            response = await self._answer(head, body, receive)
        except asgi.HungUp:
            return
        except errors.MayflyError as error:
            response = self._describe(error, head)
        except Exception:
            log.exception("unforeseen error", extra=_describe_request(head))
            response = problem.describe_unforeseen()
        finally:
            body.forget()
        await asgi.send(response, send)

    async def _answer(self, head: web.Request, body: asgi.Body, receive: asgi.Receive) -> web.Response:
        handler = self._choose(head)
        content = await body.read(head, receive)
        return await handler(dataclasses.replace(head, body=content) if content else head)

    def _choose(self, head: web.Request) -> web.Handler:
        """Return who answers; what the gateway marked is never looked at as anything else, whatever its path."""
        word = head.header(handover.ASYNC)
        if word is not None:
            self._demand_token(head)
            if word in self._handed:
                return self._handed[word]
        elif intake.PATH.fullmatch(head.path):
            return self._events
        elif head.path.startswith(MANAGEMENT):
            self._demand_token(head)
            return self._management
        raise errors.NotFound(
            f"{head.method} {head.path[:200]}: there is nothing here; events are posted to /events/NAMESPACE"
        )

    def _demand_token(self, head: web.Request) -> None:
        if not tokenfile.admits(self._token, head.header(handover.TOKEN)):
            raise errors.Unauthorized("only Mayfly's own processes may ask this; use the gateway or the REST API")

    def _describe(self, error: errors.MayflyError, head: web.Request) -> web.Response:
        response = problem.describe(error)
        if response.status >= 500 and not error.temporary:  # noqa: PLR2004  (ours to mend)
            log.error("request failed", extra=_describe_request(head), exc_info=error)
        return response


def _describe_request(head: web.Request) -> dict[str, str]:
    request_id = head.header("x-request-id") or ""
    return {"method": head.method, "path": head.path[:200], "request_id": request_id[:128]}
