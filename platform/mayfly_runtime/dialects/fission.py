"""``fission``: ``main()`` without arguments, as Fission's Python environment calls it.

The request is Flask's global one where the function's dependencies hold Flask, and its module is imported inside the
application (``current_app``), as Fission does it. A function that does not look at the request needs no Flask. Source: https://fission.io/docs/usage/languages/python/.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, replies

_applications: list[Any] = []
"""The Flask application inside which the function was imported, if any."""


def prepare() -> None:
    """Enter the application in which the function's module will be imported."""
    if importlib.util.find_spec("flask") is None:
        return
    importlib.import_module("flask")
    from mayfly_runtime.dialects import plain  # noqa: PLC0415  (only for functions that bring Flask)

    _applications.append(plain.make_flask(None))
    _applications[-1].app_context().push()  # left with the context of the worker's job, which only imports


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` takes arguments.
    """
    call = dialects.make_caller(target, context, arguments=0)
    if not _applications or dialects.is_async(target):
        return FissionFunction(call, context)
    from mayfly_runtime.dialects import plain, wsgi  # noqa: PLC0415  (only for functions that bring Flask)

    application = plain.make_flask_application(lambda _: target(), target, _applications[-1])
    return wsgi.Application(application, context)


class FissionFunction(dialects.Dialect):
    """A function of nothing."""

    def __init__(self, call: Callable[..., Awaitable[Any]], context: dialects.Context) -> None:
        self._call = call
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Call the function and send what a plain one may return."""
        await call.read_body()
        await replies.send(call, replies.make_reply(await self._call()), self._workers)
