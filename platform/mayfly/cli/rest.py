"""Speak to Mayfly's REST API, the only part of the platform that the command speaks to itself.

By default through the API server's service proxy, so that nothing needs to be exposed; the proxy takes
``Authorization`` for itself, so the token goes in ``Mayfly-Token``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Protocol
from urllib import parse

import aiohttp

from mayfly import errors
from mayfly.cli import exits, session
from mayfly.cluster import lines

SERVICE = "mayfly-api"
PORT = "http"
DEVELOPER = "mayfly-developer"
"""ServiceAccount for whose short-lived token a user with a client certificate asks; the chart makes it."""
AUDIENCE = "mayfly"
TOKEN_SECONDS = 600
"""The shortest life that the API server gives a token."""
TOKEN_HEADER = "Mayfly-Token"  # noqa: S105  (the name of a header)
SECONDS = 300.0
_REFUSED = 300
"""Redirects are none of the API's answers."""


class Answer(Protocol):
    """What both ways to the API give back."""

    status: int

    async def read(self) -> bytes:
        """Return the whole body."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the body piece by piece, as it comes."""


@dataclasses.dataclass(frozen=True)
class Door:
    """How to reach the REST API: ``url`` is ``None`` for the API server's proxy, ``token`` ``None`` to find one."""

    url: str | None = None
    token: str | None = None


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer that is no refusal."""

    status: int
    body: bytes

    @property
    def document(self) -> Any:
        """Return the JSON that the body is."""
        return json.loads(self.body)


class Api:
    """The REST API for one command: the token is found once, and anew when it has run out."""

    def __init__(self, current: session.Session, door: Door) -> None:
        self.current = current
        self.door = door
        self._token: str | None = None

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Return the answer to a question; ``path`` stands below the namespace and may have a query.

        Raises:
            errors.MayflyError: the API cannot be reached, or refuses; the text says why and what to do.
        """
        try:
            return await self._ask(method, path, headers or {}, body)
        except errors.Unauthorized:
            if self.door.token is not None:
                raise
        self._token = None  # a command that follows outlives a short-lived token
        return await self._ask(method, path, headers or {}, body)

    async def read_lines(self, path: str) -> AsyncGenerator[str, None]:
        """Give a text line by line, as it comes; raises as ``ask`` does."""
        headers = {TOKEN_HEADER: await self._find_token()}
        async with send(
            self.current, self.door, method="GET", path=self._place(path), headers=headers, seconds=None
        ) as answer:
            if answer.status >= _REFUSED:
                raise explain(answer.status, await answer.read(), self.door)
            async for line in lines.split(answer.chunks()):
                yield line.decode(errors="replace")

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        whole = {TOKEN_HEADER: await self._find_token(), **headers}
        if body is not None:
            whole["Content-Length"] = str(len(body))
        async with send(
            self.current, self.door, method=method, path=self._place(path), headers=whole, body=body
        ) as answer:
            reply = Reply(answer.status, await answer.read())
        if reply.status >= _REFUSED:
            raise explain(reply.status, reply.body, self.door)
        return reply

    async def _find_token(self) -> str:
        if self._token is None:
            self._token = await find_token(self.current, self.door)
        return self._token

    def _place(self, path: str) -> str:
        return f"/v1/namespaces/{parse.quote(self.current.namespace, safe='')}{path}"


@contextlib.asynccontextmanager
async def connect(target: session.Target, door: Door) -> AsyncIterator[Api]:
    """Give the REST API as ``target`` and ``door`` say, and close the connection at the end."""
    async with session.connect(target) as current:
        yield Api(current, door)


async def read_version(current: session.Session, *, door: Door) -> str:
    """Return the version of the platform; raises as ``Api.ask`` does."""
    async with send(current, door, method="GET", path="/healthz", headers={}) as answer:
        body = await answer.read()
    if answer.status != 200:  # noqa: PLR2004
        raise explain(answer.status, body, door)
    return str(json.loads(body)["version"])


async def find_token(current: session.Session, door: Door) -> str:
    """Return the token to present: the given one, else the kubeconfig's, else a new one of ``mayfly-developer``.

    Raises:
        errors.Forbidden: there is only a client certificate, and its owner may not ask for a token.
    """
    token = door.token or await current.cluster.bearer_token()
    if token:
        return token
    namespace = session.SYSTEM_NAMESPACE
    try:
        return await current.cluster.create_token(
            namespace, DEVELOPER, audiences=[AUDIENCE], expiry_seconds=TOKEN_SECONDS
        )
    except (errors.Forbidden, errors.NotFound) as error:
        raise type(error)(
            f"your kubeconfig has a client certificate and no token, and a token of ServiceAccount"
            f" {namespace}/{DEVELOPER} cannot be had: {error}. Give one with --token or MAYFLY_TOKEN, or be allowed"
            f" to `create` `serviceaccounts/token` for {DEVELOPER} in {namespace}"
        ) from error


@contextlib.asynccontextmanager
async def send(
    current: session.Session,
    door: Door,
    *,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None = None,
    seconds: float | None = SECONDS,
) -> AsyncIterator[Answer]:
    """Give the answer to one request, whatever its status; ``seconds`` bounds the whole, ``None`` nothing.

    Raises:
        errors.Unreachable: there was none.
    """
    if door.url is None:
        async with current.cluster.service_proxy(
            session.SYSTEM_NAMESPACE, SERVICE, PORT, method, path, headers=headers, body=body, timeout_seconds=seconds
        ) as answer:
            yield answer
        return
    url = door.url.rstrip("/")
    if parse.urlsplit(url).scheme not in {"http", "https"}:
        raise exits.WrongUsage(f"--api-url {door.url!r}: write http://HOST[:PORT] or https://HOST[:PORT]")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as caller,
            caller.request(method, url + path, headers=headers, data=body, allow_redirects=False) as response,
        ):
            yield _Direct(response)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise errors.Unreachable(
            f"Mayfly's API at {door.url} did not answer: {error or type(error).__name__}"
        ) from error


class _Direct:
    """The answer of an API that is reached without the API server between."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status

    async def read(self) -> bytes:
        """Return the whole body."""
        return await self._response.read()

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the body piece by piece, as it comes."""
        return aiter(self._response.content.iter_any())


_KINDS: dict[int, type[errors.MayflyError]] = {
    400: exits.WrongUsage,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.WrongState,
    413: exits.WrongUsage,
    415: exits.WrongUsage,
    503: errors.Unreachable,
}


def explain(status: int, body: bytes, door: Door) -> errors.MayflyError:
    """Return the error that a refusal stands for: of Mayfly's API itself, or of the API server before it. Pure."""
    kind = _KINDS.get(status, exits.Failed)
    document = _parse(body)
    if "detail" in document:
        return kind(f"Mayfly's API refused: {document['detail']}")
    said = str(document.get("message") or body[:300].decode(errors="replace").strip() or f"HTTP {status}")
    if door.url is not None:
        return kind(f"{door.url} answered {status}: {said}; is it Mayfly's API?")
    where = f"Service {session.SYSTEM_NAMESPACE}/{SERVICE}"
    advice = {
        403: f"be allowed to `get`, `create` and `delete` `services/proxy` for {SERVICE}:{PORT} in"
        f" {session.SYSTEM_NAMESPACE}, or name the API with --api-url",
        404: f"there is no {where}: install the platform, or name the API with --api-url",
        503: f"{where} has no ready pod: kubectl -n {session.SYSTEM_NAMESPACE} get pods",
    }.get(status, f"the API server could not pass the call on to {where}")
    return kind(f"{said}; {advice}")


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
