"""Responses written as a dict of ``statusCode``, ``headers`` and ``body``, as several platforms have them."""

from __future__ import annotations

from typing import Any

from mayfly_runtime import calls, replies

NAMES = frozenset({"statusCode", "body", "headers"})


def is_response(result: Any) -> bool:
    """Tell whether ``result`` is a dict with at least one of the three."""
    return isinstance(result, dict) and not NAMES.isdisjoint(result)


def make_reply(result: dict[str, Any], *, status: int = 200) -> replies.Reply:
    """Return the response: objects and arrays as JSON, text, bytes and iterators as a plain function's.

    Raises:
        ReplyError: a part has the wrong type.
    """
    headers = result.get("headers") or {}
    if not isinstance(headers, dict | list):
        raise replies.ReplyError(f"headers is {type(headers).__name__}; it must be a dict or a list of pairs")
    given = replies.make_headers(headers)
    body = result.get("body")
    reply = replies.Reply(status, [], b"") if body is None else replies.make_reply(body)
    return replies.Reply(replies.read_status(result.get("statusCode", status)), merge(reply.headers, given), reply.body)


def merge(defaults: calls.Headers, given: calls.Headers) -> calls.Headers:
    """Return ``given`` and those of ``defaults`` whose names it lacks."""
    named = {name for name, _ in given}
    return [pair for pair in defaults if pair[0] not in named] + given
