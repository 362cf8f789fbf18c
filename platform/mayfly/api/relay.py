"""Pass questions about invocations on to the process that keeps them, in the name of a caller who may ask them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from urllib import parse

import aiohttp
import yarl
from fastapi import Response

from mayfly import errors
from mayfly.api import problem
from mayfly.model import handover

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 45.0
"""Longer than any ``Prefer: wait`` that the other side obeys, or a step of a long redrive."""
PASSED_BACK = ("content-type", "location", "retry-after", "preference-applied", "allow")
"""Headers of an answer that are its caller's; it carries no others that mean anything outside."""
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_UNSURE = frozenset({401, 403})
"""Answers to us, not to our caller: the other process does not take our token."""

Headers = Iterable[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Return the JSON that the body is."""
        return json.loads(self.body)

    def to_response(self) -> Response:
        """Return the answer as it goes on to the caller, problems included."""
        return Response(self.body, self.status, {"cache-control": "no-store", **self.headers})


class Relay:
    """The eventing process, as far as callers of this interface may reach it."""

    def __init__(self, caller: aiohttp.ClientSession, *, url: str, token_file: Path) -> None:
        """``url`` is empty where there is no such process."""
        self._caller = caller
        self._url = url.rstrip("/")
        self._token_file = token_file

    async def send(
        self, method: str, path: str, *, client: str, query: str = "", headers: Headers = (), body: bytes = b""
    ) -> Reply:
        """Return the answer to one question. ``path`` and ``query`` are percent-encoded; ``client`` is who asks.

        Raises:
            problem.Refused: 404, this installation has no such process.
            errors.EventingUnavailable: it does not answer, there is no token for it, or it does not take ours.
        """
        if not self._url:
            raise problem.Refused(
                "this installation has no events (chart value events.enabled)", status=404, reason="NoEvents"
            )
        url = yarl.URL(f"{self._url}{path}" + (f"?{query}" if query else ""), encoded=True)
        own = [(handover.TOKEN, self._read_token()), (handover.CLIENT, parse.quote(client, safe=_PRINTABLE))]
        try:
            async with self._caller.request(
                method, url, headers=[*headers, *own], data=body or None, allow_redirects=False
            ) as answer:
                reply = Reply(answer.status, _choose(answer.headers.items()), await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise errors.EventingUnavailable(
                f"the process that keeps invocations does not answer: {error or type(error).__name__}; try again"
            ) from error
        if reply.status in _UNSURE:
            raise errors.EventingUnavailable(
                "the process that keeps invocations does not take this API's token; both read it from the Secret"
                " mayfly-internal, so that this passes within a minute of its rotation"
            )
        return reply

    def _read_token(self) -> str:
        """Return the token, read anew so that it can be rotated.

        Raises:
            errors.EventingUnavailable: there is none; nothing is sent without.
        """
        try:
            token = self._token_file.read_text("ascii").strip()
        except (OSError, ValueError):
            token = ""
        if not token:
            raise errors.EventingUnavailable(
                f"this API has no token for the process that keeps invocations ({self._token_file}); the controller"
                " makes the Secret mayfly-internal when it starts"
            )
        return token


def _choose(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers if name.lower() in PASSED_BACK}


@contextlib.asynccontextmanager
async def open_relay(*, url: str, token_file: Path) -> AsyncIterator[Relay]:
    """Give a relay, and close its connections at the end."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
    ) as caller:
        yield Relay(caller, url=url, token_file=token_file)
