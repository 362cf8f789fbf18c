"""Call a function through the gateway."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import pathlib
import sys
import time
import uuid

from mayfly.cli import exchange, exits, session

SOURCE = "/mayfly/cli"
"""``source`` of the CloudEvents that the command makes."""


def make_request(
    *, data: str | None, method: str | None, headers: list[str], path: str, event: str | None
) -> exchange.Request:
    """Return the request that the options describe.

    Raises:
        exits.WrongUsage: a header or the file of the body is not right.
    """
    body = _read_body(data)
    given = [_parse_header(header) for header in headers]
    named = {name.lower() for name, _ in given}
    defaults = make_event_headers(event) if event is not None else {}
    if body is not None:
        defaults["Content-Type"] = guess_media_type(body)
    made = [(name, value) for name, value in defaults.items() if name.lower() not in named]
    sends = body is not None or event is not None
    full = path if path.startswith("/") else f"/{path}"
    return exchange.Request((method or ("POST" if sends else "GET")).upper(), full, tuple(given + made), body)


def _read_body(data: str | None) -> bytes | None:
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode()
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return pathlib.Path(data[1:]).read_bytes()
    except OSError as error:
        raise exits.WrongUsage(f"--data {data!r}: the file cannot be read: {error.strerror}") from error


def _parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise exits.WrongUsage(f"--header {text!r}: write 'NAME: VALUE'")
    return name.strip(), value.strip()


def make_event_headers(kind: str) -> dict[str, str]:
    """Return the headers of a binary-mode CloudEvent (CloudEvents HTTP binding 1.0.2, section 3.1)."""
    return {
        "ce-specversion": "1.0",
        "ce-id": str(uuid.uuid4()),
        "ce-source": SOURCE,
        "ce-type": kind,
        "ce-time": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
    }


def guess_media_type(body: bytes) -> str:
    """Return what a body looks like: JSON, text or neither. Pure."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "text/plain; charset=utf-8"
    return "application/json"


async def invoke(target: session.Target, name: str, request: exchange.Request, *, include: bool, seconds: float) -> int:
    """Send ``request`` to the function ``name``, copy the answer to stdout and return the exit code.

    Raises:
        exits.Failed: the function has no URL, or none that is reachable from here.
        exits.TimedOut: no whole answer within ``seconds``.
        errors.Unreachable: the gateway did not answer.
    """
    place = await exchange.find_place(target, name)
    try:
        async with asyncio.timeout(seconds):
            began = time.perf_counter()
            async with exchange.send(place, request) as response:
                return await exchange.copy(response, name=name, include=include, began=began)
    except TimeoutError:
        raise exits.TimedOut(f"{name} gave no whole answer within {seconds:g} s; --timeout waits longer") from None
