"""What functions-framework knows about a function, once the function has imported it.

Its own server sets ``functions_framework.errorhandler`` before it runs the function's module; here a recorder takes
that place, so that the handlers can be given to the Flask application that serves the function.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

NAME = "functions_framework"

handlers: list[tuple[Any, Callable[..., Any]]] = []
"""(exception class or status, function) of every ``@functions_framework.errorhandler``."""


def record_handler(kind: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Stand in for Flask's ``errorhandler``."""

    def record(function: Callable[..., Any]) -> Callable[..., Any]:
        handlers.append((kind, function))
        return function

    return record


class _Finder:
    """Lets functions-framework be found as ever, and sets its ``errorhandler`` when it has been imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002  (importlib's interface)
        """Return the module's own spec for functions-framework, None for all else."""
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            run = loader.exec_module

            def run_and_set(module: Any) -> None:
                run(module)
                module.errorhandler = record_handler

            loader.exec_module = run_and_set
        return spec


def watch() -> None:
    """Watch for the function's import of functions-framework."""
    sys.meta_path.insert(0, _Finder())


def find_conversion() -> Any:
    """Return the library's conversion of legacy events where the function has imported the library, else None."""
    return sys.modules.get(f"{NAME}.event_conversion")


def is_aio(target: Any) -> bool:
    """Tell whether ``target`` is marked with ``functions_framework.aio``."""
    registry = sys.modules.get(f"{NAME}._function_registry")
    return getattr(target, "__name__", None) in getattr(registry, "ASGI_FUNCTIONS", ())
