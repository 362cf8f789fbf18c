"""``openfaas``: ``handle(event, context)`` of the python3-http templates, and the classic ``handle(req)``.

Source: https://docs.openfaas.com/languages/python/. The event's body is bytes; ``req`` is the body as text, or bytes
where it is none. ``None`` is an empty 200.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

from mayfly_runtime import calls, dialects, replies, requests
from mayfly_runtime.dialects import parts

_BOTH = 2


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` takes neither one nor two arguments.
    """
    count = 1 if _takes(target, 1) else _BOTH
    return OpenFaasFunction(dialects.make_caller(target, context, arguments=count), count, context)


def _takes(target: Any, count: int) -> bool:
    try:
        inspect.signature(target).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


class Event:
    """The first argument: the request, its body read whole."""

    def __init__(self, request: requests.Request) -> None:
        self.body = request.data
        self.headers = request.headers
        self.method = request.method
        self.query = request.args
        self.path = request.path


class EventContext:
    """The second argument."""

    def __init__(self) -> None:
        self.hostname = os.environ.get("HOSTNAME", "localhost")


class OpenFaasFunction(dialects.Dialect):
    """A function of event and context, or of the body."""

    def __init__(self, call: Any, count: int, context: dialects.Context) -> None:
        self._call = call
        self._count = count
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Call the function and send the response dict, or what a plain function may return."""
        request = requests.Request(call.scope, await call.read_body(), call.request_id)
        arguments = (_decode(request.data),) if self._count == 1 else (Event(request), EventContext())
        result = await self._call(*arguments)
        await replies.send(call, _make_reply(result), self._workers)


def _decode(body: bytes) -> str | bytes:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body


def _make_reply(result: Any) -> replies.Reply:
    if result is None:
        return replies.Reply(200, [], b"")
    return parts.make_reply(result) if parts.is_response(result) else replies.make_reply(result)
