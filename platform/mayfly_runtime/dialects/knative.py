"""``knative``: functions as knative/func lays them out (https://github.com/knative/func/tree/main/templates/python).

Two generations. Now: ``new()`` that returns an object, a class, or a module's own function, with
``handle(scope, receive, send)`` as in ASGI; a CloudEvent is in ``scope["event"]``, and ``send`` takes one. The object's
``start(cfg)``, ``stop()``, ``alive()`` and ``ready()`` are called where it has them. Before: ``main(context)``, whose
context holds Flask's request (ours where the function does without Flask) and the event.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mayfly_runtime import calls, dialects, events, failures, replies, requests, sdk
from mayfly_runtime.dialects import asgi

log = logging.getLogger("mayfly_runtime")

_PROBES = {"/health/liveness": "alive", "/health/readiness": "ready"}
"""Where knative/func serves the probes."""
_PROBE_SECONDS = 5.0
"""How long a hook may take over a probe, which has no deadline of its own."""


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around a ``main(context)``, a ``handle``, or what makes an object with one.

    Raises:
        HandlerError: ``target`` is none of these.
    """
    if inspect.isfunction(target) and len(inspect.signature(target).parameters) == 1:
        return _make_main(target, context)
    made = target() if inspect.isclass(target) else asgi.call_factory(target)
    handle = getattr(made, "handle", made)
    if not callable(handle):
        raise failures.HandlerError(
            f"{context.settings.handler} gives {type(made).__name__}, which has no handle(scope, receive, send)"
        )
    if not dialects.is_async(handle):
        raise failures.HandlerError(f"{context.settings.handler}: handle(scope, receive, send) must be async")
    return KnativeFunction(made, dialects.make_caller(handle, context, arguments=3), context)


class KnativeFunction(dialects.Dialect):
    """An object with ``handle``, or the function itself."""

    def __init__(self, made: Any, handle: Callable[..., Any], context: dialects.Context) -> None:
        self._made = made
        self._handle = handle
        self._context = context
        self._make_event = sdk.choose_class(getattr(made, "handle", made))

    async def start(self) -> None:
        """Call ``start`` with the environment."""
        await self._call_hook("start", dict(os.environ))

    async def stop(self) -> None:
        """Call ``stop``."""
        await self._call_hook("stop")

    async def check(self, probe: str) -> bool:
        """Tell what ``alive`` or ``ready`` says."""
        return (await self._ask(probe))[0]

    async def answer(self, call: calls.Call) -> None:
        """Call ``handle``; an event that it does not answer is 204."""
        scope = call.scope
        if scope["path"] in _PROBES:
            well, message = await self._ask(_PROBES[scope["path"]])
            await call.respond(200 if well else 503, [(b"content-type", replies.TEXT)], message.encode())
            return
        receive = call.receive
        of_event = events.is_event(scope["headers"])
        if of_event:
            body = await call.read_body()
            scope["event"] = self._make_event(*events.parse_event(scope["headers"], body))
            receive = _replay(body, call)
        await self._handle(scope, receive, Sender(call, self._context.settings.function))
        if of_event and not call.started:
            await call.respond(204, [], b"")

    async def _call_hook(self, name: str, *arguments: Any) -> Any:
        hook = getattr(self._made, name, None)
        if hook is None or not callable(hook):
            return None
        return await dialects.make_caller(hook, self._context, arguments=len(arguments))(*arguments)

    async def _ask(self, probe: str) -> tuple[bool, str]:
        """Return what the hook says, a boolean alone or with a message; one that raises or hangs says no."""
        try:
            said = await asyncio.wait_for(self._call_hook(probe), _PROBE_SECONDS)
        except Exception:
            log.exception("%s() failed", probe)
            return False, f"{probe}() failed\n"
        well, message = said if isinstance(said, tuple) else (said is None or bool(said), None)
        return bool(well), f"{message or ('OK' if well else 'not ' + probe)}\n"


