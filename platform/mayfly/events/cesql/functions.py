"""The built-in functions of section 3.5, and casts (section 3.7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mayfly.events.cesql import tree

STRING, INTEGER, BOOLEAN = tree.Type.STRING, tree.Type.INTEGER, tree.Type.BOOLEAN
LEAST, MOST = -(2**31), 2**31 - 1
_DIGITS = re.compile(r"[+-]?[0-9]{1,20}")
_SPACES = " \t\r\n\v\f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""White space for ``TRIM``: the characters with the Unicode property White_Space."""


class Kind(StrEnum):
    """Kinds of errors, section 3.3."""

    MATH = "math"
    CAST = "cast"
    MISSING_ATTRIBUTE = "missingAttribute"
    FUNCTION = "functionEvaluation"


class EvaluationError(Exception):
    """An expression has no proper value for an event; ``value`` is what the function that failed stands for instead.

    ``call`` is the node of that function. It never leaves the room: the expression's result carries it.
    """

    call: tree.Call | None = None

    def __init__(self, kind: Kind, message: str, value: tree.Value | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.value = value


def to_string(value: tree.Value) -> str:
    """Cast to String; it always succeeds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def to_integer(value: tree.Value) -> int:
    """Cast to Integer; raises ``EvaluationError`` when text is no number of 32 bits."""
    if not isinstance(value, str):
        return int(value)
    if _DIGITS.fullmatch(value) and LEAST <= int(value) <= MOST:
        return int(value)
    raise EvaluationError(Kind.CAST, f"{value[:40]!a} is not an integer of 32 bits", 0)


def to_boolean(value: tree.Value) -> bool:
    """Cast to Boolean; raises ``EvaluationError`` when text is neither true nor false."""
    if not isinstance(value, str):
        return bool(value)
    word = value.lower()
    if word in {"true", "false"}:
        return word == "true"
    raise EvaluationError(Kind.CAST, f"{value[:40]!a} is neither true nor false", False)


CASTS: dict[tree.Type, Callable[[tree.Value], tree.Value]] = {
    STRING: to_string,
    INTEGER: to_integer,
    BOOLEAN: to_boolean,
}


@dataclass(frozen=True, slots=True)
class Function:
    """What a function takes and gives; ``rest`` is the type of any further arguments, ``None`` when there are none."""

    parameters: tuple[tree.Type, ...]
    result: tree.Type
    body: Callable[..., tree.Value]
    rest: tree.Type | None = None


def _absolute(number: int) -> int:
    if number == LEAST:
        raise EvaluationError(Kind.MATH, "the absolute value is no integer of 32 bits", MOST)
    return abs(number)


def _left(text: str, length: int) -> str:
    if length < 0:
        raise EvaluationError(Kind.FUNCTION, f"LEFT: length {length} is negative", text)
    return text[:length]


def _right(text: str, length: int) -> str:
    if length < 0:
        raise EvaluationError(Kind.FUNCTION, f"RIGHT: length {length} is negative", text)
    return text[len(text) - length :] if length < len(text) else text


def _substring(text: str, position: int, length: int | None = None) -> str:
    """Return a part of ``text``; ``position`` counts from 1, or from the end when negative."""
    if not -len(text) <= position <= len(text):
        raise EvaluationError(Kind.FUNCTION, f"SUBSTRING: position {position} lies outside the text", "")
    if length is not None and length < 0:
        raise EvaluationError(Kind.FUNCTION, f"SUBSTRING: length {length} is negative", "")
    if position == 0:
        return ""
    start = position - 1 if position > 0 else len(text) + position
    return text[start:] if length is None else text[start : start + length]


def _concat(*texts: str) -> str:
    return "".join(texts)


def _concat_with(delimiter: str, *texts: str) -> str:
    return delimiter.join(texts)


def _trim(text: str) -> str:
    return text.strip(_SPACES)


FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "LENGTH": (Function((STRING,), INTEGER, len),),
    "CONCAT": (Function((), STRING, _concat, rest=STRING),),
    "CONCAT_WS": (Function((STRING,), STRING, _concat_with, rest=STRING),),
    "LOWER": (Function((STRING,), STRING, str.lower),),
    "UPPER": (Function((STRING,), STRING, str.upper),),
    "TRIM": (Function((STRING,), STRING, _trim),),
    "LEFT": (Function((STRING, INTEGER), STRING, _left),),
    "RIGHT": (Function((STRING, INTEGER), STRING, _right),),
    "SUBSTRING": (
        Function((STRING, INTEGER), STRING, _substring),
        Function((STRING, INTEGER, INTEGER), STRING, _substring),
    ),
    "ABS": (Function((INTEGER,), INTEGER, _absolute),),
    "INT": (Function((INTEGER,), INTEGER, to_integer),),
    "BOOL": (Function((BOOLEAN,), BOOLEAN, to_boolean),),
    "STRING": (Function((STRING,), STRING, to_string),),
}


def find(name: str, count: int) -> Function | None:
    """Return the function ``name`` of ``count`` arguments, ``None`` when there is none."""
    for function in FUNCTIONS.get(name, ()):
        fixed = len(function.parameters)
        if count == fixed or (function.rest is not None and count > fixed):
            return function
    return None
