"""Send a source archive to Mayfly's REST API, the only part of the platform that the command speaks to itself.

By default through the API server's service proxy, so that nothing needs to be exposed; the proxy takes
``Authorization`` for itself, so the token goes in ``Mayfly-Token``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any, Protocol
from urllib import parse

import aiohttp

from mayfly import errors
from mayfly.cli import exits, pack, session

SERVICE = "mayfly-api"
PORT = "http"
DEVELOPER = "mayfly-developer"
"""ServiceAccount for whose short-lived token a user with a client certificate asks; the chart makes it."""
AUDIENCE = "mayfly"
TOKEN_SECONDS = 600
"""The shortest life that the API server gives a token."""
TOKEN_HEADER = "Mayfly-Token"  # noqa: S105  (the name of a header)
SECONDS = 300.0
_CREATED = 201


class Answer(Protocol):
    """What both ways to the API give back."""

    status: int

    async def read(self) -> bytes:
        """Return the whole body."""


@dataclasses.dataclass(frozen=True)
class Door:
    """How to reach the REST API: ``url`` is ``None`` for the API server's proxy, ``token`` ``None`` to find one."""

    url: str | None = None
    token: str | None = None


async def upload(current: session.Session, *, name: str, archive: pack.Archive, door: Door) -> str:
    """Store ``archive`` as the source of the function ``name`` and return its reference for ``spec.source.oci.ref``.

    Raises:
        errors.MayflyError: the API cannot be reached, or refuses; the text says why and what to do.
    """
    path = f"/v1/namespaces/{current.namespace}/functions/{name}/source"
    headers = {
        TOKEN_HEADER: await find_token(current, door),
        "Content-Type": "application/gzip",
        "Content-Length": str(len(archive.data)),
    }
    async with _send(current, door, method="POST", path=path, headers=headers, body=archive.data) as answer:
        body = await answer.read()
    if answer.status != _CREATED:
        raise explain(answer.status, body, door)
    return str(json.loads(body)["ref"])


async def read_version(current: session.Session, *, door: Door) -> str:
    """Return the version of the platform; raises as ``upload`` does."""
    async with _send(current, door, method="GET", path="/healthz", headers={}) as answer:
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
async def _send(
    current: session.Session, door: Door, *, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> AsyncIterator[Answer]:
    if door.url is None:
        async with current.cluster.service_proxy(
            session.SYSTEM_NAMESPACE, SERVICE, PORT, method, path, headers=headers, body=body, timeout_seconds=SECONDS
        ) as answer:
            yield answer
        return
    url = door.url.rstrip("/")
    if parse.urlsplit(url).scheme not in {"http", "https"}:
        raise exits.WrongUsage(f"--api-url {door.url!r}: write http://HOST[:PORT] or https://HOST[:PORT]")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as caller,
            caller.request(method, url + path, headers=headers, data=body, allow_redirects=False) as response,
        ):
            yield response
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise errors.Unreachable(
            f"Mayfly's API at {door.url} did not answer: {error or type(error).__name__}"
        ) from error


_KINDS: dict[int, type[errors.MayflyError]] = {
    400: exits.WrongUsage,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    413: exits.WrongUsage,
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
        403: f"be allowed to `create` `services/proxy` for {SERVICE}:{PORT} in {session.SYSTEM_NAMESPACE},"
        " or name the API with --api-url",
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
