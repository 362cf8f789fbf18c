"""Post to URLs outside, for destinations and callbacks: only to hosts that the operator names."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
import yarl
from aiohttp import abc

from mayfly import errors
from mayfly.outside import allowlist, guard

Headers = tuple[tuple[str, str], ...]
"""Names in lower case and values, in the order they came; a name may come twice."""

LONGEST_BYTES = 64 * 1024
"""So much of an answer is read; the rest is left to the sender."""
_RULE = (
    "https goes to addresses of the Internet and to networks named in the chart's value events.destinations.networks,"
    " plain http to those networks alone"
)
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""What belongs to one connection is said by whoever makes it (RFC 9112)."""
_UNSAID = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would say by itself: the message goes out as it is."""


class Forbidden(errors.MayflyError):
    """A URL breaks a rule of this installation, or its host resolves to where nobody may be sent."""

    reason = "DestinationForbidden"


class NoAnswer(errors.MayflyError):
    """Nobody answered, or not to the end, or not in HTTP."""

    reason = "DestinationUnreachable"
    temporary = True


class Answer(NamedTuple):
    """What came back: whatever the status, redirects included."""

    status: int
    headers: Headers
    body: bytes
    """Cut at ``LONGEST_BYTES``; as it came, even when it is compressed."""


class Outside:
    """The way out, as ``async with`` or until ``close``.

    ``hosts`` are names, or ``.example.com`` for all below it; ``networks`` those beside the Internet that they may
    resolve to. ``names`` resolves (default: as the system does), ``tls`` says whom to trust (default: likewise).
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str],
        networks: Sequence[guard.Network],
        names: abc.AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = allowlist.Hosts(hosts)
        self._networks = tuple(networks)
        self._guards = {
            scheme: guard.Guard(networks, public=public, rule=_RULE, names=names)
            for scheme, public in (("https", True), ("http", False))
        }
        self._tls = tls
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is under way."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
        for each in self._guards.values():
            await each.close()

    def allows(self, url: str) -> bool:
        """Say whether ``url`` passes ``check``."""
        try:
            self.check(url)
        except Forbidden:
            return False
        return True

    def check(self, url: str) -> None:
        """Raise ``Forbidden`` when the text of ``url`` shows that nothing may be sent there.

        No name is resolved: that is for the moment of sending, and it may be refused then.
        """
        self._parse(url)

    async def post(self, url: str, *, headers: Headers, body: bytes, timeout_seconds: float) -> Answer:
        """Send one POST and return what came back within ``timeout_seconds``; redirects are not followed.

        Raises:
            Forbidden: the URL or its address breaks a rule; nothing was sent.
            NoAnswer: no whole answer came; the other side may or may not have had the message.
        """
        target = self._parse(url)
        kept = [(name, _spell(value)) for name, value in headers if name.lower() not in _FRAMING]
        with _translated(allowlist.show(url), timeout_seconds):
            async with self._session(target.scheme).post(
                target,
                headers=kept,
                data=body,
                allow_redirects=False,
                skip_auto_headers=_UNSAID,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as response:
                text = await _read_body(response)
        found = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers)
        return Answer(response.status, found, text)

    def _session(self, scheme: str) -> aiohttp.ClientSession:
        """Return the session for ``http`` or ``https``.

        A connection serves one request: one that is kept may be closed by the other side at the very moment of the
        next, and a POST is not sent twice for that. How many are open at a time is for the caller to say.
        """
        if scheme not in self._sessions:
            connector = aiohttp.TCPConnector(
                resolver=self._guards[scheme],
                use_dns_cache=False,
                force_close=True,
                limit=0,
                ssl=self._tls or True,
            )
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
            )
        return self._sessions[scheme]

    def _parse(self, url: str) -> yarl.URL:
        """Return the URL that ``url`` is; judge and sender read it with the same eyes.

        Raises: Forbidden
        """
        try:
            target = allowlist.read_url(url)
            self._judge(target)
        except (ValueError, guard.Refused) as error:
            raise Forbidden(f"{allowlist.show(url)} is no allowed destination: {error}") from error
        return target

    def _judge(self, target: yarl.URL) -> None:
        self._hosts.check(target)
        if target.scheme == "http" and not self._networks:
            raise ValueError(_RULE)
        self._guards[target.scheme].check_literal(target.raw_host or "")


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < LONGEST_BYTES and (piece := await response.content.read(LONGEST_BYTES - len(body))):
        body += piece
    return bytes(body)


@contextlib.contextmanager
def _translated(where: str, seconds: float) -> Iterator[None]:
    """Turn what the HTTP library raises into our errors."""
    try:
        yield
    except TimeoutError as error:
        raise NoAnswer(f"{where} did not answer within {seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        refused = _find_refusal(error)
        if refused is not None:
            raise Forbidden(f"{where} is no allowed destination: {refused}") from error
        raise NoAnswer(f"{where} did not answer: {_say(error)}") from error


def _find_refusal(error: BaseException | None) -> guard.Refused | None:
    """Return the guard's refusal that ``error`` comes from, ``None`` when it has another cause."""
    while error is not None and not isinstance(error, guard.Refused):
        error = error.__cause__
    return error


def _say(error: Exception) -> str:
    """Return what went wrong in words; aiohttp's own of a bad answer begin with the URL."""
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return said or type(error).__name__


def _spell(value: str) -> str:
    """Return a header's value so that aiohttp, which writes UTF-8, sends the bytes that it was read from."""
    try:
        return value.encode("latin-1").decode()
    except ValueError:
        return value
