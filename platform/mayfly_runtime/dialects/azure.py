"""``azure``: a FunctionApp with its functions (model v2), or ``main(req)`` beside a function.json (model v1).

The library ``azure.functions`` is the function's own. HTTP functions are served at their routes below host.json's
``routePrefix`` (default ``api``); timers run on ``POST /admin/functions/NAME``, as Azure's hosts let operators do,
and on a tick of a schedule that has their name. What needs another binding of Azure's is left out and named in the
log. Source: https://learn.microsoft.com/azure/azure-functions/functions-reference-python.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from mayfly_runtime import calls, dialects, failures, problem, replies, requests, settings, workers
from mayfly_runtime.dialects import asgi, azure_routes, parts

log = logging.getLogger("mayfly_runtime")

_LIBRARY = "azure.functions"
_ADMIN = "/admin/functions/"
_TICK = b"dev.mayfly.schedule"
"""Type of the events that spec.triggers[].schedule makes; their subject is the trigger's name."""
_HTTP = frozenset({"httpTrigger", "http"})


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around an app, or around a function of model v1.

    Raises:
        HandlerError: the library is not there, or nothing in the app can be served here.
    """
    if _LIBRARY not in sys.modules:
        raise failures.HandlerError(
            f"{context.settings.handler} does not import azure.functions, as this signature needs"
        )
    if not hasattr(target, "get_functions"):
        return AzureApp([_make_v1(target, context)], context)
    inner = getattr(getattr(target, "middleware", None), "_app", None)
    if inner is not None:  # AsgiFunctionApp: its application streams and has a lifespan, the library's wrapper has not
        return asgi.Application(inner)
    return AzureApp(_make_functions(target, context), context)


class Function:
    """One function of an app: how it is called, and when."""

    def __init__(self, name: str, target: Callable[..., Any], trigger: str, context: dialects.Context) -> None:
        self.name = name
        self.trigger = trigger
        """Name of the parameter that gets the request or the timer."""
        self.parameters = tuple(inspect.signature(target).parameters)
        self.call = dialects.make_caller(target, context, arguments=len(self.parameters))
        self.route: azure_routes.Route | None = None
        self.methods: frozenset[str] | None = None
        self.everywhere = False

    async def run(self, value: Any, context: AzureContext) -> Any:
        """Call the function with what its parameters ask for."""
        known = {self.trigger: value, "context": context}
        return await self.call(*(known[name] for name in self.parameters))


class AzureContext:
    """What a parameter called ``context`` gets."""

    thread_local_storage = threading.local()
    retry_context = None

    def __init__(self, call: calls.Call, name: str, directory: str) -> None:
        self.invocation_id = call.request_id
        self.function_name = name
        self.function_directory = directory
        self.trace_context = TraceContext(call)


class TraceContext:
    """The trace headers of the request."""

    def __init__(self, call: calls.Call) -> None:
        self.trace_parent = (call.traceparent or b"").decode("latin-1")
        self.trace_state = (call.header(b"tracestate") or b"").decode("latin-1")
        self.attributes: dict[str, str] = {}


def _make_functions(app: Any, context: dialects.Context) -> list[Function]:
    prefix = read_prefix(context.settings.code_dir)
    made: list[Function] = []
    left_out: list[Any] = []
    for described in app.get_functions():
        function = _make_v2(described, prefix, context)
        if function is None:
            left_out.append(described)
        else:
            made.append(function)
    names = [f"{one.get_function_name()} ({', '.join(_binding_types(one))})" for one in left_out]
    if not made:
        what = f"none of its functions can be served here: {', '.join(names)}" if names else "it has no functions"
        raise failures.HandlerError(f"{context.settings.handler}: {what}. HTTP and timer triggers are served.")
    if names:
        log.warning("not served, for want of Azure's bindings: %s", ", ".join(names))
    return made


def _binding_types(described: Any) -> list[str]:
    return [str(binding.type) for binding in described.get_bindings()]


def _make_v2(described: Any, prefix: str, context: dialects.Context) -> Function | None:
    """Return what the app says of one function; None when it has a binding that is not served here."""
    trigger, kinds = described.get_trigger(), set(_binding_types(described))
    if not (kinds <= _HTTP or kinds == {"timerTrigger"}):
        return None
    function = Function(described.get_function_name(), described.get_user_function(), trigger.name, context)
    if kinds != {"timerTrigger"}:
        route = described.get_function_name() if trigger.route is None else trigger.route
        function.route = azure_routes.compile_route(route, prefix)
        function.methods = _read_methods(str(getattr(one, "value", one)) for one in trigger.methods or ())
    return function


def _make_v1(target: Any, context: dialects.Context) -> Function:
    """Return the function of a folder with function.json; it answers at every path, whatever its route."""
    module = sys.modules[target.__module__]
    folder = os.path.dirname(module.__file__ or "")  # noqa: PTH120  (pathlib is not loaded for this)
    bindings = _read_json(f"{folder}/function.json").get("bindings", [])
    trigger: dict[str, Any] = next((one for one in bindings if str(one.get("type", "")).lower() == "httptrigger"), {})
    first = next(iter(inspect.signature(target).parameters), "req")
    function = Function(os.path.basename(folder), target, trigger.get("name", first), context)  # noqa: PTH119
    unknown = [name for name in function.parameters if name not in {function.trigger, "context"}]
    if unknown:
        raise failures.HandlerError(
            f"{context.settings.handler}: the parameters {', '.join(unknown)} are bindings of Azure's, which are not"
            " served here; HTTP triggers are."
        )
    function.route = azure_routes.compile_route(
        trigger.get("route") or function.name, read_prefix(context.settings.code_dir)
    )
    function.methods = _read_methods(trigger.get("methods") or ())
    function.everywhere = True
    return function


def _fold(name: str) -> str:
    """Return a name as triggers and functions both can have it: ``send-mail`` is ``SendMail`` and ``send_mail``."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _read_methods(stated: Iterable[str]) -> frozenset[str] | None:
    """Return the methods in upper case; None, which is all of them, where none is stated."""
    return frozenset(method.upper() for method in stated) or None


