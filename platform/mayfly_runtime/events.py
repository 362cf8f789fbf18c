"""CloudEvents 1.0 over HTTP: strict in, plain out.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md. The SDK is not
used for parsing: it invents a missing id and time, lets broken JSON through as text, and a deeply nested body stops it.
"""

from __future__ import annotations

import base64
import os
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from mayfly_runtime import calls, problem, replies, requests

REQUIRED = ("specversion", "id", "source", "type")
_NAME = re.compile(r"[a-z0-9]+").fullmatch
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)").fullmatch
_JSON_TYPE = re.compile(r"(application|text)/([a-z0-9.-]+\+)?json\s*(;.*)?", re.IGNORECASE).fullmatch
_STRUCTURED = b"application/cloudevents"


class CloudEvent:
    """An event: attributes and data. It answers to the names both generations of the Python SDK use.

    ``event["type"]``, ``event.get("subject")``, ``event.data``; ``event.get_type()``, ``event.get_data()``,
    ``event.get_extension("tenant")``. ``time`` is text in ``event["time"]`` and a datetime from ``get_time()``.
    """

    def __init__(self, attributes: Mapping[str, Any], data: Any = None) -> None:
        self._attributes = dict(attributes)
        self.data = data

    def __getitem__(self, name: str) -> Any:
        return self._attributes[name]

    def __contains__(self, name: object) -> bool:
        return name in self._attributes

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CloudEvent):
            return NotImplemented
        return self._attributes == other._attributes and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"CloudEvent({self._attributes!r}, {self.data!r})"

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, ``default`` without it."""
        return self._attributes.get(name, default)

    def get_attributes(self) -> dict[str, Any]:
        """Return the attributes."""
        return self._attributes

    def get_data(self) -> Any:
        """Return the data."""
        return self.data

    def get_id(self) -> str:
        """Return the id."""
        return self._attributes["id"]  # type: ignore[no-any-return]

    def get_source(self) -> str:
        """Return the source."""
        return self._attributes["source"]  # type: ignore[no-any-return]

    def get_type(self) -> str:
        """Return the type."""
        return self._attributes["type"]  # type: ignore[no-any-return]

    def get_specversion(self) -> str:
        """Return the version of the specification."""
        return self._attributes["specversion"]  # type: ignore[no-any-return]

    def get_datacontenttype(self) -> str | None:
        """Return the content type of the data, None when not stated."""
        return self.get("datacontenttype")  # type: ignore[no-any-return]

    def get_dataschema(self) -> str | None:
        """Return the schema of the data, None when not stated."""
        return self.get("dataschema")  # type: ignore[no-any-return]

    def get_subject(self) -> str | None:
        """Return the subject, None when not stated."""
        return self.get("subject")  # type: ignore[no-any-return]

    def get_time(self) -> datetime | None:
        """Return the time, None when not stated."""
        value = self.get("time")
        return parse_time(value) if isinstance(value, str) else value

    def get_extension(self, extension_name: str) -> Any:
        """Return an extension attribute, None without it."""
        return self.get(extension_name)


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time as an aware datetime.

    Raises:
        ValueError: it is not one.
    """
    if not _TIME(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    return datetime.fromisoformat(text.upper())


def is_event(headers: calls.Headers) -> bool:
    """Tell whether a request's headers announce a CloudEvent, in binary or structured mode."""
    return any(name == b"ce-specversion" or (name == b"content-type" and _is_structured(v)) for name, v in headers)


def _is_structured(content_type: bytes) -> bool:
    return content_type.lower().startswith(_STRUCTURED)


def parse_event(headers: calls.Headers, body: bytes) -> tuple[dict[str, str], Any]:
    """Return the attributes and the data of the event in a request; pure.

    JSON data is parsed, text is decoded, anything else stays bytes; no data is None.

    Raises:
        Problem: 400 naming the attribute or the fault; 415 for a batch or a format other than JSON.
    """
    content_type = next((value for name, value in headers if name == b"content-type"), b"")
    if _is_structured(content_type):
        attributes, data = _parse_structured(content_type.decode("latin-1"), body)
    else:
        attributes = _read_attributes(headers, content_type.decode("latin-1"))
        check_attributes(attributes)
        data = parse_data(body, attributes.get("datacontenttype"))
    return attributes, data


def _read_attributes(headers: calls.Headers, content_type: str) -> dict[str, str]:
    """Return the attributes of a binary-mode request; header values are percent-encoded UTF-8 (section 3.1.3.2)."""
    attributes: dict[str, str] = {}
    for raw, value in headers:
        if raw.startswith(b"ce-"):
            name = raw[3:].decode("latin-1")
            if name in attributes:
                raise _refuse(name, "is sent twice")
            attributes[name] = _decode_value(name, value)
    if content_type:
        attributes["datacontenttype"] = content_type
    return attributes


def _decode_value(name: str, value: bytes) -> str:
    try:
        return urllib.parse.unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise _refuse(name, "is not percent-encoded UTF-8") from None


def _parse_structured(content_type: str, body: bytes) -> tuple[dict[str, str], Any]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/cloudevents+json":
        raise problem.Problem(415, f"{kind} is not understood; send one event as application/cloudevents+json")
    document = requests.parse_json(body)
    if not isinstance(document, dict):
        raise problem.Problem(400, f"a structured CloudEvent is a JSON object, not {type(document).__name__}")
    data, encoded = document.pop("data", None), document.pop("data_base64", None)
    attributes = {name: _read_value(name, value) for name, value in document.items() if value is not None}
    check_attributes(attributes)
    if encoded is None:
        return attributes, data
    if data is not None:
        raise _refuse("data_base64", "and data exclude each other")
    return attributes, parse_data(decode_base64(encoded), attributes.get("datacontenttype"))


def decode_base64(text: Any) -> bytes:
    """Return the bytes of ``data_base64``.

    Raises:
        Problem: 400, it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise _refuse("data_base64", "is not base64") from None


def _read_value(name: str, value: Any) -> str:
    """Return an attribute's canonical text (spec, section Type System): booleans and integers are allowed too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value
    raise _refuse(name, f"is {type(value).__name__}; it must be text, a number or a boolean")


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Hold the attributes against the specification.

    Raises:
        Problem: 400 naming the first attribute that is missing, empty or malformed.
    """
    for name in REQUIRED:
        if not attributes.get(name):
            raise _refuse(name, "is required and " + ("empty" if name in attributes else "missing"))
    if attributes["specversion"] != "1.0":
        raise _refuse("specversion", f"is {attributes['specversion']!r}; only 1.0 is understood")
    for name, value in attributes.items():
        if not value:
            raise _refuse(name, "is empty; leave it out")
        if not _NAME(name) or name == "data":
            raise _refuse(name, "is no attribute name; names are lower-case letters and digits")
    if "time" in attributes:
        try:
            parse_time(attributes["time"])
        except ValueError as error:
            raise _refuse("time", f": {error}") from None


def _refuse(name: str, fault: str) -> problem.Problem:
    return problem.Problem(400, f"CloudEvent attribute '{name}' {fault}", attribute=name)


def parse_data(body: bytes, content_type: str | None) -> Any:
    """Return ``body`` as its content type says: JSON, text, or bytes; None when empty.

    Raises:
        Problem: 400, it is announced as JSON or UTF-8 text and is not.
    """
    if not body:
        return None
    if content_type and _JSON_TYPE(content_type):
        return requests.parse_json(body)
    if content_type and content_type.lower().startswith("text/"):
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return body
    return body


def make_reply(attributes: Mapping[str, Any], data: Any) -> replies.Reply:
    """Return an event as a binary-mode response; ``id``, ``specversion`` and ``time`` are added where they lack.

    Raises:
        ReplyError: an attribute is missing or malformed, or the data cannot be written.
    """
    complete = {"specversion": "1.0", "id": os.urandom(16).hex(), "time": _now()}
    complete |= {name: write_value(value) for name, value in attributes.items() if value is not None}
    kind, body = _write_data(data, complete.pop("datacontenttype", None))
    try:
        check_attributes(complete)
    except problem.Problem as fault:
        raise replies.ReplyError(f"the function returned an event that is not valid: {fault.detail}") from None
    headers = [(f"ce-{name}".encode(), _encode_value(value)) for name, value in complete.items()]
    if kind:
        headers.append((b"content-type", kind.encode("latin-1")))
    return replies.Reply(200, headers, body)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write_value(value: Any) -> str:
    """Return an attribute's value as text."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _encode_value(value: str) -> bytes:
    """Percent-encode all but printable ASCII, and space, quote and percent (section 3.1.3.2)."""
    return urllib.parse.quote(value, safe="!#$&'()*+,/:;<=>?@[\\]^`{|}~").encode()


def _write_data(data: Any, content_type: str | None) -> tuple[str | None, bytes]:
    """Return content type and body; text goes out as it is, even as JSON, which is what the SDK does."""
    if data is None:
        return content_type, b""
    if isinstance(data, bytes | bytearray | memoryview):
        return content_type or "application/octet-stream", bytes(data)
    if isinstance(data, str):
        return content_type or "text/plain; charset=utf-8", data.encode()
    return content_type or "application/json", replies.encode_json(data)
