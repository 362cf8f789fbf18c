"""How a function uses a parameter: what tells two conventions with the same parameters apart. Pure."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from mayfly.plan import modules

_TEXT_METHODS = frozenset(
    {
        "capitalize", "casefold", "encode", "endswith", "find", "format", "isdigit", "join", "lower", "lstrip",
        "partition", "replace", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Usage:
    """``attributes`` read from the parameter, whether it is ``indexed`` as a dict or list, and used as ``text``."""

    attributes: frozenset[str]
    indexed: bool
    text: bool


def read_usage(function: modules.Function, name: str) -> Usage:
    """Return how the body of ``function`` uses its parameter ``name``."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute) and _is(node.value, name)}
    indexed = any(isinstance(node, ast.Subscript) and _is(node.value, name) for node in nodes)
    return Usage(
        frozenset(attributes), indexed or "get" in attributes, any(_uses_as_text(node, name) for node in nodes)
    )


def answers(function: modules.Function) -> bool:
    """Tell whether ``function`` returns something that is no exit code, so that it is more than a script's ``main``."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    returned = [node.value for node in nodes if isinstance(node, ast.Return) and node.value is not None]
    return any(not isinstance(value, ast.Constant) or isinstance(value.value, str | bytes) for value in returned)


def _is(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _uses_as_text(node: ast.AST, name: str) -> bool:
    """Tell whether ``node`` does with the parameter what only text bears: return, join, parse or print it whole."""
    match node:
        case ast.Return(value=value):
            return _is(value, name)
        case ast.FormattedValue(value=value):
            return _is(value, name)
        case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mod()):
            return _is(left, name) or _is(right, name)
        case ast.Attribute(value=value, attr=attribute):
            return _is(value, name) and attribute in _TEXT_METHODS
        case ast.Call(func=ast.Attribute(attr="loads") | ast.Name(id="loads" | "len" | "int" | "float" | "str")):
            return bool(node.args) and _is(node.args[0], name)
    return False
