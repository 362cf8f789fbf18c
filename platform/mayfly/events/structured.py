"""Structured and batched content mode: the whole event is JSON.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md. Decisions where the text
leaves a choice:

- an attribute, or data, that is ``null`` is absent;
- data of a type that is not JSON is a JSON string, or ``data_base64``; anything else is refused;
- JSON data without ``datacontenttype`` gets ``application/json`` (section 3.1.1), so that it keeps its meaning in
  binary mode;
- JSON data is kept as the sender wrote it: order, blanks, digits of numbers, names given twice;
- a number or truth value of an extension is kept as text and written as a string: binary mode has no other form.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable

from mayfly import errors
from mayfly.events import event, jsontext, limits, media, message, rules

TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"
CONTENT_TYPE = f"{TYPE}; charset=utf-8"
BATCH_CONTENT_TYPE = f"{BATCH_TYPE}; charset=utf-8"

_INTEGERS = range(-(2**31), 2**31)
_CHARSETS = {None: "utf-8", "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1"}
"""Character sets in which text data of structured events is handed on; every function knows them."""


def read(body: bytes, bounds: limits.Limits) -> event.Event:
    """Return the event that ``body`` is.

    Raises:
        InvalidEvent: it is no JSON, or an attribute breaks a rule.
    """
    _check_size("the event", len(body), bounds.event_bytes * 3 // 2)
    jsontext.check_depth(body, bounds.depth)
    return _make(jsontext.read_object(jsontext.decode(body)), bounds)


def read_batch(body: bytes, bounds: limits.Limits) -> tuple[event.Event, ...]:
    """Return the events of a batch: all, or an error that tells the place of the first bad one. It may be empty.

    Raises:
        InvalidEvent: it is no JSON, or one of them is not sound.
    """
    _check_size("the batch", len(body), bounds.batch_bytes)
    jsontext.check_depth(body, bounds.depth + 1)
    found: list[event.Event] = []
    for members, length in jsontext.read_objects(jsontext.decode(body), bounds.batch_events):
        try:
            _check_size("the event", length, bounds.event_bytes * 3 // 2)
            found.append(_make(members, bounds))
        except errors.InvalidEvent as error:
            raise type(error)(f"event {len(found)} of the batch, counted from 0: {error}") from error
    return tuple(found)


def write(one: event.Event, bounds: limits.Limits = limits.DEFAULT) -> message.Message:
    """Return the request that carries ``one`` in structured mode."""
    return message.Message((("content-type", CONTENT_TYPE),), _render(one, bounds).encode())


def write_batch(several: Iterable[event.Event], bounds: limits.Limits = limits.DEFAULT) -> message.Message:
    """Return the request that carries ``several`` events in batched mode."""
    body = "[" + ",".join(_render(one, bounds) for one in several) + "]"
    return message.Message((("content-type", BATCH_CONTENT_TYPE),), body.encode())


def _check_size(what: str, size: int, most: int) -> None:
    if size > most:
        raise errors.EventTooLarge(f"{what} has {size} bytes; at most {most}: send a reference to larger content")


def _make(members: dict[str, jsontext.Member], bounds: limits.Limits) -> event.Event:
    members = {name: member for name, member in members.items() if member.kind != "n"}
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    if data and encoded:
        raise errors.InvalidEvent("data and data_base64 are both given; an event has one of them")
    attributes = {name: _read_attribute(name, member) for name, member in members.items()}
    if encoded:
        return event.make_event(attributes, _decode_base64(encoded), bounds)
    if data is None:
        return event.make_event(attributes, None, bounds)
    attributes.setdefault("datacontenttype", "application/json")
    return event.make_event(attributes, _read_data(attributes["datacontenttype"], data), bounds)


def _read_attribute(name: str, member: jsontext.Member) -> str:
    if member.kind == '"':
        return str(member.value)
    if name in event.CORE:
        raise errors.InvalidEvent(f"attribute {name} = {rules.cut(member.raw)} is a JSON string; put it in quotes")
    if member.kind in "tf":
        return member.raw
    # An integer has at most eleven characters; longer ones are not even converted.
    if member.raw.lstrip("-").isdigit() and len(member.raw) <= len(str(_INTEGERS[0])) and int(member.raw) in _INTEGERS:
        return member.raw
    raise errors.InvalidEvent(
        f"attribute {rules.cut(name)} = {rules.cut(member.raw)} is none of: string, true, false, 32-bit integer;"
        " write it as a string, or put it into data"
    )


def _decode_base64(member: jsontext.Member) -> bytes:
    try:
        if member.kind == '"':
            return base64.b64decode(str(member.value), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise errors.InvalidEvent(
        f"data_base64 = {rules.cut(member.raw)} is a string in base64 (RFC 4648, section 4) with its padding"
    )


def _read_data(content_type: str, member: jsontext.Member) -> bytes:
    """Return the bytes of ``data``: JSON as it stands, text in the character set of ``content_type``."""
    kind = media.parse_media_type(content_type)
    if kind is None or kind.is_json:  # None: the check of the attributes refuses it
        return member.raw.encode()
    if member.kind != '"':
        raise errors.InvalidEvent(
            f"data = {rules.cut(member.raw)} is JSON, but datacontenttype is {rules.cut(content_type)}: give a string,"
            " data_base64, or datacontenttype application/json"
        )
    charset = _CHARSETS.get(kind.charset)
    try:
        if charset:
            return str(member.value).encode(charset)
    except UnicodeEncodeError:
        pass
    raise errors.InvalidEvent(
        f"data cannot be written in the character set of datacontenttype {rules.cut(content_type)}; send data_base64"
    )


def _render(one: event.Event, bounds: limits.Limits) -> str:
    text = json.dumps(dict(one.attributes), ensure_ascii=False, separators=(",", ":"))
    return text if one.data is None else f"{text[:-1]},{_render_data(one.content_type, one.data, bounds)}}}"


def _render_data(content_type: str | None, data: bytes, bounds: limits.Limits) -> str:
    """Return the member for ``data`` from which ``_read_data`` makes the same bytes again."""
    kind = media.parse_media_type(content_type or "")
    try:
        text = data.decode()
        if kind and kind.is_json and _is_sound(text, data, bounds):
            return f'"data":{text}'
        if kind and kind.is_text and kind.charset in {None, "utf-8"}:
            return f'"data":{json.dumps(text, ensure_ascii=False)}'
    except UnicodeDecodeError:
        pass
    return f'"data_base64":"{base64.b64encode(data).decode()}"'


def _is_sound(text: str, data: bytes, bounds: limits.Limits) -> bool:
    """Tell whether ``data`` can stand in an event as JSON: it is, has nothing around it, and is not null."""
    try:
        jsontext.check_depth(data, bounds.depth - 1)
    except errors.EventTooLarge:
        return False
    return text != "null" and jsontext.is_document(text)
