"""Send requests to a function through the gateway, and copy what it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import AsyncIterator
from urllib import parse

import aiohttp

from mayfly import errors
from mayfly.cli import deployment, exits, gateway, session, talk

_REFUSED = 400


@dataclasses.dataclass(frozen=True)
class Request:
    """One HTTP request to a function; ``body`` is ``None`` for none."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a function is called: base URL of the gateway, and the host that names the function there."""

    base: str
    host: str


async def find_place(target: session.Target, name: str) -> Place:
    """Return where the function ``name`` is called.

    Raises:
        exits.Failed: the function has no URL, or none that is reachable from here.
        errors.Unreachable: the gateway's address is not known.
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
    return Place(base, parse.urlsplit(url).netloc)


@contextlib.asynccontextmanager
async def send(place: Place, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
    """Give the answer to ``request``, its body still to be read.

    Raises:
        errors.Unreachable: there was none, or it broke off.
    """
    headers = [*request.headers, ("Host", place.host)]
    skipped = [field for field in ("Accept", "Content-Type") if field not in {name for name, _ in headers}]
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), auto_decompress=True, skip_auto_headers=skipped
            ) as caller,
            caller.request(
                request.method, place.base + request.path, headers=headers, data=request.body, allow_redirects=False
            ) as response,
        ):
            yield response
    except BrokenPipeError:
        raise  # whoever reads our output has gone, not the gateway
    except (aiohttp.ClientError, OSError) as error:
        raise errors.Unreachable(
            f"the gateway at {place.base} did not answer: {error or type(error).__name__}"
        ) from error


async def copy(response: aiohttp.ClientResponse, *, name: str, include: bool, began: float) -> int:
    """Copy an answer's body to stdout, say on stderr what it was, and return the exit code.

    ``began`` is when the call did, by ``time.perf_counter``.
    """
    first = time.perf_counter() - began
    if include:
        talk.say("".join(f"{field}: {value}\n" for field, value in response.headers.items()))
    last = b"\n"
    async for last in response.content.iter_any():
        sys.stdout.buffer.write(last)
        sys.stdout.buffer.flush()
    whole = time.perf_counter() - began
    if sys.stdout.isatty() and not last.endswith(b"\n"):
        talk.say("")  # the cursor stands behind the body
    identity = response.headers.get("X-Request-Id")
    shown = f"HTTP {response.status} {response.reason or ''}".rstrip()
    shown += f" in {whole * 1000:.0f} ms (first byte {first * 1000:.0f} ms)"
    good = response.status < _REFUSED
    talk.say(talk.paint(shown + (f", request {identity}" if identity else ""), "dim" if good else "red"))
    if good:
        return exits.OK
    talk.say(f"its log: mayfly logs {name}")
    return exits.FUNCTION_ERROR
