"""``background``: ``f(data, context)``, Cloud Functions' first form for events.

With functions-framework, which the function then imports, its own conversion is used: it knows the events of Google's
products. Without it, a CloudEvent or a request in the legacy form is taken apart here. Source of the names:
https://cloud.google.com/functions/docs/writing/write-event-driven-functions#background-functions.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, problem, requests
from mayfly_runtime.dialects import framework

_FIELDS = {"eventId": "event_id", "timestamp": "timestamp", "eventType": "event_type", "resource": "resource"}


def prepare() -> None:
    """Watch for functions-framework, whose error handlers then hold."""
    framework.prepare()


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take two arguments.
    """
    call = dialects.make_caller(target, context, arguments=2)
    library: Any = sys.modules.get(framework.NAME)
    if library is None or dialects.is_async(target) or not hasattr(library, "_configure_app"):
        return BackgroundFunction(call)
    from mayfly_runtime.dialects import plain, wsgi  # noqa: PLC0415  (only with the library, which brings Flask)

    application = plain.make_flask(target)
    library._configure_app(application, target, "event")  # noqa: SLF001  (the library has no public way to mount one)
    return wsgi.Application(application, context)


class EventContext:
    """The second argument."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, attribute in _FIELDS.items():
            setattr(self, attribute, values.get(name, ""))

    def __repr__(self) -> str:
        return f"EventContext({vars(self)!r})"


class BackgroundFunction(dialects.Dialect):
    """A function of data and context; what it returns is dropped."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self._call = call

    async def answer(self, call: calls.Call) -> None:
        """Take the event apart and call the function; 204."""
        headers, body = call.scope["headers"], await call.read_body()
        data, context = _read_event(headers, body) if events.is_event(headers) else _read_legacy(body)
        await self._call(data, EventContext(context))
        await call.respond(204, [], b"")


def _read_event(headers: calls.Headers, body: bytes) -> tuple[Any, dict[str, Any]]:
    """Return data and context of a CloudEvent."""
    attributes, data = events.parse_event(headers, body)
    resource = "/".join(part for part in (attributes["source"], attributes.get("subject")) if part)
    return data, {
        "eventId": attributes["id"],
        "timestamp": attributes.get("time", ""),
        "eventType": attributes["type"],
        "resource": resource,
    }


def _read_legacy(body: bytes) -> tuple[Any, dict[str, Any]]:
    """Return data and context of ``{"context": {...}, "data": ...}`` or of one whose context lies flat beside data.

    Raises:
        Problem: 400, it is neither.
    """
    document = requests.parse_json(body)
    if not isinstance(document, dict) or "data" not in document:
        raise problem.Problem(400, "send a CloudEvent, or a JSON object with data and context")
    context = document.get("context")
    return document["data"], context if isinstance(context, dict) else document
