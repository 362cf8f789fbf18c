"""What a plain function may return, turned into a response."""

from __future__ import annotations

import functools
import inspect
import io
import json
import re
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mayfly_runtime import calls, workers

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
BYTES = b"application/octet-stream"
_OURS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"x-request-id"})
"""Headers that the runtime or the server writes."""
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_PIECE = 64 * 1024

Body = bytes | Iterable[Any] | AsyncIterable[Any]


class ReplyError(Exception):
    """The function returned something that cannot be sent; the text says what it may return."""


class Reply(NamedTuple):
    """Status, headers (no length, no request id), and the body whole or as an iterable of str or bytes."""

    status: int
    headers: calls.Headers
    body: Body


def _encode_other(value: Any) -> Any:
    """Serialise what ``json`` does not know: dates as ISO 8601, dataclasses as objects, sets as lists, others as text.

    Raises:
        TypeError: for anything else.
    """
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, set | frozenset):
        return list(value)
    if type(value).__name__ in {"Decimal", "UUID"} or hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_encode_other).encode


def encode_json(value: Any) -> bytes:
    """Return ``value`` as compact UTF-8 JSON.

    Raises:
        TypeError: it holds something that JSON cannot express.
    """
    return _encode(value).encode()


def make_reply(result: Any) -> Reply:
    """Return the response for a plain function's result.

    ``str`` is text, ``bytes`` are bytes, ``dict`` and ``list`` are JSON, ``None`` is 204; ``(body, status)``,
    ``(body, headers)`` and ``(body, status, headers)`` as in Flask; iterators and files are streamed; an object with
    ``status_code`` and ``headers`` is a framework's response.

    Raises:
        ReplyError: it is none of these.
    """
    kind = type(result)
    if kind is str:
        return Reply(200, [(b"content-type", TEXT)], result.encode())
    if kind is dict or kind is list:
        return Reply(200, [(b"content-type", JSON)], encode_json(result))
    if kind is tuple:
        return _make_from_tuple(result)
    if result is None:
        return Reply(204, [], b"")
    if hasattr(result, "status_code") and hasattr(result, "headers"):
        return _make_from_response(result)
    content_type, body = _make_body(result)
    return Reply(200, [(b"content-type", content_type)], body)


def _make_body(result: Any) -> tuple[bytes, Body]:
    """Return the default content type and the body of a bare result."""
    if isinstance(result, str):
        return TEXT, result.encode()
    if isinstance(result, bytes | bytearray | memoryview):
        return BYTES, bytes(result)
    if isinstance(result, Mapping | list | bool | int | float):
        return JSON, encode_json(dict(result) if isinstance(result, Mapping) else result)
    if isinstance(result, io.IOBase):
        return BYTES, iter(functools.partial(result.read, _PIECE), b"")
    if isinstance(result, Iterator) or hasattr(result, "__aiter__"):
        return TEXT, result
    raise ReplyError(
        f"the function returned {type(result).__name__}; return str, bytes, dict, list, None, a generator,"
        " a response object, or (body, status, headers)"
    )


def _make_from_tuple(result: tuple[Any, ...]) -> Reply:
    if len(result) not in {2, 3}:
        raise ReplyError(f"the function returned a tuple of {len(result)}; return (body, status) or with headers third")
    second_is_headers = len(result) == 2 and isinstance(result[1], Mapping | list)  # noqa: PLR2004
    status, headers = (None, result[1]) if second_is_headers else (result[1], result[2] if result[2:] else None)
    reply = Reply(200, [], b"") if result[0] is None else make_reply(result[0])
    added = make_headers(headers or ())
    replaced = {name for name, _ in added if name != b"set-cookie"}
    kept = [pair for pair in reply.headers if pair[0] not in replaced]
    return Reply(reply.status if status is None else read_status(status), kept + added, reply.body)


def _make_from_response(response: Any) -> Reply:
    """Take apart a framework's response (werkzeug, requests and httpx alike) by the names they share."""
    headers = response.headers
    pairs = headers.multi_items() if hasattr(headers, "multi_items") else headers.items()
    if hasattr(response, "iter_encoded"):
        body: Any = b"".join(response.iter_encoded()) if not response.is_streamed else response.iter_encoded()
    else:
        body = next(
            (getattr(response, name) for name in ("body", "content", "data", "text") if _has(response, name)), b""
        )
    return Reply(
        read_status(response.status_code), make_headers(list(pairs)), body.encode() if isinstance(body, str) else body
    )


def _has(response: Any, name: str) -> bool:
    return isinstance(getattr(response, name, None), str | bytes)


def read_status(status: Any) -> int:
    """Return a final HTTP status from an int, an ``HTTPStatus`` or text such as ``201 CREATED``.

    Raises:
        ReplyError: it is not one from 200 to 599.
    """
    text = str(int(status)) if isinstance(status, int) and not isinstance(status, bool) else str(status).split(" ")[0]
    if len(text) == 3 and text.isascii() and text.isdigit() and "200" <= text <= "599":  # noqa: PLR2004
        return int(text)
    raise ReplyError(f"the function returned status {status!r}; it must be an integer from 200 to 599")


def make_headers(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> calls.Headers:
    """Return raw headers from a mapping (a value may be a list) or pairs, without those the server writes.

    Raises:
        ReplyError: a name or value that HTTP does not allow, such as one with a line feed.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    made: calls.Headers = []
    for name, value in pairs:
        key = str(name).lower().encode("utf-8")
        if not _TOKEN(key):
            raise ReplyError(f"the function returned the header name {name!r}, which HTTP does not allow")
        values = value if isinstance(value, list | tuple) else [value]
        made += [(key, _make_value(key, one)) for one in values if key not in _OURS]
    return made


def _make_value(name: bytes, value: Any) -> bytes:
    text = value if isinstance(value, bytes) else str(value).encode("utf-8")
    if _CONTROL(text):
        raise ReplyError(
            f"the function returned the header {name.decode()}: {value!r}, which holds a control character"
        )
    return text


async def send(call: calls.Call, reply: Reply, threads: workers.Workers) -> None:
    """Send ``reply``; a synchronous iterable is drained in a worker."""
    body = reply.body
    if isinstance(body, bytes):
        await call.respond(reply.status, reply.headers, body)
        return
    stream = calls.Stream(call, reply.status, reply.headers)
    try:
        if isinstance(body, AsyncIterable):
            await _drain(stream, body)
        else:
            await threads.run(_drain_in_thread, stream, body)
        await stream.finish()
    finally:
        stream.close()


async def _drain(stream: calls.Stream, body: AsyncIterable[Any]) -> None:
    try:
        async for piece in body:
            await stream.write(make_piece(piece))
    finally:
        if inspect.isasyncgen(body):
            await body.aclose()


def _drain_in_thread(stream: calls.Stream, body: Iterable[Any]) -> None:
    try:
        for piece in body:
            stream.write_from_thread(make_piece(piece))
    finally:
        if hasattr(body, "close"):
            body.close()


def make_piece(piece: Any) -> bytes:
    """Return one streamed piece as bytes.

    Raises:
        ReplyError: it is neither str nor bytes.
    """
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise ReplyError(f"the function yielded {type(piece).__name__}; yield str or bytes")
