"""Import the handler; when that fails, say why in one line."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from mayfly_runtime import failures, settings

_TERMINATION_BYTES = 4096
"""Kubernetes keeps this much of a termination message
(https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/)."""
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120  (pathlib costs start-up time)
_MAIN = "function_main"
"""What a function's ``__main__.py`` is called here."""
_OBJECTS = frozenset({"azure"})
"""Dialects whose handler may be an object that is not called itself."""


def arrange_path(given: settings.Settings) -> None:
    """Order ``sys.path``: code, standard library, dependencies, site packages, runtime; child processes get ours."""
    runtime = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    ours = (given.code_dir, given.dependencies_dir, runtime)
    others = [entry for entry in sys.path if entry not in ours]
    standard = [entry for entry in others if not entry.endswith(("site-packages", "dist-packages"))]
    site = [entry for entry in others if entry not in standard]
    sys.path[:] = [given.code_dir, *standard, given.dependencies_dir, *site, runtime]
    os.environ["PYTHONPATH"] = os.pathsep.join((given.code_dir, given.dependencies_dir))


def load_handler(given: settings.Settings) -> Any:
    """Import the module that MAYFLY_HANDLER names and return the handler.

    Raises:
        LoadError: the module cannot be imported; the cause is chained.
        HandlerError: there is no such module or handler.
    """
    module_name, attribute = _split(given)
    try:
        module = _import(module_name, given.code_dir)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise failures.HandlerError(_explain_absent_module(given, module_name)) from None
        raise failures.LoadError(explain(error, given.code_dir)) from error
    except (Exception, SystemExit) as error:
        raise failures.LoadError(explain(error, given.code_dir)) from error
    return _find(module, attribute, given)


def _import(name: str, code_dir: str) -> ModuleType:
    """Import a module; ``__main__`` is the function's file of that name, which is this process's name for itself."""
    if name != "__main__":
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(_MAIN, os.path.join(code_dir, "__main__.py"))  # noqa: PTH118  (as above)
    if spec is None or spec.loader is None or not os.path.exists(spec.origin or ""):  # noqa: PTH110
        raise ModuleNotFoundError("there is no __main__.py", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MAIN] = module
    spec.loader.exec_module(module)
    return module


def _split(given: settings.Settings) -> tuple[str, str]:
    """Return module and attribute of ``module:attribute`` or, as AWS writes it, ``module.attribute``."""
    module, colon, attribute = given.handler.partition(":")
    if not colon:
        module, _, attribute = given.handler.replace("/", ".").rpartition(".")
    if not module or not attribute:
        raise failures.HandlerError(f"MAYFLY_HANDLER={given.handler!r} must be module:attribute, such as main:hello")
    return module, attribute


def _find(module: ModuleType, attribute: str, given: settings.Settings) -> Any:
    target: Any = module
    for name in attribute.split("."):
        try:
            target = getattr(target, name)
        except AttributeError:
            raise failures.HandlerError(_explain_absent_attribute(module, attribute, given)) from None
    if not callable(target) and given.signature not in _OBJECTS:
        raise failures.HandlerError(
            f"{_shorten(module.__file__, given.code_dir)}: {attribute!r} is {type(target).__name__}, which cannot be"
            f" called. {_describe_functions(module)} Set spec.handler to a function."
        )
    return target


def _explain_absent_attribute(module: ModuleType, attribute: str, given: settings.Settings) -> str:
    file = _shorten(module.__file__, given.code_dir)
    return f"{file} has no {attribute!r} (handler {given.handler}). {_describe_functions(module)} Correct spec.handler."


def _describe_functions(module: ModuleType) -> str:
    found = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    return f"It defines {', '.join(found[:12])}." if found else "It defines no function."


def _explain_absent_module(given: settings.Settings, module_name: str) -> str:
    try:
        files = sorted(name for name in os.listdir(given.code_dir) if name.endswith(".py"))  # noqa: PTH208
    except OSError as error:
        return f"the code directory {given.code_dir} cannot be read: {error.strerror}"
    present = ", ".join(files[:12]) or "no Python file"
    wanted = module_name.replace(".", "/")
    return f"handler {given.handler}: there is no {wanted}.py in {given.code_dir}; it holds {present}."


def explain(error: BaseException, code_dir: str) -> str:
    """Return one line: kind of error, file and line in the user's code, message, and what to do where that is known."""
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in {_shorten(error.filename, code_dir)}:{error.lineno}: {error.msg}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        text += f". Add what provides {error.name.partition('.')[0]!r} to requirements.txt."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    ours = [frame for frame in frames if frame.filename.startswith(code_dir.rstrip("/") + "/")]
    where = f" in {_shorten(ours[-1].filename, code_dir)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{where}: {text}"


def _is_machinery(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _OURS)) or filename == importlib.__file__


def _shorten(filename: str | None, code_dir: str) -> str:
    prefix = code_dir.rstrip("/") + "/"
    return (filename or "?").removeprefix(prefix)


def trim(error: BaseException) -> BaseException:
    """Return ``error`` with a traceback that begins at the user's first frame; unchanged where there is none."""
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error if trace is None else error.with_traceback(trace)


def format_cause(error: BaseException) -> str:
    """Return what ``error`` was raised from with the user's part of its traceback; empty when there is no cause."""
    cause = error.__cause__
    if cause is None:
        return ""
    frames = [frame.filename for frame in traceback.extract_tb(trim(cause).__traceback__)]
    if all(_is_machinery(filename) for filename in frames):  # a syntax error: it names its place itself
        cause = cause.with_traceback(None)
    return "".join(traceback.format_exception(cause))


def write_termination_log(path: str, message: str, trace: str) -> None:
    """Write ``message`` and as much of the end of ``trace`` as Kubernetes keeps; nothing where that is impossible."""
    head = message.encode("utf-8", "replace")[: _TERMINATION_BYTES - 1] + b"\n"
    room = _TERMINATION_BYTES - len(head)
    tail = trace.encode("utf-8", "replace")[-room:] if room else b""
    try:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(head + tail.decode("utf-8", "ignore").encode())
    except OSError:
        return
