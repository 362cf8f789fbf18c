"""What CloudEvents 1.0.2 asks of attributes.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, sections "Type System" and "Context
Attributes". Every refusal names the attribute, its value (cut) and the rule.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from mayfly import errors
from mayfly.events import limits, media

SHOWN = 80
"""Characters of a value that an error shows."""

_NAME = re.compile(r"[a-z0-9]+")
_FORBIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17))
    + "]"
)
"""Control characters, surrogates and noncharacters: section "Type System", String."""

_CHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_USER = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})"
_NAMED_HOST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+"
_HOST = rf"(?:\[[0-9A-Fa-f:.]++\]|\[v[0-9A-Fa-f]++\.[A-Za-z0-9\-._~!$&'()*+,;=:]++\]|{_NAMED_HOST})"
_AUTHORITY = rf"//(?:{_USER}*+@)?{_HOST}(?::[0-9]*+)?"
_TAIL = rf"(?:\?(?:{_CHAR}|[/?])*+)?(?:\#(?:{_CHAR}|[/?])*+)?"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*+:"
_FIRST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@]|%[0-9A-Fa-f]{2})"
_URI = re.compile(rf"{_SCHEME}(?:{_AUTHORITY}(?:/{_CHAR}*+)*+|/?(?:{_CHAR}++(?:/{_CHAR}*+)*+)?){_TAIL}")
_REFERENCE = re.compile(
    rf"(?:{_SCHEME})?{_AUTHORITY}(?:/{_CHAR}*+)*+{_TAIL}"
    rf"|{_SCHEME}/?(?:{_CHAR}++(?:/{_CHAR}*+)*+)?{_TAIL}"
    rf"|(?:/(?:{_CHAR}++(?:/{_CHAR}*+)*+)?|{_FIRST}++(?:/{_CHAR}*+)*+)?{_TAIL}"
)
"""RFC 3986, appendix A: ``URI-reference``, whose relative form has no ``:`` in its first segment."""

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
"""RFC 3339, section 5.6; 60 is a leap second."""


def cut(value: str) -> str:
    """Return ``value`` quoted and at most ``SHOWN`` characters long, safe for logs and answers."""
    return ascii(value) if len(value) <= SHOWN else f"{value[:SHOWN]!a}..."


def check_attributes(attributes: dict[str, str], bounds: limits.Limits) -> None:
    """Raise ``InvalidEvent`` unless ``attributes`` are those of a CloudEvent 1.0."""
    check_version(attributes.get("specversion"))
    for name in ("id", "source", "type"):
        if name not in attributes:
            raise errors.InvalidEvent(f"attribute {name} is missing; every event has id, source, type and specversion")
    if len(attributes) > bounds.attributes:
        raise errors.EventTooLarge(f"{len(attributes)} attributes; an event has at most {bounds.attributes}")
    size = 0
    for name, value in attributes.items():
        check_name(name, bounds)
        size += len(name) + _check_value(name, value, bounds)
        check = _FORMATS.get(name)
        if check is not None:
            check(name, value)
    if size > bounds.attribute_bytes:
        raise errors.EventTooLarge(
            f"attributes have {size} bytes; at most {bounds.attribute_bytes}: larger content belongs into data"
        )


def check_version(version: str | None) -> None:
    """Raise ``InvalidEvent`` unless ``version`` is 1.0, with the way out for the older ones."""
    if version == "1.0":
        return
    if version is None:
        raise errors.InvalidEvent("attribute specversion is missing; send specversion 1.0")
    if version in {"0.1", "0.2", "0.3"}:
        raise errors.UnsupportedEvent(
            f"specversion {version} is a draft of CloudEvents that is not read here; send specversion 1.0"
        )
    raise errors.UnsupportedEvent(f"specversion {cut(version)} is not known; send specversion 1.0")


def check_name(name: str, bounds: limits.Limits) -> None:
    """Raise ``InvalidEvent`` unless ``name`` may be an attribute's."""
    if _NAME.fullmatch(name) is None:
        raise errors.InvalidEvent(f"attribute name {cut(name)}: names consist of lower-case letters a-z and digits")
    if len(name) > bounds.name_length:
        raise errors.EventTooLarge(
            f"attribute name {cut(name)} has {len(name)} characters; at most {bounds.name_length}, and 20 are advised"
        )
    if name == "data":
        raise errors.InvalidEvent("attribute name data is reserved for the data of the event; name the extension anew")


def check_data(data: bytes | None, bounds: limits.Limits) -> None:
    """Raise ``EventTooLarge`` when ``data`` is too long."""
    if data is not None and len(data) > bounds.event_bytes:
        raise errors.EventTooLarge(
            f"data has {len(data)} bytes; at most {bounds.event_bytes}: send a reference to larger content"
        )


def _check_value(name: str, value: str, bounds: limits.Limits) -> int:
    """Return the bytes of ``value`` in UTF-8."""
    if len(value) > bounds.value_length:
        raise errors.EventTooLarge(
            f"attribute {name} = {cut(value)} has {len(value)} characters; at most {bounds.value_length}"
        )
    if value.isascii() and value.isprintable():
        return len(value)
    found = _FORBIDDEN.search(value)
    if found:
        raise errors.InvalidEvent(
            f"attribute {name} = {cut(value)}: character U+{ord(found[0]):04X} at {found.start()} is not allowed;"
            " text has no control characters, surrogates or noncharacters"
        )
    return len(value.encode())


def _check_filled(name: str, value: str) -> None:
    if not value:
        raise errors.InvalidEvent(f"attribute {name} is empty; leave it out or give it a value")


def _check_source(name: str, value: str) -> None:
    if not value or _REFERENCE.fullmatch(value) is None:
        raise errors.InvalidEvent(
            f"attribute {name} = {cut(value)} is not a URI reference (RFC 3986) of one character or more;"
            " write /orders/eu or https://shop.example/orders, and percent-encode other characters"
        )


def _check_schema(name: str, value: str) -> None:
    # RFC 3986's absolute-URI has no fragment; schemas are named with one so often that it is let through.
    if _URI.fullmatch(value) is None:
        raise errors.InvalidEvent(
            f"attribute {name} = {cut(value)} is not an absolute URI; write https://shop.example/order.json"
        )


def _check_time(name: str, value: str) -> None:
    found = _TIME.fullmatch(value)
    try:
        if found:
            dt.date(int(found[1]), int(found[2]), int(found[3]))
            return
    except ValueError:
        pass
    raise errors.InvalidEvent(
        f"attribute {name} = {cut(value)} is not an instant of RFC 3339; write 2026-11-21T10:00:00Z"
    )


def _check_media_type(name: str, value: str) -> None:
    if media.parse_media_type(value) is None:
        raise errors.InvalidEvent(
            f"attribute {name} = {cut(value)} is not a media type (RFC 2046); write application/json"
            " (over HTTP it is the header Content-Type)"
        )


_FORMATS: dict[str, Callable[[str, str], None]] = {
    "id": _check_filled,
    "type": _check_filled,
    "subject": _check_filled,
    "source": _check_source,
    "time": _check_time,
    "datacontenttype": _check_media_type,
    "dataschema": _check_schema,
}
