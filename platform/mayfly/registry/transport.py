"""One request to one registry: authentication, redirects, timeouts, and errors in our own words."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import yarl

from mayfly import errors
from mayfly.registry import answer, authority, challenge, credentials

Body = Callable[[], bytes | AsyncIterator[bytes]]
"""Makes a request's body anew for each sending of it."""

TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30.0, sock_connect=10.0, sock_read=60.0)
"""Seconds for a free connection, for TCP and TLS, and between two reads. No total: a layer may take its time."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_MAX_TOKEN_BYTES = 256 * 1024
_UNAUTHORIZED = 401
_FOREIGN = (aiohttp.ClientError, TimeoutError, OSError)
_API_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Name in references -> name of the host that serves the API."""


def open_session(*, timeout: aiohttp.ClientTimeout = TIMEOUT) -> aiohttp.ClientSession:
    """Return a session with the connection limits, timeouts and raw bodies that a registry needs.

    Bodies are not decompressed: digests are of the bytes as they are kept.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=32, limit_per_host=16, keepalive_timeout=60.0),
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "mayfly", "Accept-Encoding": "identity"},
    )


class Transport:
    """Send requests to one host."""

    def __init__(
        self, *, host: str, insecure: bool, known: credentials.Credentials, session: aiohttp.ClientSession
    ) -> None:
        self.host = host
        self._base = yarl.URL(f"{'http' if insecure else 'https'}://{_API_HOSTS.get(host, host)}")
        self._insecure = insecure
        self._session = session
        self._authority = authority.Authority(host=host, insecure=insecure, known=known, fetch=self._fetch_token)

    def make_url(self, target: str) -> yarl.URL:
        """Return the URL of ``target``: a path, or a ``Location`` as the registry gave it, kept byte for byte.

        Raises:
            errors.RegistryError: the registry points from HTTPS to plain HTTP.
        """
        url = self._base.join(yarl.URL(target, encoded=True))
        if url.scheme not in {self._base.scheme, "https"}:
            raise errors.RegistryError(
                f"registry {self.host} points to {url.scheme}://{url.host}, which is not safe;"
                " make it give https addresses",
                status=502,
            )
        return url

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        target: str,
        *,
        scopes: tuple[str, ...],
        accept: frozenset[int],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer if its status is one of ``accept``; it may be read within the context.

        ``scopes`` are the rights a token must have, as ``repository:NAME:ACTIONS``.

        Raises:
            errors.RegistryError: any other answer, or none, or one that broke off.
        """
        url = self.make_url(target)
        request = f"{method} {url.path}"
        try:
            response = await self._send(method, url, scopes=scopes, headers=dict(headers or {}), body=body)
            async with response:
                if response.status not in accept:
                    text = await read_capped(response, answer.MAX_ERROR_BYTES)
                    raise answer.make_refusal(
                        self.host, request, status=response.status, body=text, headers=response.headers
                    )
                yield response
        except _FOREIGN as problem:
            raise answer.make_unreachable(self.host, request, problem) from problem

    async def _send(
        self, method: str, url: yarl.URL, *, scopes: tuple[str, ...], headers: dict[str, str], body: Body | None
    ) -> aiohttp.ClientResponse:
        """Return the answer at the end of the redirects; only reading requests follow them."""
        for _ in range(_MAX_REDIRECTS):
            response = await self._send_authorized(method, url, scopes=scopes, headers=headers, body=body)
            location = response.headers.get("Location", "")
            if method not in {"GET", "HEAD"} or response.status not in _REDIRECTS or not location:
                return response
            await read_capped(response, answer.MAX_ERROR_BYTES)
            url = self.make_url(str(url.join(yarl.URL(location, encoded=True))))
        raise errors.RegistryError(
            f"registry {self.host} redirects {method} {url.path} without end; correct its address", status=502
        )

    async def _send_authorized(
        self, method: str, url: yarl.URL, *, scopes: tuple[str, ...], headers: dict[str, str], body: Body | None
    ) -> aiohttp.ClientResponse:
        """Send with what we know, and once more if the registry asks for (other) credentials.

        Nothing is presented to another host: a redirect target carries its own permission in its URL.
        """
        trusted = url.origin() == self._base.origin()
        presented = self._authority.make_header(scopes) if trusted else None
        response = await self._send_once(method, url, headers=headers, authorization=presented, body=body)
        if response.status != _UNAUTHORIZED or not trusted:
            return response
        asked = challenge.parse_challenges(response.headers.getall("WWW-Authenticate", []))
        header = await self._authority.answer(asked, scopes, refused=presented)
        if header is None:
            return response
        await read_capped(response, answer.MAX_ERROR_BYTES)
        return await self._send_once(method, url, headers=headers, authorization=header, body=body)

    async def _send_once(
        self, method: str, url: yarl.URL, *, headers: dict[str, str], authorization: str | None, body: Body | None
    ) -> aiohttp.ClientResponse:
        sent: dict[str, Any] = {**headers, **({"Authorization": authorization} if authorization else {})}
        return await self._session.request(
            method, url, headers=sent, data=body() if body else None, allow_redirects=False
        )

    async def _fetch_token(self, url: yarl.URL, headers: dict[str, str]) -> bytes:
        request = f"GET {url.path} (token service {url.host})"
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                text = await read_capped(response, _MAX_TOKEN_BYTES)
                if response.status != 200:  # noqa: PLR2004
                    raise answer.make_refusal(
                        self.host, request, status=response.status, body=text, headers=response.headers
                    )
                return text
        except _FOREIGN as problem:
            raise answer.make_unreachable(self.host, request, problem) from problem


async def read_capped(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the first ``limit`` bytes of the body; the connection is kept only if that was all."""
    parts, left = [], limit
    while left > 0 and (chunk := await response.content.read(min(left, 64 * 1024))):
        parts.append(chunk)
        left -= len(chunk)
    if left == 0:
        response.close()
    return b"".join(parts)
