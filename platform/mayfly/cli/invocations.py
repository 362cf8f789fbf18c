"""Ask the REST API about invocations, page by page and step by step."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib import parse

from mayfly.cli import exits, rest, talk

Document = dict[str, Any]

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A UUID of version 7; no function has such a name by chance."""
PAGE = 500
"""What the API gives at once."""
TELL_SECONDS = 2
"""After so long somebody who waits is told for what."""
PATIENCE_SECONDS = 15
"""How long one question is left open; well below what proxies on the way stand."""
PAUSE_SECONDS = 0.5
"""Least time between two questions, should the API not hold one back."""
_PENDING = 202


def place_of(identity: str) -> str:
    """Return the path of an invocation below its namespace.

    Raises:
        exits.WrongUsage: it is no id.
    """
    if not ID.fullmatch(identity):
        raise exits.WrongUsage(f"{identity!r} is no id of an invocation; mayfly invocations list shows those there are")
    return f"/invocations/{identity}"


async def find(api: rest.Api, identity: str) -> Document:
    """Return one invocation; raises ``errors.NotFound`` when it is not there."""
    found: Document = (await api.ask("GET", place_of(identity))).document
    return found


async def find_attempts(api: rest.Api, identity: str) -> list[Document]:
    """Return every attempt of an invocation, in order."""
    found: list[Document] = (await api.ask("GET", f"{place_of(identity)}/attempts")).document["items"]
    return found


async def list_all(
    api: rest.Api, path: str, *, limit: int | None, conditions: Mapping[str, str | None]
) -> list[Document]:
    """Return up to ``limit`` items of a list (``None``: all of them) for which the conditions hold."""
    found: list[Document] = []
    cursor: str | None = None
    while True:
        size = PAGE if limit is None else min(PAGE, limit - len(found))
        query = _encode({**conditions, "limit": str(size), "cursor": cursor})
        page = (await api.ask("GET", f"{path}?{query}")).document
        found += page["items"]
        cursor = page["cursor"]
        if cursor is None or (limit is not None and len(found) >= limit):
            return found


async def go_on(api: rest.Api, method: str, path: str, *, function: str | None) -> AsyncGenerator[Document, None]:
    """Take step after step through dead letters, of ``function`` or (``None``) of all, and give each answer."""
    cursor: str | None = None
    while True:
        query = _encode({"function": function, "cursor": cursor})
        step = (await api.ask(method, f"{path}?{query}")).document
        yield step
        cursor = step["cursor"]
        if cursor is None:
            return


async def find_result(api: rest.Api, identity: str, *, wait_seconds: float | None) -> Document:
    """Return the answer that is kept of an invocation, once it is settled.

    ``wait_seconds`` is how long to wait for that; ``None``: not at all.

    Raises:
        exits.Failed: it is not settled, and nobody wants to wait.
        exits.TimedOut: it was not settled in time.
    """
    began = time.monotonic()
    told = ""
    while True:
        asked = time.monotonic()
        left = 0.0 if wait_seconds is None else wait_seconds - (asked - began)
        longest = PATIENCE_SECONDS if told else TELL_SECONDS
        headers = {"Prefer": f"wait={min(longest, max(1, round(left)))}"} if left > 0 else {}
        reply = await api.ask("GET", f"{place_of(identity)}/result", headers=headers)
        found: Document = reply.document
        if reply.status != _PENDING:
            return found
        _refuse_to_wait(found, left=left, wait_seconds=wait_seconds)
        told = _tell(found, told)
        await asyncio.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - asked)))


def _refuse_to_wait(found: Document, *, left: float, wait_seconds: float | None) -> None:
    if wait_seconds is None:
        raise exits.Failed(f"{found['id']} is {describe(found)}; --wait waits for its answer")
    if left <= 0:
        raise exits.TimedOut(
            f"{found['id']} is {describe(found)} after {wait_seconds:g} s; it goes on without this command:"
            f" mayfly invocations get {found['id']} -n {found['namespace']}"
        )


def _tell(found: Document, told: str) -> str:
    """Say once what is waited for, and return what was said last."""
    text = describe(found)
    if text != told:
        talk.say(f"{found['id']} is {text}")
    return text


def describe(one: Document) -> str:
    """Return in a few words where an invocation stands.

    >>> describe({"state": "waiting", "tries": 2, "nextAttempt": "2026-11-21T06:00:03.500Z", "status": 503})
    'waiting for attempt 3 at 2026-11-21T06:00:03.500Z (the last: HTTP 503)'
    """
    if one["state"] == "waiting":
        last = f" (the last: HTTP {one['status']})" if one["tries"] and one["status"] else ""
        return f"waiting for attempt {one['tries'] + 1} at {one['nextAttempt']}{last}"
    if one["state"] == "leased":
        return f"under way, attempt {one['tries'] + 1}"
    return f"{one['state']} ({one['reason']})" if one["reason"] else str(one["state"])


def _encode(query: Mapping[str, str | None]) -> str:
    return parse.urlencode({name: value for name, value in query.items() if value is not None})
