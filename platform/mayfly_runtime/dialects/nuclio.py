"""``nuclio``: ``handler(context, event)`` and ``init_context(context)``, as Nuclio's Python wrapper calls them.

Where the function imports ``nuclio_sdk``, ``context.Response`` is the library's; else one like it. Sources:
https://docs.nuclio.io/en/stable/reference/runtimes/python/python-reference.html and https://github.com/nuclio/nuclio-sdk-py.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from mayfly_runtime import calls, dialects, events, replies, requests
from mayfly_runtime.dialects import parts

_PAIR = 2


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take two arguments.
    """
    call = dialects.make_caller(target, context, arguments=2)
    begin = getattr(sys.modules.get(getattr(target, "__module__", "")), "init_context", None)
    prepare = dialects.make_caller(begin, context, arguments=1) if callable(begin) else None
    return NuclioFunction(call, prepare, context)


class Response:
    """A response with its parts, as the library's."""

    def __init__(
        self, headers: Any = None, body: Any = None, content_type: str | None = None, status_code: int = 200
    ) -> None:
        self.headers = headers or {}
        self.body = body
        self.status_code = status_code
        self.content_type = content_type or "text/plain"


class Logger:
    """``info("at %s", place)`` and ``info_with("message", name=value)``, in four levels, on Python's logging.

    ``info_with("message", "name", value)``, which older functions write, means the same.
    """

    def __init__(self) -> None:
        target = logging.getLogger("nuclio")
        for name, level in (("debug", "debug"), ("info", "info"), ("warn", "warning"), ("error", "error")):
            setattr(self, name, getattr(target, level))
            setattr(self, f"{name}_with", _make_logging(target, level.upper()))
        self.warning, self.exception = target.warning, target.exception


def _make_logging(target: logging.Logger, level: str) -> Callable[..., None]:
    number = logging.getLevelNamesMapping()[level]
    taken = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def log_with(message: Any, *arguments: Any, **fields: Any) -> None:
        if arguments and "%" not in str(message):
            fields = {str(name): value for name, value in zip(arguments[::2], arguments[1::2], strict=False)} | fields
            arguments = ()
        extra = {f"{name}_" if name in taken else name: value for name, value in fields.items()}
        target.log(number, message, *arguments, extra=extra)

    return log_with


class NuclioContext:
    """What ``init_context`` fills and every call gets."""

    def __init__(self) -> None:
        library: Any = sys.modules.get("nuclio_sdk")
        self.logger = Logger()
        self.user_data = SimpleNamespace()
        self.Response = Response if library is None else library.Response
        self.worker_id = 0
        self.trigger = SimpleNamespace(kind="http", name="http")
        self.trigger_name = "http"
        self.platform = None


class Event:
    """A request or a CloudEvent; a JSON body is parsed, as Nuclio does, and any other is bytes."""

    last_in_batch = False
    offset = 0
    shard_id = num_shards = topic = type_version = None

    def __init__(self, call: calls.Call, body: bytes) -> None:
        request = requests.Request(call.scope, body)
        self.id, self.type, self.version = call.request_id, "", ""
        self.method, self.path, self.url = request.method, request.path, request.url
        self.headers = dict(request.headers.items())
        self.fields = dict(request.args)
        self.content_type = request.content_type or ""
        self.size = len(body)
        self.timestamp = dt.datetime.now(dt.UTC)
        self.trigger = SimpleNamespace(kind="http", name="http")
        self.body: Any = body
        if events.is_event(call.scope["headers"]):
            self._read_event(call, body)
        elif body and request.mimetype == "application/json":
            self.body = requests.parse_json(body)

    def _read_event(self, call: calls.Call, body: bytes) -> None:
        attributes, self.body = events.parse_event(call.scope["headers"], body)
        self.id, self.type, self.version = attributes["id"], attributes["type"], attributes["specversion"]
        self.content_type = attributes.get("datacontenttype", "")
        if "time" in attributes:
            self.timestamp = events.parse_time(attributes["time"])

    def get_header(self, header_key: str) -> str | None:
        """Return a header by its name in any case, None without it."""
        return self.headers.get(header_key.title())


class NuclioFunction(dialects.Dialect):
    """A function of context and event."""

    def __init__(
        self,
        call: Callable[..., Awaitable[Any]],
        prepare: Callable[..., Awaitable[Any]] | None,
        context: dialects.Context,
    ) -> None:
        self._call = call
        self._prepare = prepare
        self._workers = context.workers
        self._context = NuclioContext()

    async def start(self) -> None:
        """Call ``init_context``."""
        if self._prepare is not None:
            await self._prepare(self._context)

    async def answer(self, call: calls.Call) -> None:
        """Call the function and send its response."""
        result = await self._call(self._context, Event(call, await call.read_body()))
        await replies.send(call, make_reply(result), self._workers)


def make_reply(result: Any) -> replies.Reply:
    """Return the response: ``(status, body)``, a ``Response``, or what a plain function may return."""
    if isinstance(result, tuple) and len(result) == _PAIR:
        return parts.make_reply({"statusCode": result[0], "body": result[1]})
    if not hasattr(result, "status_code") or not hasattr(result, "content_type"):
        return replies.make_reply(result)
    reply = parts.make_reply({"statusCode": result.status_code, "body": result.body, "headers": result.headers})
    if isinstance(result.body, dict | list) or any(name == b"content-type" for name, _ in _read_headers(result)):
        return reply
    kind = [(b"content-type", str(result.content_type).encode("latin-1"))]
    others = [pair for pair in reply.headers if pair[0] != b"content-type"]
    return reply._replace(headers=others + kind)


def _read_headers(result: Any) -> calls.Headers:
    return replies.make_headers(result.headers or {})
