"""The builder's HTTP interface as the controller calls it (types: ``model/build.py``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

import aiohttp
import pydantic

from mayfly import errors
from mayfly.controller import secret
from mayfly.model import build

CONNECT_SECONDS = 5.0
GRACE_SECONDS = 15.0
"""How much longer than it was asked to wait the builder may take to answer."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""An answer is a status with the last lines of a log."""

_OK, _BAD_REQUEST, _UNAUTHORIZED, _TOO_LARGE, _UNPROCESSABLE, _TOO_MANY = 200, 400, 401, 413, 422, 429


@dataclass(frozen=True)
class BuilderClient:
    """Ask the builder at ``url``; ``session`` is closed by whoever opened it."""

    session: aiohttp.ClientSession
    url: str
    token: secret.Token

    async def ask(self, *, request: build.BuildRequest, wait_seconds: float) -> build.BuildStatus:
        """Ask for the image of ``request``, waiting so long for a final state.

        Raises:
            BuilderUnavailable: the builder cannot be reached, is full, or answers what is not an answer.
            SourceError: the builder refuses the request as it is.
        """
        bearer = await self.token.read()
        try:
            async with self.session.post(
                f"{self.url.rstrip('/')}/v1/builds",
                params={"wait": f"{wait_seconds:g}"},
                data=json.dumps(request.to_wire()),
                headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=wait_seconds + GRACE_SECONDS, sock_connect=CONNECT_SECONDS),
            ) as response:
                body = await _read_limited(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.BuilderUnavailable(
                f"the builder at {self.url} does not answer: {str(error) or type(error).__name__}"
            ) from error
        if status != _OK:
            self._refuse(status, body)
        return self._parse(body)

    def _parse(self, body: bytes) -> build.BuildStatus:
        try:
            answer: build.BuildStatus = build.BuildStatus.model_validate_json(body)
        except pydantic.ValidationError as error:
            raise errors.BuilderUnavailable(f"the builder at {self.url} answered what is not a build status") from error
        return answer

    def _refuse(self, status: int, body: bytes) -> NoReturn:
        detail = _parse_detail(body) or f"HTTP {status}"
        if status in {_BAD_REQUEST, _TOO_LARGE, _UNPROCESSABLE}:
            raise errors.SourceError(f"the builder refuses the request: {detail}")
        if status == _UNAUTHORIZED:
            self.token.forget()
            raise errors.BuilderUnavailable("the builder refuses the internal token; it may not have read it yet")
        if status == _TOO_MANY:
            raise errors.BuilderUnavailable(f"the builder's queue is full: {detail}")
        raise errors.BuilderUnavailable(f"the builder at {self.url} answered {status}: {detail}")


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    """Return the body.

    Raises:
        BuilderUnavailable: it is larger than any honest answer.
    """
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise errors.BuilderUnavailable(f"the builder's answer exceeds {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _parse_detail(body: bytes) -> str:
    """Return the text of a problem document (RFC 9457), empty when there is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    return str(document.get("detail") or document.get("title") or "") if isinstance(document, dict) else ""