def read_prefix(code_dir: str) -> str:
    """Return ``extensions.http.routePrefix`` of host.json, ``api`` without one."""
    extensions = _read_json(f"{code_dir}/host.json").get("extensions") or {}
    prefix = (extensions.get("http") or {}).get("routePrefix")
    return "api" if prefix is None else str(prefix)


def _read_json(path: str) -> dict[str, Any]:
    """Return the object in the file ``path``, empty where there is none.

    Raises:
        LoadError: the file is no JSON object.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123
            document = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise failures.LoadError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise failures.LoadError(f"{path} holds {type(document).__name__}; it must be a JSON object")
    return document


class AzureApp(dialects.Dialect):
    """The functions of an app, by their routes."""

    def __init__(self, functions: list[Function], context: dialects.Context) -> None:
        self._routed = [(one.route, one) for one in functions if one.route is not None]
        self._routed.sort(key=lambda pair: pair[0].weight)
        self._timers = {one.name: one for one in functions if one.route is None}
        self._workers: workers.Workers = context.workers
        self._settings: settings.Settings = context.settings
        self._library: Any = sys.modules[_LIBRARY]

    async def answer(self, call: calls.Call) -> None:
        """Find the function, call it, send its response."""
        timer = self._find_timer(call)
        if timer is not None:
            await call.read_body()
            await self._run(call, timer, self._library.timer.TimerRequest())
            await call.respond(202, [], b"")
            return
        function, parameters = self._find(call.scope["path"], call.scope["method"])
        request = requests.Request(call.scope, await call.read_body(), call.request_id)
        result = await self._run(call, function, self._make_request(request, parameters))
        await replies.send(call, make_reply(result), self._workers)

    def _find_timer(self, call: calls.Call) -> Function | None:
        """Return the timer that a POST to its name means, or a tick of the schedule that is called like it."""
        if call.scope["method"] != "POST":
            return None
        if call.scope["path"].startswith(_ADMIN):
            return self._timers.get(call.scope["path"].removeprefix(_ADMIN))
        if call.header(b"ce-type") != _TICK:
            return None
        wanted = _fold((call.header(b"ce-subject") or b"").decode("latin-1"))
        return next((timer for name, timer in self._timers.items() if _fold(name) == wanted), None)

    async def _run(self, call: calls.Call, function: Function, value: Any) -> Any:
        directory = os.path.join(self._settings.code_dir, function.name)  # noqa: PTH118
        return await function.run(value, AzureContext(call, function.name, directory))

    def _find(self, path: str, method: str) -> tuple[Function, dict[str, str]]:
        """Return the function for a request and the parameters in its path.

        Raises:
            Problem: 404, no route matches; 405, none of those that match takes the method.
        """
        allowed: set[str] = set()
        for route, function in self._routed:
            parameters = route.match(path)
            if parameters is None and not function.everywhere:
                continue
            if function.methods is None or method in function.methods:
                return function, parameters or {}
            allowed |= function.methods
        if allowed:
            raise problem.Problem(405, f"{method} is not among the methods of this route: {', '.join(sorted(allowed))}")
        raise problem.Problem(404, f"no function of the app has a route for {path}")

    def _make_request(self, request: requests.Request, parameters: dict[str, str]) -> Any:
        return self._library.HttpRequest(
            request.method,
            request.url,
            headers=dict(request.headers.items()),
            params=dict(request.args),
            route_params=parameters,
            body=request.data,
        )


def make_reply(result: Any) -> replies.Reply:
    """Return the response: an ``HttpResponse`` with its MIME type, else as of a plain function."""
    if not hasattr(result, "get_body"):
        return replies.make_reply(result)
    kind = result.mimetype + (f"; charset={result.charset}" if result.mimetype.startswith("text/") else "")
    given = replies.make_headers(list(result.headers.items()))
    body = result.get_body()
    defaults = [(b"content-type", kind.encode("latin-1"))] if body else []
    return replies.Reply(replies.read_status(result.status_code), parts.merge(defaults, given), body)
