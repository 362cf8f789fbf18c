"""Send one message once: through the gateway to a Function, to one of its revisions, or to a URL outside.

The message's headers and body go out byte for byte; only what belongs to the connection, and what the platform says
of a delivery, replaces what it says itself. Nothing is followed, decompressed or tried twice here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import aiohttp
import multidict
import yarl

from mayfly.eventing import context, onward, target, trace
from mayfly.eventing.delivery import attempt, reply
from mayfly.events import chain, lease, message, retry
from mayfly.model import handover
from mayfly.outside import client as outside
from mayfly.store import records

CONNECT_SECONDS = 10.0
OUTSIDE_SECONDS = 30.0
"""What a destination outside may take for its answer."""
AGENT = "mayfly-eventing"
NAMED_NAMESPACE = "Knative-Serving-Namespace"
NAMED_REVISION = "Knative-Serving-Revision"
"""How Knative's activator knows for which revision a request is (serving ``pkg/activator/net/headers.go``)."""
MOST_HEADER_BYTES = 16 * 1024
"""So much of an answer's headers is kept; further ones are dropped."""
_UNSAID = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})
"""What aiohttp would say by itself."""
_OWN = frozenset(
    {
        *("host", "content-length", "x-request-id", trace.TRACEPARENT, trace.TRACESTATE),
        *(handover.DELIVERY, handover.INVOCATION_ID, handover.ATTEMPT, chain.HEADER),
    }
)
"""What every delivery says for itself, whatever the message says."""
_DROPPED = onward.HOP_BY_HOP | _OWN
_NOT_KEPT = onward.HOP_BY_HOP | {"content-length", "date", "server", "x-envoy-upstream-service-time"}
"""What of an answer's headers is not the function's, or not true any more of what is kept."""


class Outside(Protocol):
    """What posts to URLs; ``outside.client.Outside`` is one."""

    async def post(
        self,
        url: str,
        *,
        headers: outside.Headers,
        body: bytes,
        timeout_seconds: float,
    ) -> outside.Answer:
        """Send one POST; raises ``outside.client.Forbidden`` or ``NoAnswer``."""


class Post:
    """The way to functions and out."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        gateway_url: str,
        token: Callable[[], str],
        outside: Outside,
        limits: records.Limits = records.DEFAULT_LIMITS,
        patience: Callable[[float], float] = lease.make_attempt_timeout,
    ) -> None:
        """``session`` is one of ``open_session``; ``token`` gives the internal token, for the gateway alone.

        ``patience`` gives the seconds that an attempt may take for those that its function may.
        """
        self._session = session
        self._gateway = gateway_url.rstrip("/")
        self._token = token
        self._outside = outside
        self._most = limits.result_bytes
        self._patience = patience

    async def send(self, held: records.Lease, to: target.Target | None) -> attempt.Came:
        """Make one attempt and return what came of it; nothing that the other side does raises."""
        if held.invocation.target:
            return await self._send_outside(held)
        assert to is not None  # who is gone is not sent to
        return await self._send_inside(held, self._patience(to.timeout_seconds))

    async def _send_inside(self, held: records.Lease, seconds: float) -> attempt.Came:
        try:
            async with self._session.request(
                held.message.method,
                yarl.URL(self._make_url(held), encoded=True),
                headers=multidict.CIMultiDict(self._make_headers(held)),
                data=held.message.body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
            ) as response:
                return await self._read(response, held.invocation.revision)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _describe(error, seconds)

    def _make_url(self, held: records.Lease) -> str:
        path = held.message.path if held.message.path.startswith("/") else f"/{held.message.path}"
        if held.invocation.revision is None:
            return self._gateway + path
        return f"http://{_make_host(held.invocation)}{path}"

    def _make_headers(self, held: records.Lease) -> Iterator[tuple[str, str]]:
        yield "Host", _make_host(held.invocation)
        renamed = handover.CARRIED if held.invocation.revision is None else {}
        for name, value in make_headers(held):
            yield renamed.get(name.lower(), name), _spell(value)
        if held.invocation.revision is None:
            yield handover.DELIVERY, self._token()
        else:
            yield NAMED_NAMESPACE, held.invocation.namespace
            yield NAMED_REVISION, held.invocation.revision

    async def _read(self, response: aiohttp.ClientResponse, revision: str | None) -> attempt.Answer:
        body, whole = await _read_body(response, self._most)
        headers = tuple(_keep_headers(response.raw_headers))
        named = next((value for name, value in headers if name == NAMED_REVISION.lower()), revision)
        return attempt.Answer(response.status, headers, body, not whole, named)

    async def _send_outside(self, held: records.Lease) -> attempt.Came:
        headers = tuple(make_headers(held))
        try:
            answer = await self._outside.post(
                held.invocation.target, headers=headers, body=held.message.body, timeout_seconds=OUTSIDE_SECONDS
            )
        except outside.Forbidden as error:
            return attempt.Failure(retry.Failure.FORBIDDEN, str(error))
        except outside.NoAnswer as error:
            timed_out = isinstance(error.__cause__, TimeoutError)
            return attempt.Failure(retry.Failure.TIMEOUT if timed_out else retry.Failure.UNREACHABLE, str(error))
        return attempt.Answer(answer.status, answer.headers, answer.body)


def open_session(*, connections: int, resolver: aiohttp.abc.AbstractResolver | None = None) -> aiohttp.ClientSession:
    """Return the session for deliveries inside the cluster, to be closed by the caller.

    It keeps connections for the next delivery, at most ``connections``, and remembers nothing else.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_UNSAID,
        auto_decompress=False,
        trust_env=False,
    )


