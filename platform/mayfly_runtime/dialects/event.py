"""``cloudevent``: ``f(event)``; an event, a dict that is one, or None comes back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, replies, sdk

log = logging.getLogger("mayfly_runtime")


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take one argument.
    """
    return EventFunction(
        dialects.make_caller(target, context, arguments=1), sdk.choose_class(target), context.settings.function
    )


class EventFunction(dialects.Dialect):
    """A function of one event."""

    def __init__(self, call: Callable[..., Awaitable[Any]], make_event: sdk.MakeEvent, function: str) -> None:
        self._call = call
        self._make_event = make_event
        self._function = function

    async def answer(self, call: calls.Call) -> None:
        """Parse the event, call the function, send the event it returns, 204 for none."""
        attributes, data = events.parse_event(call.scope["headers"], await call.read_body())
        result = await self._call(self._make_event(attributes, data))
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
