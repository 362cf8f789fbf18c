"""``cloudevent``: ``f(event)``; an event, a dict that is one, or None comes back.

Where the function imports functions-framework, a request in Google's legacy form becomes an event as the library makes
it, and a function with ``errorhandler``s runs inside Flask, where they hold.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, problem, replies, requests, sdk

log = logging.getLogger("mayfly_runtime")


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take one argument.
    """
    call, make_event = dialects.make_caller(target, context, arguments=1), sdk.choose_class(target)
    framework: Any = sys.modules.get("mayfly_runtime.dialects.framework")
    if framework is None or not framework.handlers or dialects.is_async(target):
        return EventFunction(call, make_event, context.settings.function)
    from mayfly_runtime.dialects import plain, wsgi  # noqa: PLC0415  (only for functions with error handlers)

    def run(request: Any) -> Any:
        event = read_event(plain.read_headers(request), request, make_event)
        return plain.make_answer(make_reply(target(event), context.settings.function))

    return wsgi.Application(plain.make_flask_application(run, target), context)


prepare = dialects.watch_framework


def read_event(headers: calls.Headers, request: Any, make_event: sdk.MakeEvent) -> Any:
    """Return the event in ``request``, Flask's or ours; a legacy one where functions-framework can convert it.

    Raises:
        Problem: 400 or 415, there is none.
    """
    framework: Any = sys.modules.get("mayfly_runtime.dialects.framework")
    conversion = None if framework is None or events.is_event(headers) else framework.find_conversion()
    if conversion is None:
        return make_event(*events.parse_event(headers, request.get_data()))
    try:
        return conversion.background_event_to_cloud_event(request)
    except (conversion.EventConversionException, TypeError, KeyError, AttributeError) as error:
        raise problem.Problem(400, f"the request is neither a CloudEvent nor a legacy event: {error}") from None


class EventFunction(dialects.Dialect):
    """A function of one event."""

    def __init__(self, call: Callable[..., Awaitable[Any]], make_event: sdk.MakeEvent, function: str) -> None:
        self._call = call
        self._make_event = make_event
        self._function = function
        self._converts = "functions_framework.event_conversion" in sys.modules

    async def answer(self, call: calls.Call) -> None:
        """Parse the event, call the function, send the event it returns, 204 for none."""
        headers, body = call.scope["headers"], await call.read_body()
        if self._converts:
            event = read_event(headers, requests.Request(call.scope, body), self._make_event)
        else:
            event = self._make_event(*events.parse_event(headers, body))
        result = await self._call(event)
        reply = make_reply(result, self._function)
        await call.respond(reply.status, reply.headers, reply.body)  # type: ignore[arg-type]


def make_reply(result: Any, function: str) -> replies.Reply:
    """Return the response to an event; what is not an event is not sent on, but logged.

    Raises:
        ReplyError: the function returned an event that is not valid.
    """
    parts = sdk.take_apart(result)
    if parts is not None:
        attributes, data = parts
        return events.make_reply({"source": f"/functions/{function}"} | attributes, data)
    if result is not None:
        log.warning(
            "the function returned %s, which is not an event and is dropped; return a CloudEvent, a dict with"
            " specversion, type and source, or None",
            type(result).__name__,
        )
    return replies.Reply(204, [], b"")
