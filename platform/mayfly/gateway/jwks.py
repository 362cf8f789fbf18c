"""Read the keys of token issuers (JWKS) from their URLs.

Whoever may write a Function names the URL, so this is a request that strangers cause: only public addresses are
called, over HTTPS, besides the networks that the installation allows (``outside.guard``).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import yarl

from mayfly import errors
from mayfly.cluster import queue
from mayfly.gateway import trust as held
from mayfly.outside import guard
from mayfly.routing import policy, trust

log = logging.getLogger(__name__)

REREAD_SECONDS = 300.0
RETRY_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0
START_SECONDS = 6.0
LONGEST_BYTES = 256 * 1024
WORKERS = 4

_RULE = (
    "keys are read from public addresses over https, and from the networks that the operator names in the chart's value"
    " gateway.jwksNetworks"
)


class Reader:
    """Keep ``known`` supplied with the issuers' keys; ``directory`` keeps the last ones for the next start."""

    def __init__(self, known: held.Trust, *, networks: Sequence[guard.Network], directory: Path | None) -> None:
        self._known = known
        self._guards = {
            scheme: guard.Guard(networks, public=public, rule=_RULE)
            for scheme, public in (("https", True), ("http", False))
        }
        self._directory = directory
        self._urls: queue.WorkQueue[trust.Url] = queue.WorkQueue(name="jwks")
        self._answered = asyncio.Event()
        known.on_want.append(self._want)

    async def run(self) -> None:
        """Read until cancelled."""
        async with contextlib.AsyncExitStack() as stack:
            sessions = {scheme: await stack.enter_async_context(_open(each)) for scheme, each in self._guards.items()}
            await self._urls.run(lambda url: self._read(sessions, url), workers=WORKERS)

    async def settled(self) -> None:
        """Return once every wanted URL was asked, or after a while: an issuer may be away."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self._unasked:
                    self._answered.clear()
                    await self._answered.wait()

    @property
    def _unasked(self) -> bool:
        return any(isinstance(source, trust.Url) for source in self._known.unread)

    def _want(self, source: trust.Source, wanted: bool) -> None:
        if not isinstance(source, trust.Url) or not wanted:
            return
        kept = self._recall(source)
        if kept is not None:
            self._known.put(source, kept)
        self._urls.add(source)

    async def _read(self, sessions: Mapping[str, aiohttp.ClientSession], url: trust.Url) -> float | None:
        """Read one URL; return the seconds after which to read it again."""
        if not self._known.is_wanted(url):
            return None
        try:
            text = await self._fetch(sessions, url)
            policy.check_jwks(text)
        except errors.InvalidRoute as error:
            self._known.put(url, error)
            return RETRY_SECONDS
        finally:
            self._answered.set()
        self._known.put(url, text)
        await asyncio.to_thread(self._remember, url, text)
        return REREAD_SECONDS

    async def _fetch(self, sessions: Mapping[str, aiohttp.ClientSession], url: trust.Url) -> str:
        """Return what stands behind ``url``.

        Raises:
            errors.InvalidRoute: it does not answer with 200, is too large, or may not be called; names the URL.
        """
        try:
            target = yarl.URL(url.text)
            self._guards[target.scheme].check_literal(target.host or "")
            async with sessions[target.scheme].get(target, allow_redirects=False) as response:
                if response.status != 200:  # noqa: PLR2004  (OK)
                    raise errors.InvalidRoute(f"{url} answers {response.status}; it must answer 200 with a JWKS")
                body = await _read_body(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = str(error) or f"no answer within {TIMEOUT_SECONDS:.0f} s"
            raise errors.InvalidRoute(f"{url} cannot be read: {reason}") from error
        if len(body) > LONGEST_BYTES:
            raise errors.InvalidRoute(f"{url} is longer than {LONGEST_BYTES // 1024} KiB; that is no JWKS")
        return body.decode(errors="replace")

    def _file(self, url: trust.Url) -> Path | None:
        name = hashlib.blake2b(url.text.encode(), digest_size=16).hexdigest()
        return self._directory / f"{name}.json" if self._directory else None

    def _remember(self, url: trust.Url, text: str) -> None:
        """Keep the keys: a control that starts while the issuer is away must not lock out its callers."""
        file = self._file(url)
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(file)
        except OSError as error:
            log.warning("cannot keep the keys of %s: %s", url, error)

    def _recall(self, url: trust.Url) -> str | None:
        file = self._file(url)
        try:
            text = file.read_text() if file else None
            if text is not None:
                policy.check_jwks(text)
        except (OSError, errors.InvalidRoute):
            return None
        return text


def _open(resolver: guard.Guard) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=resolver, force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, or a little more than the longest one that is taken."""
    body = b""
    while len(body) <= LONGEST_BYTES and (piece := await response.content.read(LONGEST_BYTES)):
        body += piece
    return body
