"""A tree to a function from attributes to a value. Casts are chosen once, since every type is known."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mayfly.events.cesql import functions, parser, pattern, tree

Attributes = Mapping[str, str]
Compiled = Callable[[Attributes], tree.Value]
Kind, EvaluationError = functions.Kind, functions.EvaluationError
STRING, INTEGER, BOOLEAN = tree.Type.STRING, tree.Type.INTEGER, tree.Type.BOOLEAN

_ZEROS: dict[tree.Type, tree.Value] = {STRING: "", INTEGER: 0, BOOLEAN: False}
_COMPARISONS: dict[str, Callable[[tree.Value, tree.Value], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Result:
    """The value of an expression for one event, and the kind of error that stopped it, ``None`` if none did."""

    value: tree.Value
    error: functions.Kind | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A compiled expression; equal when the texts are."""

    text: str
    node: tree.Node
    run: Compiled

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def evaluate(self, attributes: Attributes) -> Result:
        """Return value and error for an event with these ``attributes``."""
        try:
            return Result(self.run(attributes))
        except functions.EvaluationError as error:
            zero = _ZEROS[type_of(self.node)]
            if isinstance(self.node, tree.Attribute):
                zero = False  # section 3.2: what refers to a missing attribute is false
            own = error.value if error.call is self.node else None
            return Result(zero if own is None else own, error.kind)

    def is_true(self, attributes: Attributes) -> bool:
        """Tell whether the value is the Boolean true; an error, or a value of another type, is not (section 1.2)."""
        try:
            return self.run(attributes) is True
        except functions.EvaluationError:
            return False


def compile_expression(text: str) -> Expression:
    """Return the expression that ``text`` is, ready to evaluate.

    Raises:
        InvalidFilter: it is none; names position and rule.
    """
    node = parser.parse(text)
    return Expression(text, node, _compile(node))


def type_of(node: tree.Node) -> tree.Type:
    """Return the type of the values of ``node``."""
    match node:
        case tree.Literal(bool()):
            return BOOLEAN
        case tree.Literal(int()):
            return INTEGER
        case tree.Literal() | tree.Attribute():
            return STRING
        case tree.Unary("-") | tree.Binary("+" | "-" | "*" | "/" | "%"):
            return INTEGER
        case tree.Call(name, arguments):
            function = functions.find(name, len(arguments))
            assert function is not None  # the parser saw to it
            return function.result
        case _:
            return BOOLEAN


def _compile(node: tree.Node) -> Compiled:
    return _COMPILERS[type(node)](node)


def _compile_literal(node: tree.Literal) -> Compiled:
    value = node.value
    return lambda _: value


def _compile_as(node: tree.Node, wanted: tree.Type) -> Compiled:
    """Compile ``node`` and its cast to ``wanted``."""
    run = _compile(node)
    if type_of(node) is wanted:
        return run
    cast = functions.CASTS[wanted]
    return lambda attributes: cast(run(attributes))


def _compile_attribute(node: tree.Attribute) -> Compiled:
    name = node.name

    def run(attributes: Attributes) -> str:
        value = attributes.get(name)
        if value is None:
            raise EvaluationError(Kind.MISSING_ATTRIBUTE, f"the event has no attribute {name}")
        return value

    return run


def _compile_exists(node: tree.Exists) -> Compiled:
    name = node.name
    return lambda attributes: name in attributes


def _compile_unary(node: tree.Unary) -> Compiled:
    if node.operator == "NOT":
        run = _compile_as(node.operand, BOOLEAN)
        return lambda attributes: not run(attributes)
    number = _compile_as(node.operand, INTEGER)
    return lambda attributes: _fit(-int(number(attributes)))


def _compile_binary(node: tree.Binary) -> Compiled:
    sign, left, right = node.operator, node.left, node.right
    if sign in tree.ARITHMETIC:
        return _compile_arithmetic(sign, _compile_as(left, INTEGER), _compile_as(right, INTEGER))
    # "=" is defined for every type: the right operand decides (section 3.7); "<" only for integers.
    common = type_of(right) if sign in tree.EQUALITY else INTEGER
    compare, first, second = _COMPARISONS[sign], _compile_as(left, common), _compile_as(right, common)
    return lambda attributes: compare(first(attributes), second(attributes))


def _compile_logic(node: tree.Logic) -> Compiled:
    parts = tuple(_compile_as(operand, BOOLEAN) for operand in node.operands)
    if node.operator == "XOR":
        return lambda attributes: sum(part(attributes) is True for part in parts) % 2 == 1
    # The first operand that has this value decides, and none behind it is evaluated (section 3.6).
    decisive = node.operator == "OR"

    def run(attributes: Attributes) -> bool:
        for part in parts:
            if part(attributes) is decisive:
                return decisive
        return not decisive

    return run


def _compile_arithmetic(sign: str, left: Compiled, right: Compiled) -> Compiled:
    body = _ARITHMETIC[sign]
    return lambda attributes: _fit(body(int(left(attributes)), int(right(attributes))))


def _divide(left: int, right: int) -> int:
    """Divide and round towards zero (section 3.4.2)."""
    if right == 0:
        raise EvaluationError(Kind.MATH, "division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder(left: int, right: int) -> int:
    return left - right * _divide(left, right)


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": _remainder,
}


def _fit(number: int) -> int:
    if functions.LEAST <= number <= functions.MOST:
        return number
    raise EvaluationError(Kind.MATH, f"{number} does not fit into 32 bits")


def _compile_like(node: tree.Like) -> Compiled:
    run, matches, negated = _compile_as(node.operand, STRING), pattern.compile_like(node.pattern), node.negated
    return lambda attributes: matches(str(run(attributes))) is not negated


def _compile_in(node: tree.In) -> Compiled:
    run, wanted, negated = _compile(node.operand), type_of(node.operand), node.negated
    several = tuple(_compile_as(choice, wanted) for choice in node.choices)
    values = frozenset(choice.value for choice in node.choices if isinstance(choice, tree.Literal))
    if all(isinstance(choice, tree.Literal) and type_of(choice) is wanted for choice in node.choices):
        return lambda attributes: (run(attributes) in values) is not negated

    def find(attributes: Attributes) -> bool:
        value = run(attributes)
        return any(choice(attributes) == value for choice in several) is not negated

    return find


def _compile_call(node: tree.Call) -> Compiled:
    arguments = node.arguments
    function = functions.find(node.name, len(arguments))
    assert function is not None  # the parser saw to it
    body = function.body
    if node.name in {"INT", "BOOL", "STRING"}:
        run = _compile(arguments[0])
        return lambda attributes: body(run(attributes))
    types = (*function.parameters, *[function.rest or STRING] * (len(arguments) - len(function.parameters)))
    several = [_compile_as(node, wanted) for node, wanted in zip(arguments, types, strict=True)]

    def call(attributes: Attributes) -> tree.Value:
        values = [run(attributes) for run in several]
        try:
            return body(*values)
        except functions.EvaluationError as error:
            error.call = node
            raise

    return call


_COMPILERS: dict[type[tree.Node], Callable[[Any], Compiled]] = {
    tree.Literal: _compile_literal,
    tree.Attribute: _compile_attribute,
    tree.Exists: _compile_exists,
    tree.Unary: _compile_unary,
    tree.Logic: _compile_logic,
    tree.Binary: _compile_binary,
    tree.Like: _compile_like,
    tree.In: _compile_in,
    tree.Call: _compile_call,
}
