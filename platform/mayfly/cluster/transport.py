"""Send one request to the API server and turn whatever happens into a result or one of our errors."""

from __future__ import annotations

import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import aiohttp
import yarl

from mayfly import errors
from mayfly.cluster import access, answer

log = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
"""Longest time an ordinary request may take; the API server itself gives up after 60 s."""
CONNECT_SECONDS = 10.0
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError)
Guard = Callable[[], None]
"""Raise one of our errors to keep a request from leaving."""
_UNAUTHORIZED = 401
_REFUSED = 400


class Transport:
    """Hold the connections to one API server and put credentials on every request."""

    def __init__(self, credentials: access.Access, *, user_agent: str) -> None:
        self.access = credentials
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close every connection; watches and log streams end."""
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        guard: Guard | None = None,
    ) -> Any:
        """Return the parsed JSON answer; ``guard`` is called right before the request leaves and may refuse it.

        Raises:
            errors.ClusterError: the kind that ``answer.failure`` gives; ``Unreachable`` when no answer came.
        """
        headers = {"Accept": "application/json"}
        data: bytes | None = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self.open(
            method, path, query=query, headers=headers, data=data, timeout=timeout, guard=guard
        ) as response:
            with self.translated():
                payload = await response.read()
        try:
            return json.loads(payload)
        except ValueError as error:
            raise errors.Unreachable(
                f"{self.access.host} answered {method} {path} with something other than JSON; is it a Kubernetes API?"
            ) from error

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  (handed to the transport, which knows its phases)
        refuse: bool = True,
        guard: Guard | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the open answer, its body unread; with ``refuse`` a status from 400 up is raised as our error.

        An answer 401 is tried once more with fresh credentials, unless ``data`` is a stream that is used up.
        """
        with self.translated():
            response = await self._send(
                method, path, query=query, headers=headers, data=data, timeout=timeout, guard=guard
            )
        try:
            if refuse and response.status >= _REFUSED:
                with self.translated():
                    body = await response.read()
                raise answer.failure(status=response.status, body=body, headers=response.headers)
            yield response
        finally:
            _cut(response) if not response.content.at_eof() else response.release()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        data: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
        guard: Guard | None,
    ) -> aiohttp.ClientResponse:
        session = self._open_session()
        replayable = data is None or isinstance(data, bytes)
        for fresh in (False, True):
            authorization = await self.access.authorization(fresh=fresh)
            if guard is not None:
                guard()
            response = await session.request(
                method,
                yarl.URL(self.access.host + path, encoded=True),
                params=query,
                headers={
                    **(headers or {}),
                    "User-Agent": self._user_agent,
                    **({"Authorization": authorization} if authorization else {}),
                },
                data=data,
                timeout=timeout,
                allow_redirects=False,
                proxy=self.access.proxy,
                server_hostname=self.access.tls_server_name,
            )
            if fresh or response.status != _UNAUTHORIZED or not (replayable and self.access.proof.renewable):
                return response
            response.release()
        raise AssertionError("unreachable")  # pragma: no cover

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self.access.tls or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self.access.trust_env,
                auto_decompress=True,
                read_bufsize=2**18,
            )
        return self._session

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the HTTP library raises into ``errors.Unreachable``."""
        try:
            yield
        except _FAILURES as error:
            detail = str(error) or type(error).__name__
            raise errors.Unreachable(f"the Kubernetes API at {self.access.host} did not answer: {detail}") from error


def _cut(response: aiohttp.ClientResponse) -> None:
    """Close the connection of an answer that is not read to its end, at once: TLS's farewell may outlive the loop."""
    transport = response.connection.transport if response.connection is not None else None
    response.close()
    if transport is not None:
        transport.abort()
