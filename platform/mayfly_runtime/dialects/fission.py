"""``fission``: ``main()`` without arguments, as Fission's Python environment calls it.

The request is Flask's global one where the function imports Flask; a function that does not need the request needs no
Flask either. Source: https://fission.io/docs/usage/languages/python/.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, replies


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` takes arguments.
    """
    call = dialects.make_caller(target, context, arguments=0)
    if "flask" not in sys.modules or dialects.is_async(target):
        return FissionFunction(call, context)
    from mayfly_runtime.dialects import plain, wsgi  # noqa: PLC0415  (only for functions that bring Flask)

    return wsgi.Application(plain.make_flask_application(lambda _: target(), target), context)


class FissionFunction(dialects.Dialect):
    """A function of nothing."""

    def __init__(self, call: Callable[..., Awaitable[Any]], context: dialects.Context) -> None:
        self._call = call
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Call the function and send what a plain one may return."""
        await call.read_body()
        await replies.send(call, replies.make_reply(await self._call()), self._workers)
