"""What an expression is made of. Every node knows its type before it meets an event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """The types of section 3.1."""

    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"


Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written down."""

    value: Value


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value of an attribute: a String."""

    name: str


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the event has an attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """``NOT`` or ``-`` of something."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """``AND``, ``OR`` or ``XOR`` between two or more."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison or arithmetic operator between two."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Like:
    """Whether a String matches a pattern."""

    operand: Node
    pattern: str
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    """Whether something equals one of several."""

    operand: Node
    choices: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in function of some arguments; ``name`` is in capitals."""

    name: str
    arguments: tuple[Node, ...]


Node = Literal | Attribute | Exists | Unary | Logic | Binary | Like | In | Call

LOGIC = frozenset({"AND", "OR", "XOR"})
EQUALITY = frozenset({"=", "!=", "<>"})
ORDER = frozenset({"<", "<=", ">", ">="})
COMPARISON = EQUALITY | ORDER
ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})
