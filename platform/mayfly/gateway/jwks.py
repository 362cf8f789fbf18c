"""Read the keys of token issuers (JWKS) from their URLs.

Whoever may write a Function names the URL, so this is a request that strangers cause: only public addresses are
called, over HTTPS, besides the networks that the installation allows. The address is checked when the connection is
made, not before, so that a name which resolves differently the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import aiohttp
import yarl
from aiohttp import abc, resolver

from mayfly import errors
from mayfly.cluster import queue
from mayfly.gateway import trust as held
from mayfly.routing import policy, trust

log = logging.getLogger(__name__)

REREAD_SECONDS = 300.0
RETRY_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0
START_SECONDS = 6.0
LONGEST_BYTES = 256 * 1024
WORKERS = 4

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Guard(abc.AbstractResolver):
    """Resolve names, and give only addresses that may be called.

    Those are the ``networks``, and with ``public`` every address of the Internet.
    """

    def __init__(self, networks: Iterable[Network], *, public: bool) -> None:
        self._networks = list(networks)
        self._public = public
        self._resolver = resolver.ThreadedResolver()

    def is_allowed(self, address: str) -> bool:
        """Say whether an address may be called; an IPv4 address in IPv6's clothes counts as what it is."""
        parsed = ipaddress.ip_address(address)
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        named = any(parsed in network for network in self._networks if network.version == parsed.version)
        return named or (self._public and parsed.is_global and not parsed.is_multicast)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        """Return the addresses of ``host`` that may be called.

        Raises:
            OSError: there are none; what aiohttp expects of a resolver.
        """
        found = await self._resolver.resolve(host, port, family)
        usable = [answer for answer in found if self.is_allowed(answer["host"])]
        if not usable:
            raise OSError(None, _REFUSED.format(host=host))
        return usable

    async def close(self) -> None:
        """Give back what the resolver holds."""
        await self._resolver.close()


_REFUSED = (
    "{host} may not be called: keys are read from public addresses over https, and from the networks that the operator "
    "names in the chart's value gateway.jwksNetworks"
)


class Reader:
    """Keep ``known`` supplied with the issuers' keys; ``directory`` keeps the last ones for the next start."""

    def __init__(self, known: held.Trust, *, networks: Sequence[Network], directory: Path | None) -> None:
        self._known = known
        self._guards = {"https": Guard(networks, public=True), "http": Guard(networks, public=False)}
        self._directory = directory
        self._urls: queue.WorkQueue[trust.Url] = queue.WorkQueue(name="jwks")
        self._answered = asyncio.Event()
        known.on_want.append(self._want)

    async def run(self) -> None:
        """Read until cancelled."""
        async with contextlib.AsyncExitStack() as stack:
            sessions = {scheme: await stack.enter_async_context(_open(guard)) for scheme, guard in self._guards.items()}
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
            guard, host = self._guards[target.scheme], target.host or ""
            if _is_address(host) and not guard.is_allowed(host):
                raise errors.InvalidRoute(f"{url}: {_REFUSED.format(host=host)}")
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


def _open(guard: Guard) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=guard, force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, or a little more than the longest one that is taken."""
    body = b""
    while len(body) <= LONGEST_BYTES and (piece := await response.content.read(LONGEST_BYTES)):
        body += piece
    return body


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
