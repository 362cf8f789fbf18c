"""JSON to what a type hint says, and a type hint to JSON Schema; the standard library's types, pure.

Used for functions without pydantic; those that import it are checked by pydantic itself (``dialects.typed``).
Schema keywords: https://json-schema.org/draft/2020-12/json-schema-validation.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Iterable
from typing import Any

MISSING = object()

_PARSERS: dict[Any, tuple[Callable[[str], Any], dict[str, Any], str]] = {
    dt.datetime: (
        dt.datetime.fromisoformat,
        {"type": "string", "format": "date-time"},
        "a time (ISO 8601)",
    ),
    dt.date: (dt.date.fromisoformat, {"type": "string", "format": "date"}, "a date (YYYY-MM-DD)"),
    dt.time: (dt.time.fromisoformat, {"type": "string", "format": "time"}, "a time of day (ISO 8601)"),
    uuid.UUID: (uuid.UUID, {"type": "string", "format": "uuid"}, "a UUID"),
    bytes: (
        lambda text: base64.b64decode(text, validate=True),
        {"type": "string", "contentEncoding": "base64"},
        "base64 text",
    ),
}
"""Types that JSON writes as text: how to read them, their schema, and their name in a fault."""

_SCALARS: dict[Any, tuple[dict[str, Any], str]] = {
    bool: ({"type": "boolean"}, "true or false"),
    int: ({"type": "integer"}, "an integer"),
    float: ({"type": "number"}, "a number"),
    str: ({"type": "string"}, "text"),
    decimal.Decimal: ({"type": ["number", "string"]}, "a decimal number"),
}
_LISTS = frozenset(
    {list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set}
)
_MAPPINGS = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})
_UNIONS = frozenset({typing.Union, types.UnionType})
_ANY = frozenset({Any, object})
_WORDS = {"true": True, "false": False, "1": True, "0": False}

Path = tuple[str, ...]


def classify(hint: Any) -> str:
    """Return the kind of ``hint``, by which the tables below are read; ``class`` for what is none of them."""
    origin = typing.get_origin(hint) or hint
    rules = (
        ("any", hint in _ANY or isinstance(hint, typing.TypeVar)),
        ("null", hint is None or hint is type(None)),
        ("union", origin in _UNIONS),
        ("literal", origin is typing.Literal),
        ("scalar", hint in _SCALARS),
        ("text", hint in _PARSERS),
        ("list", origin in _LISTS),
        ("mapping", origin in _MAPPINGS),
        ("own", hasattr(hint, "from_dict")),
        ("members", dataclasses.is_dataclass(hint) or typing.is_typeddict(hint)),
        ("enum", isinstance(hint, type) and issubclass(hint, enum.Enum)),
    )
    return next((kind for kind, holds in rules if holds), "class")


class Reader:
    """Reads one document; ``faults`` says what does not fit.

    A fault's ``field`` is a dotted path, empty for the document itself. ``lenient`` reads numbers and booleans from
    text, as query parameters need it.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.faults: list[dict[str, str]] = []
        self._lenient = lenient

    def read(self, value: Any, hint: Any, path: Path = ()) -> Any:
        """Return ``value`` as ``hint`` says, ``MISSING`` where it does not fit."""
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        return _READERS[classify(hint)](self, value, hint, path)

    def _fault(self, path: Path, message: str) -> Any:
        self.faults.append({"field": ".".join(path), "message": message})
        return MISSING

    def _any(self, value: Any, hint: Any, path: Path) -> Any:  # noqa: ARG002  (one shape for the table)
        return value

    def _null(self, value: Any, hint: Any, path: Path) -> Any:  # noqa: ARG002
        return None if value is None else self._fault(path, f"must be null, not {_name(value)}")

    def _union(self, value: Any, hint: Any, path: Path) -> Any:
        """Return ``value`` as the first choice that takes it; with one choice beside None, its faults are told."""
        choices = typing.get_args(hint)
        if value is None and type(None) in choices:
            return None
        attempts: list[Reader] = []
        for choice in choices:
            if choice is not type(None):
                attempts.append(Reader(lenient=self._lenient))
                made = attempts[-1].read(value, choice, path)
                if not attempts[-1].faults:
                    return made
        if len(attempts) == 1:
            self.faults += attempts[0].faults
            return MISSING
        return self._fault(path, "; or ".join(attempt.faults[0]["message"] for attempt in attempts))

    def _literal(self, value: Any, hint: Any, path: Path) -> Any:
        choices = typing.get_args(hint)
        known = any(type(value) is type(choice) and value == choice for choice in choices)
        return value if known else self._fault(path, f"must be one of {_list(choices)}")

    def _scalar(self, value: Any, hint: Any, path: Path) -> Any:
        wanted = _SCALARS[hint][1]
        if type(value) is hint:
            return value
        if hint is float and type(value) is int:
            return float(value)
        is_text = isinstance(value, str)
        if (is_text and self._lenient) or (hint is decimal.Decimal and (is_text or type(value) in {int, float})):
            try:
                return _WORDS[value.lower()] if hint is bool else hint(str(value))
            except (ValueError, KeyError, decimal.InvalidOperation):
                pass
        return self._fault(path, f"must be {wanted}, not {_name(value)}")

    def _text(self, value: Any, hint: Any, path: Path) -> Any:
        parse, _, wanted = _PARSERS[hint]
        try:
            return parse(value) if isinstance(value, str) else self._fault(path, f"must be {wanted}")
        except ValueError:
            return self._fault(path, f"must be {wanted}")

    def _list(self, value: Any, hint: Any, path: Path) -> Any:
        origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
        if not isinstance(value, list):
            return self._fault(path, f"must be an array, not {_name(value)}")
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                return self._fault(path, f"must have {len(arguments)} elements, not {len(value)}")
            each: Iterable[Any] = arguments
        else:
            each = [arguments[0] if arguments else Any] * len(value)
        before = len(self.faults)
        made = [self.read(one, kind, (*path, str(i))) for i, (one, kind) in enumerate(zip(value, each, strict=True))]
        return origin(made) if origin in {tuple, set, frozenset} and len(self.faults) == before else made

    def _mapping(self, value: Any, hint: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._fault(path, f"must be an object, not {_name(value)}")
        inner = (*typing.get_args(hint), Any, Any)[1]
        return {name: self.read(one, inner, (*path, name)) for name, one in value.items()}

    def _own(self, value: Any, hint: Any, path: Path) -> Any:
        """Let the class read the document itself; what it raises over it is a fault of the document."""
        try:
            return hint.from_dict(value)
        except KeyError as error:
            return self._fault((*path, str(error.args[0])) if error.args else path, "is required")
        except (TypeError, ValueError, AttributeError) as error:
            return self._fault(path, str(error) or type(error).__name__)

    def _members(self, value: Any, hint: Any, path: Path) -> Any:
        """Return a dataclass or a typed dict; members it does not know are left out."""
        if not isinstance(value, dict):
            return self._fault(path, f"must be an object, not {_name(value)}")
        before, made = len(self.faults), {}
        for name, (kind, required) in read_members(hint).items():
            if name in value:
                made[name] = self.read(value[name], kind, (*path, name))
            elif required:
                self._fault((*path, name), "is required")
        if len(self.faults) > before:
            return MISSING
        try:
            return made if typing.is_typeddict(hint) else hint(**made)
        except (ValueError, TypeError) as error:  # __post_init__ holds the rules that types cannot say
            return self._fault(path, str(error))

    def _enum(self, value: Any, hint: Any, path: Path) -> Any:
        try:
            return hint(value)
        except ValueError:
            return self._fault(path, f"must be one of {_list([member.value for member in hint])}")

    def _class(self, value: Any, hint: Any, path: Path) -> Any:
        return self._fault(path, f"{_name(value)} cannot be read as {getattr(hint, '__name__', hint)}")


_READERS: dict[str, Callable[[Reader, Any, Any, Path], Any]] = {
    kind: getattr(Reader, f"_{kind}")
    for kind in (
        "any", "null", "union", "literal", "scalar", "text", "list", "mapping", "own", "members", "enum", "class",
    )
}  # fmt: skip


def _list(values: Iterable[Any]) -> str:
    return ", ".join(repr(value) for value in values)


def read_members(hint: Any) -> dict[str, tuple[Any, bool]]:
    """Return the members of a dataclass or typed dict: name -> (type hint, required)."""
    kinds = typing.get_type_hints(hint, include_extras=True)
    if typing.is_typeddict(hint):
        return {name: _read_key(kind, name in hint.__required_keys__) for name, kind in kinds.items()}
    return {
        field.name: (
            kinds[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(hint)
        if field.init
    }


def _read_key(kind: Any, required: bool) -> tuple[Any, bool]:
    """Return the type of a typed dict's key without its mark, which alone is right under postponed annotations."""
    mark = typing.get_origin(kind)
    if mark is typing.Required or mark is typing.NotRequired:
        return typing.get_args(kind)[0], mark is typing.Required
    return kind, required


def _name(value: Any) -> str:
    names = {bool: "true or false", str: "text", list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


def make_schema(hint: Any, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of ``hint``; classes are added to ``shared`` and referred to."""
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return _SCHEMAS[classify(hint)](hint, typing.get_args(hint), shared)


def _make_list_schema(hint: Any, arguments: tuple[Any, ...], shared: dict[str, Any]) -> dict[str, Any]:
    if not arguments:
        return {"type": "array"}
    if (typing.get_origin(hint) or hint) is tuple and arguments[-1] is not Ellipsis:
        each = [make_schema(one, shared) for one in arguments]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
    return {"type": "array", "items": make_schema(arguments[0], shared)}


def _make_class_schema(hint: Any, shared: dict[str, Any]) -> dict[str, Any]:
    name = hint.__name__
    if name not in shared:
        shared[name] = {}  # a class may hold itself
        members = read_members(hint)
        shared[name] = {
            "type": "object",
            "title": name,
            "properties": {member: make_schema(kind, shared) for member, (kind, _) in members.items()},
            "required": [member for member, (_, required) in members.items() if required],
        }
    return {"$ref": f"#/components/schemas/{name}"}


_SCHEMAS: dict[str, Callable[[Any, tuple[Any, ...], dict[str, Any]], dict[str, Any]]] = {
    "any": lambda *_: {},
    "null": lambda *_: {"type": "null"},
    "union": lambda _, choices, shared: {"anyOf": [make_schema(choice, shared) for choice in choices]},
    "literal": lambda _, choices, __: {"enum": list(choices)},
    "scalar": lambda hint, *_: _SCALARS[hint][0],
    "text": lambda hint, *_: _PARSERS[hint][1],
    "list": _make_list_schema,
    "mapping": lambda _, arguments, shared: {
        "type": "object",
        "additionalProperties": make_schema((*arguments, Any, Any)[1], shared),
    },
    "own": lambda *_: {"type": "object"},
    "members": lambda hint, _, shared: _make_class_schema(hint, shared),
    "enum": lambda hint, *_: {"enum": [member.value for member in hint]},
    "class": lambda *_: {},
}
