"""Binary content mode: attributes are headers, data is the body.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md, section 3.1.
"""

from __future__ import annotations

import re

from mayfly import errors
from mayfly.events import event, limits, message, rules

PREFIX = "ce-"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?")
_TO_ENCODE = re.compile(r"[^!#$&-~]")
"""Everything but U+0021-U+007E, and of these the double quote and ``%``: section 3.1.3.2."""


def read(headers: message.Headers, body: bytes, bounds: limits.Limits) -> event.Event:
    """Return the event of a request in binary mode; its body is kept as it is and not looked into.

    Raises:
        InvalidEvent: a header breaks a rule.
    """
    attributes: dict[str, str] = {}
    for key, text in headers:
        name = key.lower()
        if name.startswith(PREFIX):
            name = name[3:]
            if name == "datacontenttype":
                raise errors.InvalidEvent("header ce-datacontenttype is not allowed; Content-Type says it")
            value = _decode(name, text)
        elif name == "content-type":
            name, value = "datacontenttype", text.strip(" \t")
        else:
            continue
        if name in attributes:
            raise errors.InvalidEvent(f"header {_header_of(name)} is given twice; every attribute is given once")
        attributes[name] = value
    if not attributes.keys() - {"datacontenttype"}:
        raise errors.InvalidEvent(
            "the request is no event: it has no headers ce-id, ce-source, ce-type, ce-specversion, and its Content-Type"
            " is neither application/cloudevents+json nor application/cloudevents-batch+json"
        )
    return event.make_event(attributes, body, bounds)


def write(one: event.Event) -> message.Message:
    """Return the request that carries ``one`` in binary mode."""
    headers = []
    for name, value in one.attributes.items():
        if name == "datacontenttype":
            headers.append(("content-type", value))
        else:
            headers.append((PREFIX + name, encode(value)))
    return message.Message(tuple(headers), one.data or b"")


def encode(value: str) -> str:
    """Return an attribute's ``value`` as it stands in a header.

    >>> encode("Euro € 100%")
    'Euro%20%E2%82%AC%20100%25'
    """
    if _TO_ENCODE.search(value) is None:
        return value
    return _TO_ENCODE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), value)


def _decode(name: str, text: str) -> str:
    """Return the value of attribute ``name`` that stands in its header as ``text``."""
    if text.isascii() and text.isprintable() and '"' not in text and "%" not in text:
        return text.strip(" ")
    text = text.strip(" \t")
    if not text.isascii() or not text.isprintable():
        raise errors.InvalidEvent(
            f"header {PREFIX}{name} = {rules.cut(text)}: write other than printable ASCII as percent-encoded UTF-8"
        )
    if text.startswith('"'):
        text = _unquote(name, text)
    if "%" not in text:
        return text
    try:
        return _PERCENT.sub(_decode_one, text).encode("latin-1").decode()
    except ValueError as error:
        raise errors.InvalidEvent(
            f"header {PREFIX}{name} = {rules.cut(text)}: after % stand two hexadecimal digits of a byte of UTF-8;"
            " % itself is %25"
        ) from error


def _decode_one(found: re.Match[str]) -> str:
    if found[1] is None:
        raise ValueError(found[0])
    return chr(int(found[1], 16))


def _unquote(name: str, text: str) -> str:
    """Undo double quotes (RFC 9110, section 5.6.4), which senders before 1.0.2 used."""
    found = _QUOTED.fullmatch(text)
    if found is None:
        raise errors.InvalidEvent(
            f"header {PREFIX}{name} = {rules.cut(text)}: the double quotes do not pair; write a quote as %22"
        )
    return _ESCAPED.sub(r"\1", found[1])


def _header_of(name: str) -> str:
    return "Content-Type" if name == "datacontenttype" else f"{PREFIX}{name}"