def _replay(body: bytes, call: calls.Call) -> calls.Receive:
    """Return a ``receive`` that gives the body that has been read, then what comes after it."""
    pending: list[calls.Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> calls.Message:
        return pending.pop() if pending else await call.receive()

    return receive


class Sender:
    """``send``: of an ASGI message as it is, of an event in structured mode, or as the method says."""

    def __init__(self, call: calls.Call, function: str) -> None:
        self._call = call
        self._function = function
        self._send = asgi.make_send(call)

    async def __call__(self, message: Any) -> None:
        """Send an ASGI message, or an event in structured mode."""
        if isinstance(message, dict) and str(message.get("type", "")).startswith("http."):
            await self._send(message)
        else:
            await self.structured(message)

    async def structured(self, event: Any) -> None:
        """Send an event as one JSON document (CloudEvents HTTP binding, section 3.2)."""
        reply = self._make_reply(event)
        attributes, data = self._take_apart(event)
        document: dict[str, Any] = {
            name[3:].decode(): value.decode() for name, value in reply.headers if name.startswith(b"ce-")
        }
        document |= {name: events.write_value(value) for name, value in attributes.items() if value is not None}
        if isinstance(data, bytes | bytearray | memoryview):
            document["data_base64"] = base64.b64encode(data).decode()
        elif data is not None:
            document["data"] = data
        kind = b"application/cloudevents+json; charset=utf-8"
        await self._call.respond(200, [(b"content-type", kind)], replies.encode_json(document))

    async def binary(self, event: Any) -> None:
        """Send an event with its attributes as headers (section 3.1)."""
        reply = self._make_reply(event)
        await self._call.respond(reply.status, reply.headers, reply.body)  # type: ignore[arg-type]

    def _make_reply(self, event: Any) -> replies.Reply:
        attributes, data = self._take_apart(event)
        return events.make_reply(attributes, data)

    def _take_apart(self, event: Any) -> tuple[dict[str, Any], Any]:
        parts = sdk.take_apart(event)
        if parts is None:
            raise replies.ReplyError(f"send() got {type(event).__name__}; it takes an ASGI message or a CloudEvent")
        return {"source": f"/functions/{self._function}"} | parts[0], parts[1]


class Context(Mapping[str, Any]):
    """What ``main`` gets: ``request`` and ``cloud_event``, as attributes or as keys."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.cloud_event: Any = None

    def __getitem__(self, name: str) -> Any:
        if name in set(self):
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in ("request", "cloud_event") if getattr(self, name) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _make_main(target: Callable[[Any], Any], context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``main(context)``: inside Flask where the function imports it."""
    make_event = sdk.choose_class(lambda _: None)
    if "flask" not in sys.modules or dialects.is_async(target):
        return MainFunction(target, make_event, context)
    from mayfly_runtime.dialects import plain, wsgi  # noqa: PLC0415  (only for functions that bring Flask)

    library: Any = sys.modules.get("parliament")
    context_class = Context if library is None else library.Context

    def run(request: Any) -> Any:
        made = context_class(request._get_current_object())  # noqa: SLF001  (werkzeug's documented way to the object)
        raw = plain.read_headers(request)
        if events.is_event(raw):
            made.cloud_event = make_event(*events.parse_event(raw, request.get_data()))
        reply = _make_event_reply(target(made), context.settings.function)
        return plain.make_answer(reply) if isinstance(reply, replies.Reply) else reply

    return wsgi.Application(plain.make_flask_application(run, target), context)


def _make_event_reply(result: Any, function: str) -> Any:
    """Return the response to a result that is an event object; any other result as it is."""
    parts = None if isinstance(result, dict) else sdk.take_apart(result)
    return result if parts is None else events.make_reply({"source": f"/functions/{function}"} | parts[0], parts[1])


class MainFunction(dialects.Dialect):
    """``main(context)`` without Flask."""

    def __init__(self, target: Any, make_event: sdk.MakeEvent, context: dialects.Context) -> None:
        self._call = dialects.make_caller(target, context, arguments=1)
        self._make_event = make_event
        self._context = context

    async def answer(self, call: calls.Call) -> None:
        """Make the context, call the function, send an event or what a plain function may return."""
        body, headers = await call.read_body(), call.scope["headers"]
        made = Context(requests.Request(call.scope, body, call.request_id))
        if events.is_event(headers):
            made.cloud_event = self._make_event(*events.parse_event(headers, body))
        result = _make_event_reply(await self._call(made), self._context.settings.function)
        reply = result if isinstance(result, replies.Reply) else replies.make_reply(result)
        await replies.send(call, reply, self._context.workers)
