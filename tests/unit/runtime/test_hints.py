"""JSON is read as type hints say, and what does not fit is named."""

from __future__ import annotations

import datetime as dt
import decimal
import typing
import uuid
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from mayfly_runtime import hints


@dataclass
class Node:
    """A class that holds itself."""

    name: str
    children: list[Node] | None = None


class Page(typing.TypedDict, total=False):
    """Members that may be absent."""

    number: typing.Required[int]
    size: int


READ: dict[str, tuple[Any, Any, Any]] = {
    "text": ("a", str, "a"),
    "integer as float": (1, float, 1.0),
    "decimal text": ("1.10", decimal.Decimal, decimal.Decimal("1.10")),
    "time": ("2030-01-02T03:04:05Z", dt.datetime, dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    "uuid": ("0" * 32, uuid.UUID, uuid.UUID(int=0)),
    "bytes": ("AP8=", bytes, b"\x00\xff"),
    "any": ([1, None], Any, [1, None]),
    "none": (None, str | None, None),
    "first choice that fits": (3, str | int, 3),
    "literal": ("b", Literal["a", "b"], "b"),
    "annotated": (3, typing.Annotated[int, "pieces"], 3),
    "set": ([1, 1], set[int], {1}),
    "tuple": ([1, "a"], tuple[int, str], (1, "a")),
    "long tuple": ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
    "mapping": ({"a": 1}, dict[str, int], {"a": 1}),
    "plain list": ([1], list, [1]),
    "typed dict": ({"number": 1}, Page, {"number": 1}),
    "unknown members are left out": ({"name": "a", "more": 1}, Node, Node("a")),
    "nested": ({"name": "a", "children": [{"name": "b"}]}, Node, Node("a", [Node("b")])),
}


@pytest.mark.parametrize(("value", "hint", "expected"), READ.values(), ids=READ)
def test_read(value: Any, hint: Any, expected: Any) -> None:
    """A value that fits becomes the type."""
    reader = hints.Reader()
    assert (reader.read(value, hint), reader.faults) == (expected, [])


FAULTS: dict[str, tuple[Any, Any, str, str]] = {
    "text for integer": ("3", int, "", "must be an integer, not text"),
    "boolean for integer": (True, int, "", "must be an integer, not true or false"),
    "float for integer": (1.5, int, "", "must be an integer, not a number"),
    "null": (None, str, "", "must be text, not null"),
    "array for object": ([], Node, "", "must be an object, not an array"),
    "literal": (True, Literal[1], "", "must be one of 1"),
    "no choice": ([], int | str, "", "must be an integer, not an array; or must be text, not an array"),
    "short tuple": ([1], tuple[int, str], "", "must have 2 elements, not 1"),
    "inside": ({"name": "a", "children": [{"name": "b"}, {}]}, Node, "children.1.name", "is required"),
    "mapping": ({"a": "x"}, dict[str, int], "a", "must be an integer, not text"),
    "not base64": ("*", bytes, "", "must be base64 text"),
    "typed dict": ({"size": 1}, Page, "number", "is required"),
    "a class of unknown kind": ("x", complex, "", "text cannot be read as complex"),
}


@pytest.mark.parametrize(("value", "hint", "field", "message"), FAULTS.values(), ids=FAULTS)
def test_faults(value: Any, hint: Any, field: str, message: str) -> None:
    """A value that does not fit is named with its place and the rule."""
    reader = hints.Reader()
    reader.read(value, hint)
    assert reader.faults == [{"field": field, "message": message}]


def test_lenient() -> None:
    """Query parameters are text: numbers and booleans are read from it, nonsense is not."""
    reader = hints.Reader(lenient=True)
    assert reader.read({"a": "1.5", "b": "2"}, dict[str, float]) == {"a": 1.5, "b": 2.0}
    assert reader.read("False", bool) is False
    assert reader.faults == []
    reader.read("maybe", bool)
    assert reader.faults[0]["message"] == "must be true or false, not text"


def test_schema() -> None:
    """A class that holds itself is described once and referred to."""
    shared: dict[str, Any] = {}
    assert hints.make_schema(Node, shared) == {"$ref": "#/components/schemas/Node"}
    children = shared["Node"]["properties"]["children"]
    assert children == {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Node"}}, {"type": "null"}]}
    assert shared["Node"]["required"] == ["name"]