def make_headers(held: records.Lease) -> Iterator[tuple[str, str]]:
    """Yield the headers that go out whatever the way: the message's, then what the platform says of a delivery."""
    invocation, kept = held.invocation, context.parse_context(held.invocation.context)
    dropped = _DROPPED | {"x-call-id"} if kept.call_id else _DROPPED
    for name, value in held.message.headers:
        if name.lower() not in dropped:
            yield name, value
    if not message.values_of(held.message.headers, "user-agent"):
        yield "User-Agent", AGENT
    yield "X-Request-Id", invocation.id
    yield handover.INVOCATION_ID, invocation.id
    yield handover.ATTEMPT, str(invocation.attempts + 1)
    yield chain.HEADER, str(invocation.depth)
    if invocation.kind in reply.REPLYING:
        yield from reply.PREFER
    if kept.call_id:
        yield "X-Call-Id", kept.call_id
    if kept.traceparent:
        yield trace.TRACEPARENT, kept.traceparent
    if kept.traceparent and kept.tracestate:
        yield trace.TRACESTATE, kept.tracestate


def _make_host(invocation: records.Invocation) -> str:
    return target.make_host(invocation.namespace, invocation.revision or invocation.function)


async def _read_body(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """Return up to ``most`` bytes of the body and whether that is all; the connection of a longer one is closed."""
    body = bytearray()
    while len(body) <= most:
        piece = await response.content.read(most + 1 - len(body))
        if not piece:
            return bytes(body), True
        body += piece
    response.close()
    return bytes(body[:most]), False


def _keep_headers(raw: tuple[tuple[bytes, bytes], ...]) -> Iterator[tuple[str, str]]:
    size = 0
    for name, value in raw:
        size += len(name) + len(value)
        read = name.decode("latin-1").lower()
        if size <= MOST_HEADER_BYTES and read not in _NOT_KEPT:
            yield read, value.decode("latin-1")


def _describe(error: Exception, seconds: float) -> attempt.Failure:
    """Return what an exception of the HTTP library means; the order tells the narrower kinds first."""
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return attempt.Failure(retry.Failure.UNREACHABLE, text)
    if isinstance(error, TimeoutError):
        return attempt.Failure(retry.Failure.TIMEOUT, f"no whole answer within {seconds:g} s")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | OSError):
        return attempt.Failure(retry.Failure.RESET, text)
    return attempt.Failure(retry.Failure.UNREADABLE, text)


def _spell(value: str) -> str:
    """Return a header's value so that aiohttp, which writes UTF-8, sends the bytes that it was read from.

    Bytes that are no UTF-8 cannot be sent so; they go out as the UTF-8 of what they are in ISO 8859-1.
    """
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except ValueError:
        return value
