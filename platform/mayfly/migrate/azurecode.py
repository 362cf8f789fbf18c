"""Azure's decorators, read from the syntax tree of Python files; nothing is imported.

Sources: https://learn.microsoft.com/azure/azure-functions/functions-reference-python and
https://github.com/Azure/azure-functions-python-library.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from mayfly import errors
from mayfly.migrate import text
from mayfly.plan import syntax

MAKERS = frozenset({"FunctionApp", "Blueprint", "AsgiFunctionApp", "WsgiFunctionApp"})
_TRIGGERS = {"route": "httpTrigger", "schedule": "timerTrigger", "timer_trigger": "timerTrigger"}
_POSITIONAL = {"route": ("route",), "function_name": ("name",), "FunctionApp": ("http_auth_level",)}
_NAMES = {"auth_level": "authLevel", "http_auth_level": "authLevel"}
COMPUTED = "(computed)"


@dataclass(frozen=True, slots=True)
class Mark:
    """A decorator of a function, or the maker of an app: ``kind`` as function.json has it."""

    function: str
    kind: str
    node: text.Node


def read_files(files: Mapping[str, bytes]) -> list[Mark]:
    """Return what the decorators and makers of some Python files say, file by file.

    Raises:
        Unreadable: a file is not Python.
    """
    marks = []
    for file, data in sorted(files.items()):
        if len(data) > text.MAX_BYTES:
            raise text.Unreadable(f"{file}: {len(data)} bytes; at most {text.MAX_BYTES} are read")
        try:
            tree = syntax.parse_module(file, data)
        except errors.SyntaxProblem as error:
            raise text.Unreadable(f"not Python: {error}; correct it") from error
        marks += _read_tree(file, tree)
    return marks


def _read_tree(file: str, tree: ast.Module) -> list[Mark]:
    apps = {
        target.id
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Assign) and _last(statement.value) in MAKERS
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    marks = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last(node) in MAKERS:
            marks.append(Mark("", _last(node), _make(f"{file}:{_last(node)}", node, _POSITIONAL.get(_last(node), ()))))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks += _read_function(file, node, apps)
    return marks


def _read_function(file: str, node: ast.FunctionDef | ast.AsyncFunctionDef, apps: set[str]) -> list[Mark]:
    calls = [
        (call, call.func.attr)
        for call in node.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in apps
    ]
    name = node.name
    for call, kind in calls:
        given = _make("", call, ("name",))["name"] if kind == "function_name" else text.Node("")
        if given and given.text != COMPUTED:
            name = given.text
    return [
        Mark(
            name,
            _TRIGGERS.get(kind, _camel(kind)),
            _make(f"{file}:{node.name}.{kind}", call, _POSITIONAL.get(kind, ())),
        )
        for call, kind in calls
        if kind != "function_name"
    ]


def _make(path: str, call: ast.Call, positional: tuple[str, ...]) -> text.Node:
    """Return the arguments of a call as a node with fields named as function.json names them."""
    named = [*zip(positional, call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
    fields = {_NAMES.get(name, name): _value(text.join(path, name), value) for name, value in named if name is not None}
    return text.Node(path, fields=fields, line=call.lineno)


def _value(path: str, node: ast.expr) -> text.Node:
    """Return a literal's text; the last word of ``func.AuthLevel.ANONYMOUS``; else that it is computed."""
    if isinstance(node, ast.List | ast.Tuple):
        return text.Node(
            path, items=tuple(_value(f"{path}[{i}]", one) for i, one in enumerate(node.elts)), line=node.lineno
        )
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
        shown = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        return text.Node(path, node.value, shown, line=node.lineno)
    if isinstance(node, ast.Attribute):
        return text.Node(path, node.attr, node.attr, line=node.lineno)
    return text.Node(path, COMPUTED, COMPUTED, line=node.lineno)


def _last(node: ast.AST) -> str:
    """Return the last word of what a call calls."""
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)
