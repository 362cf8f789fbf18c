"""``http``: ``f(request)``, sync or async, plain or in the style of Cloud Functions.

Three kinds of request object. A synchronous function that imports Flask (functions-framework does) gets Flask's own,
inside a Flask application context, and ``functions_framework.errorhandler`` holds there. An async one that is annotated
with Starlette's, or uses functions-framework's ``aio``, gets Starlette's. All others get
``requests.Request``, which answers to the usual part of Flask's names.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, replies, requests
from mayfly_runtime.dialects import wsgi

prepare = dialects.watch_framework


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the kind of http dialect that fits ``target``."""
    call = dialects.make_caller(target, context, arguments=1)
    if _wants_starlette(target):
        return StarletteFunction(call, context)
    if "flask" in sys.modules and not dialects.is_async(target):
        return wsgi.Application(make_flask_application(target, target), context)
    return Function(call, context)


def _wants_starlette(target: Callable[..., Any]) -> bool:
    starlette: Any = sys.modules.get("starlette.requests")
    if starlette is None:
        return False
    if not dialects.is_async(target):
        framework: Any = sys.modules.get("mayfly_runtime.dialects.framework")
        return framework is not None and framework.is_aio(target)
    annotated = dialects.find_annotation(target)
    return "functions_framework.aio" in sys.modules or (
        annotated is not None and issubclass(annotated, starlette.Request)
    )


class Function(dialects.Dialect):
    """Call with our own request object."""

    def __init__(self, call: Callable[..., Awaitable[Any]], context: dialects.Context) -> None:
        self._call = call
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Read the body, call the function, send what it returns."""
        request = requests.Request(call.scope, await call.read_body(), call.request_id)
        result = await self._call(request)
        await replies.send(call, replies.make_reply(result), self._workers)


class StarletteFunction(dialects.Dialect):
    """Call with Starlette's request object; its responses send themselves."""

    def __init__(self, call: Callable[..., Awaitable[Any]], context: dialects.Context) -> None:
        self._call = call
        self._workers = context.workers
        self._request_class = sys.modules["starlette.requests"].Request
        self._response_class = sys.modules["starlette.responses"].Response

    async def answer(self, call: calls.Call) -> None:
        """Call the function; a Starlette response is an ASGI application of its own."""
        from mayfly_runtime.dialects import asgi  # noqa: PLC0415  (only this kind of function needs it)

        result = await self._call(self._request_class(call.scope, call.receive))
        if isinstance(result, self._response_class):
            await result(call.scope, call.receive, asgi.make_send(call))
        else:
            await replies.send(call, replies.make_reply(result), self._workers)


def make_flask(target: Any) -> Any:
    """Return a Flask application without routes that leaves exceptions to us, but for those the function handles."""
    flask: Any = sys.modules["flask"]
    application = flask.Flask(getattr(target, "__module__", None) or "function", static_folder=None)
    application.config["PROPAGATE_EXCEPTIONS"] = True
    application.url_map.strict_slashes = False
    application.url_map.merge_slashes = False
    framework: Any = sys.modules.get("mayfly_runtime.dialects.framework")
    for kind, handler in framework.handlers if framework else ():
        application.register_error_handler(kind, handler)
        if kind == 500:  # noqa: PLR2004  (Flask calls it only for exceptions that it does not propagate)
            application.config["PROPAGATE_EXCEPTIONS"] = False
    return application


def make_flask_application(
    function: Callable[[Any], Any], target: Any, application: Any | None = None
) -> Callable[..., Any]:
    """Return a Flask application whose every path is ``function`` of Flask's request.

    Flask interprets the result and its own ``abort``; ``target`` is the user's function behind it. The application is
    a new one unless there is one already.
    """
    flask: Any = sys.modules["flask"]
    application = application or make_flask(target)

    def view(path: str = "") -> Any:  # noqa: ARG001
        result = function(flask.request)
        return ("", 204) if result is None else result

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    for rule in ("/", "/<path:path>"):
        application.add_url_rule(rule, "function", view, methods=methods, provide_automatic_options=False)
    return application  # type: ignore[no-any-return]


def read_headers(request: Any) -> calls.Headers:
    """Return the raw headers of Flask's request, as the server had them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]


def make_answer(reply: replies.Reply) -> tuple[Any, int, list[tuple[str, str]]]:
    """Return ``reply`` as Flask takes it from a view."""
    return (
        reply.body,
        reply.status,
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers],
    )
