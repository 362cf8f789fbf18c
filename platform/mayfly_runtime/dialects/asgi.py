"""``asgi``: an application object (ASGI 3), its lifespan included (https://asgi.readthedocs.io/en/latest/specs/)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import logging
from typing import Any

from mayfly_runtime import calls, dialects, failures

log = logging.getLogger("mayfly_runtime")


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around an application or a factory of one.

    Raises:
        HandlerError: ``target`` is not callable.
    """
    application = call_factory(target)
    if not callable(application):
        raise failures.HandlerError(f"{context.settings.handler} is {type(target).__name__}, not an ASGI application")
    return Application(application)


def call_factory(target: Any) -> Any:
    """Return what ``target`` makes if it is a function without parameters, else ``target``."""
    if not inspect.isfunction(target) or inspect.iscoroutinefunction(target):
        return target
    return target if inspect.signature(target).parameters else target()


def make_send(call: calls.Call) -> calls.Send:
    """Return a ``send`` that adds the request id and notes that the response has begun."""
    send = call.send

    async def send_with_id(message: calls.Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
            await call.start(message["status"], headers)
        else:
            await send(message)

    return send_with_id


class Application(dialects.Dialect):
    """An ASGI application."""

    websockets = False
    """Whether the function's dependencies hold a WebSocket library that the server can use."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lifespan = Lifespan(application)

    async def start(self) -> None:
        """Run the application's start-up."""
        await self._lifespan.start()
        self.websockets = any(importlib.util.find_spec(name) is not None for name in ("websockets", "wsproto"))

    async def stop(self) -> None:
        """Run the application's shutdown."""
        await self._lifespan.stop()

    async def answer(self, call: calls.Call) -> None:
        """Hand the call over; body and response stream through."""
        self._add_state(call.scope)
        await self._application(call.scope, call.receive, make_send(call))

    async def converse(self, scope: calls.Scope, receive: calls.Receive, send: calls.Send) -> None:
        """Hand a WebSocket over."""
        self._add_state(scope)
        await self._application(scope, receive, send)

    def _add_state(self, scope: calls.Scope) -> None:
        if self._lifespan.state:
            scope["state"] = self._lifespan.state.copy()


class Lifespan:
    """The lifespan protocol; an application that raises on its scope has none, which is allowed."""

    def __init__(self, application: Any) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._inbox: asyncio.Queue[calls.Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[calls.Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Send ``lifespan.startup`` and wait for the answer.

        Raises:
            LoadError: the application says that its start-up failed.
        """
        self._task = asyncio.create_task(self._run())
        answer = await self._exchange({"type": "lifespan.startup"})
        if answer is None:
            self._task = None
        elif answer["type"] == "lifespan.startup.failed":
            raise failures.LoadError(f"the application's start-up failed: {answer.get('message') or 'no reason given'}")

    async def stop(self) -> None:
        """Send ``lifespan.shutdown`` and wait for the answer."""
        if self._task is not None:
            answer = await self._exchange({"type": "lifespan.shutdown"})
            if answer is not None and answer["type"] == "lifespan.shutdown.failed":
                log.error("the application's shutdown failed: %s", answer.get("message") or "no reason given")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._application(scope, self._inbox.get, self._outbox.put)

    async def _exchange(self, message: calls.Message) -> calls.Message | None:
        """Send ``message``; return the answer, None when the application ended without one."""
        assert self._task is not None
        self._inbox.put_nowait(message)
        answer = asyncio.create_task(self._outbox.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done() or not self._outbox.empty():
            return await answer
        answer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            error = self._task.exception()
            if error is not None:
                log.debug("the application does not speak the lifespan protocol: %r", error)
        return None
