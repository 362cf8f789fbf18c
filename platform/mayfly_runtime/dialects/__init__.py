"""The calling conventions a function may be written in, behind one interface."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from mayfly_runtime import calls, failures, settings, workers

_MODULES = {
    "http": "plain",
    "cloudevent": "event",
    "lambda": "aws",
    "asgi": "asgi",
    "wsgi": "wsgi",
    "typed": "typed",
    "background": "background",
    "knative": "knative",
    "openfaas": "openfaas",
    "azure": "azure",
    "fission": "fission",
    "nuclio": "nuclio",
    "openwhisk": "openwhisk",
}
"""Dialect -> the module here that speaks it; only the one in use is imported.

Each has ``make(target, context)``, and ``prepare()`` where something must be done before the function is imported.
"""


class Context(NamedTuple):
    """What every dialect is given."""

    settings: settings.Settings
    workers: workers.Workers


class Dialect:
    """One calling convention around one target."""

    async def start(self) -> None:
        """Do what must succeed before the first call.

        Raises:
            LoadError: the function cannot serve.
        """

    async def answer(self, call: calls.Call) -> None:
        """Answer ``call``."""
        raise NotImplementedError

    async def check(self, probe: str) -> bool:  # noqa: ARG002
        """Tell what the function says of itself to ``probe``, which is ``alive`` or ``ready``."""
        return True

    async def stop(self) -> None:
        """Do what comes after the last call."""


def make(signature: str, target: Any, context: Context) -> Dialect:
    """Return the dialect called ``signature`` around ``target``.

    Raises:
        HandlerError: there is no such dialect, or ``target`` does not fit it.
    """
    return _import(signature).make(target, context)  # type: ignore[no-any-return]


def prepare(signature: str) -> None:
    """Do what the dialect needs done before the function's module is imported.

    Raises:
        HandlerError: there is no such dialect.
    """
    module = _import(signature)
    if hasattr(module, "prepare"):
        module.prepare()


def watch_framework() -> None:
    """Watch for the function's import of functions-framework, where its dependencies hold it."""
    if importlib.util.find_spec("functions_framework") is not None:
        from mayfly_runtime.dialects import framework  # noqa: PLC0415  (few functions have it)

        framework.watch()


def _import(signature: str) -> Any:
    if signature not in _MODULES:
        raise failures.HandlerError(f"MAYFLY_SIGNATURE={signature!r} must be one of {', '.join(_MODULES)}")
    return importlib.import_module(f"mayfly_runtime.dialects.{_MODULES[signature]}")


def make_caller(handler: Callable[..., Any], context: Context, *, arguments: int) -> Callable[..., Awaitable[Any]]:
    """Return an async function that calls ``handler``: on the loop when it is async, else in a worker.

    Raises:
        HandlerError: ``handler`` does not take this number of arguments.
    """
    _check_arguments(handler, context.settings, arguments)
    if is_async(handler):
        return handler
    if inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler):
        return _call_generator(handler)
    return _call_in_worker(handler, context.workers)


def is_async(handler: Callable[..., Any]) -> bool:
    """Tell whether calling ``handler`` gives a coroutine."""
    method = getattr(type(handler), "__call__", None)  # noqa: B004  (its kind is asked, not whether it is there)
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(method)


def _call_generator(handler: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any) -> Any:
        return handler(*arguments)  # runs none of the user's code yet

    return call


def _call_in_worker(handler: Callable[..., Any], threads: workers.Workers) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any) -> Any:
        result = await threads.run(handler, *arguments)
        return await result if inspect.isawaitable(result) else result

    return call


def _check_arguments(handler: Callable[..., Any], given: settings.Settings, arguments: int) -> None:
    try:
        signature = inspect.signature(handler)
    except (ValueError, TypeError):
        return  # written in C: only calling it can tell
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        raise failures.HandlerError(
            f"{given.handler} takes {signature}, but signature {given.signature!r} calls it with {arguments}"
            f" argument{'' if arguments == 1 else 's'}. Change the function or spec.signature."
        ) from None


def find_annotation(handler: Callable[..., Any]) -> type | None:
    """Return the class that the handler's first parameter is annotated with, None without one."""
    target = inspect.unwrap(handler)
    try:
        hints = typing.get_type_hints(target)
        first = next(iter(inspect.signature(target).parameters), None)
    except Exception:  # noqa: BLE001  (an annotation may name what exists only for the type checker)
        return None
    hint = hints.get(first or "")
    return hint if isinstance(hint, type) else None
