"""Call a function through the gateway."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import pathlib
import sys
import time
import uuid
from urllib import parse

import aiohttp

from mayfly import errors
from mayfly.cli import deployment, exits, gateway, session, talk

SOURCE = "/mayfly/cli"
"""``source`` of the CloudEvents that the command makes."""
_REFUSED = 400


@dataclasses.dataclass(frozen=True)
class Request:
    """One HTTP request to a function; ``body`` is ``None`` for none."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


def make_request(*, data: str | None, method: str | None, headers: list[str], path: str, event: str | None) -> Request:
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
    return Request((method or ("POST" if sends else "GET")).upper(), full, tuple(given + made), body)


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


async def invoke(target: session.Target, name: str, request: Request, *, include: bool, seconds: float) -> int:
    """Send ``request`` to the function ``name``, copy the answer to stdout and return the exit code.

    Raises:
        exits.Failed: the function has no URL, or none that is reachable from here.
        exits.TimedOut: no whole answer within ``seconds``.
        errors.Unreachable: the gateway did not answer.
    """
    async with session.connect(target) as current:
        function = await current.get_function(name)
        url = (function.get("status") or {}).get("url")
        if not url:
            raise exits.Failed(f"{name} has no URL yet; see what it waits for: mayfly get {name}")
        if deployment.is_cluster_local(url):
            raise exits.Failed(
                f"{name} is cluster-local: {url} answers inside the cluster alone; deploy it with --visibility public"
            )
        base = await gateway.find_gateway(current, kubeconfig=target.kubeconfig)
    host = parse.urlsplit(url).netloc
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(base, host, request, name=name, include=include)
    except TimeoutError:
        raise exits.TimedOut(f"{name} gave no whole answer within {seconds:g} s; --timeout waits longer") from None


async def _exchange(base: str, host: str, request: Request, *, name: str, include: bool) -> int:
    headers = [*request.headers, ("Host", host)]
    skipped = [field for field in ("Accept", "Content-Type") if field not in {name for name, _ in headers}]
    began = time.perf_counter()
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), auto_decompress=True, skip_auto_headers=skipped
            ) as caller,
            caller.request(
                request.method, base + request.path, headers=headers, data=request.body, allow_redirects=False
            ) as response,
        ):
            first = time.perf_counter() - began
            if include:
                talk.say("".join(f"{field}: {value}\n" for field, value in response.headers.items()))
            last = b"\n"
            async for last in response.content.iter_any():
                sys.stdout.buffer.write(last)
                sys.stdout.buffer.flush()
            status, reason = response.status, response.reason
    except (aiohttp.ClientError, OSError) as error:
        raise errors.Unreachable(f"the gateway at {base} did not answer: {error or type(error).__name__}") from error
    whole = time.perf_counter() - began
    if sys.stdout.isatty() and not last.endswith(b"\n"):
        talk.say("")  # the cursor stands behind the body
    identity = response.headers.get("X-Request-Id")
    shown = f"HTTP {status} {reason or ''}".rstrip() + f" in {whole * 1000:.0f} ms (first byte {first * 1000:.0f} ms)"
    talk.say(talk.paint(shown + (f", request {identity}" if identity else ""), "dim" if status < _REFUSED else "red"))
    if status < _REFUSED:
        return exits.OK
    talk.say(f"its log: mayfly logs {name}")
    return exits.FUNCTION_ERROR
