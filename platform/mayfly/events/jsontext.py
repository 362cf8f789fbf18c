"""JSON read strictly and without loss: members keep their own text.

``json.loads`` would take NaN, twice the same name, and any depth until the interpreter's stack ends, and would give
back numbers that are written anew. Here depth is counted before anything is parsed, and a member is its position in
the text, which its sender wrote and its receiver shall read.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from mayfly import errors

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKETS = b"[]{}"
_STEPS = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")
"""+1 and -1, as signed bytes."""
_NOT_BRACKETS = bytes(code for code in range(256) if code not in _BRACKETS)
_SPACE = re.compile(r"[ \t\n\r]*+")
_PLAIN = r'"[^"\\\x00-\x1f]*+"'
_PLAIN_MEMBER = re.compile(r"\s*+(P)\s*+:\s*+(P)\s*+([,}])".replace("P", _PLAIN).replace(r"\s", r"[ \t\n\r]"))
"""A member whose name and value are strings without escapes, as nearly all attributes are: found in one step."""


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


# Numbers stay text: converting a million digits takes seconds, and what is kept is the text anyway.
_decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)
_scan = _decoder.scan_once  # type: ignore[attr-defined]
_scan_string = json.decoder.scanstring  # type: ignore[attr-defined]


class Member(NamedTuple):
    """A value within a text.

    ``kind`` is its first character, ``value`` what it means (numbers as text), ``raw`` itself.
    """

    kind: str
    value: object
    raw: str


def check_depth(body: bytes, most: int) -> None:
    """Raise ``EventTooLarge`` when arrays and objects in ``body`` are nested deeper than ``most``; parses nothing."""
    if body.count(b"[") + body.count(b"{") <= most:
        return
    steps = _STRING.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)
    depth = max(itertools.accumulate(memoryview(steps).cast("b")), default=0)
    if depth > most:
        raise errors.EventTooLarge(f"JSON is nested {depth} deep; at most {most}")


def decode(body: bytes) -> str:
    """Return ``body`` as text.

    Raises:
        InvalidEvent: it is not UTF-8, which JSON between systems must be (RFC 8259, section 8.1).
    """
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise errors.InvalidEvent(
            f"the body is not UTF-8: byte 0x{body[error.start]:02x} at {error.start}; JSON is sent as UTF-8"
        ) from error


def is_document(text: str) -> bool:
    """Tell whether ``text`` is exactly one JSON value with nothing around it."""
    try:
        return bool(text) and _scan(text, 0)[1] == len(text)
    except (ValueError, StopIteration):
        return False


def read_object(text: str) -> dict[str, Member]:
    """Return the members of the object that ``text`` is.

    Raises:
        InvalidEvent: it is no object, not JSON, or names a member twice.
    """
    start = _skip(text, 0)
    if text[start : start + 1] != "{":
        raise errors.InvalidEvent(
            "the body is not a JSON object; an array of events is sent as application/cloudevents-batch+json"
        )
    members, end = _read_members(text, start)
    _expect_end(text, end)
    return members


def read_objects(text: str, most: int) -> Iterator[tuple[dict[str, Member], int]]:
    """Yield members and length in characters of each object in the array that ``text`` is.

    Raises:
        InvalidEvent: it is no array of objects, not JSON, or longer than ``most`` (``EventTooLarge``).
    """
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        raise errors.InvalidEvent("the body is not a JSON array; one event is sent as application/cloudevents+json")
    position = _skip(text, position + 1)
    if text[position : position + 1] == "]":
        _expect_end(text, position + 1)
        return
    for count in itertools.count(1):
        if count > most:
            raise errors.EventTooLarge(f"the batch has more than {most} events; send several batches")
        if text[position : position + 1] != "{":
            raise _refuse(text, position, "an event of the batch, an object")
        members, end = _read_members(text, position)
        yield members, end - position
        position = _skip(text, end)
        if text[position : position + 1] == "]":
            _expect_end(text, position + 1)
            return
        position = _skip(text, _expect(text, position, ","))


def _read_members(text: str, start: int) -> tuple[dict[str, Member], int]:
    """Return the members of the object at ``start`` and the position behind it."""
    members: dict[str, Member] = {}
    position = _skip(text, start + 1)
    if text[position : position + 1] == "}":
        return members, position + 1
    while True:
        while plain := _PLAIN_MEMBER.match(text, position):
            quoted, raw, follower = plain.groups()
            name = quoted[1:-1]
            _refuse_double(name, members)
            members[name] = Member('"', raw[1:-1], raw)
            position = plain.end()
            if follower == "}":
                return members, position
        name, position = _read_name(text, _skip(text, position))
        _refuse_double(name, members)
        position = _skip(text, _expect(text, _skip(text, position), ":"))
        members[name], position = _read_value(text, position)
        position = _skip(text, position)
        if text[position : position + 1] == "}":
            return members, position + 1
        position = _skip(text, _expect(text, position, ","))


def _refuse_double(name: str, members: dict[str, Member]) -> None:
    if name in members:
        raise errors.InvalidEvent(f"the body names {name[:80]!a} twice; every attribute is given once")


def _read_name(text: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] != '"':
        raise _refuse(text, position, "a name in double quotes")
    try:
        name, end = _scan_string(text, position + 1)
    except ValueError as error:
        raise errors.InvalidEvent(f"the body is not JSON: {error}") from error
    return name, end


def _read_value(text: str, position: int) -> tuple[Member, int]:
    try:
        value, end = _scan(text, position)
    except StopIteration as error:
        raise _refuse(text, position, "a value") from error
    except ValueError as error:
        raise errors.InvalidEvent(f"the body is not JSON: {error}") from error
    return Member(text[position], value, text[position:end]), end


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None  # it matches nothing, too
    return found.end()


def _expect(text: str, position: int, character: str) -> int:
    if text[position : position + 1] != character:
        raise _refuse(text, position, repr(character))
    return position + 1


def _expect_end(text: str, position: int) -> None:
    position = _skip(text, position)
    if position != len(text):
        raise _refuse(text, position, "the end")


def _refuse(text: str, position: int, wanted: str) -> errors.InvalidEvent:
    found = ascii(text[position]) if position < len(text) else "the end"
    return errors.InvalidEvent(f"the body is not JSON: {found} at character {position} where {wanted} belongs")
