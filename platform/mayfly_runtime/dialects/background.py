"""``background``: ``f(data, context)``, Cloud Functions' first form for events.

Where the function imports functions-framework, its conversion is used for the events of Google's products and for the
legacy form, and its error handlers hold. Without it, a CloudEvent or the legacy form is taken apart here. Source of the
names: https://cloud.google.com/functions/docs/writing/write-event-driven-functions#background-functions.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, problem, requests
from mayfly_runtime.dialects import framework

_FIELDS = {"eventId": "event_id", "timestamp": "timestamp", "eventType": "event_type", "resource": "resource"}


prepare = dialects.watch_framework


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take two arguments.
    """
    call = dialects.make_caller(target, context, arguments=2)
    library: Any = sys.modules.get(framework.NAME)
    if library is None or dialects.is_async(target):
        return BackgroundFunction(call)
    from mayfly_runtime.dialects import plain, wsgi  # noqa: PLC0415  (only with the library, which brings Flask)

    def run(request: Any) -> Any:
        target(*_convert(library, plain.read_headers(request), request))
        return "OK"

    return wsgi.Application(plain.make_flask_application(run, target), context)


def _convert(library: Any, headers: calls.Headers, request: Any) -> tuple[Any, Any]:
    """Return data and context as the library makes them: of the events it knows, and of requests that are no events.

    Raises:
        Problem: 400, the request is neither.
    """
    conversion = framework.find_conversion()
    try:
        if conversion.is_convertable_cloud_event(request):
            data, context = conversion.cloud_event_to_background_event(request)
            return data, context
        if events.is_event(headers):
            data, described = _read_event(headers, request.get_data())
            return data, library.Context(**described)
        event = library.BackgroundEvent(**conversion.marshal_background_event_data(request))
        return event.data, library.Context(**event.context)
    except (conversion.EventConversionException, TypeError, KeyError, AttributeError) as error:
        raise problem.Problem(400, f"the request is neither a CloudEvent nor a legacy event: {error}") from None


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
