"""Read from URLs outside, for sources: any host, but only addresses that may be called."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import aiohttp
import yarl
from aiohttp import abc

from mayfly import errors
from mayfly.outside import guard

TIMEOUT = aiohttp.ClientTimeout(total=120.0, sock_connect=10.0, sock_read=30.0)
"""Seconds for one exchange, for TCP and TLS, and between two reads."""
_RULE = (
    "https goes to addresses of the Internet and to networks named in the chart's value builder.sourceNetworks,"
    " plain http to those networks alone"
)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
"""A name or an address, as yarl gives it: without brackets, in IDNA."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE = 401, 403, 404, 410
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that a later try can turn into success."""


class Downloads:
    """The way to the hosts of sources, until ``close``.

    ``networks`` may be called beside the Internet; ``names`` resolves (default: as the system does), ``tls`` says whom
    to trust (default: likewise). No proxy of the environment is used: the guard would judge its address, not the
    host's.
    """

    def __init__(
        self,
        networks: Sequence[guard.Network],
        *,
        names: abc.AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._networks = tuple(networks)
        self._guards = {
            scheme: guard.Guard(networks, public=public, rule=_RULE, names=names)
            for scheme, public in (("https", True), ("http", False))
        }
        self._tls = tls
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """End what is under way."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
        for each in self._guards.values():
            await each.close()

    @contextlib.asynccontextmanager
    async def open(
        self, url: str, *, headers: Mapping[str, str], body: bytes | None = None, login: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer, 200, to a GET of ``url``, or a POST of ``body``; read what it sends from its ``content``.

        A GET is sent on within its own scheme, host and port; its final address is the answer's ``url``. ``login``
        tells in a refusal which login was tried, such as ``Secret git``; empty: none.

        Raises:
            SourceError: the URL or its address breaks a rule, or the host refuses.
            SourceUnavailable: the host does not answer, or says that it cannot now.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_translated(url))
            target = self._parse(url)
            method = "GET" if body is None else "POST"
            for _ in range(_MAX_REDIRECTS + 1):
                answer = await stack.enter_async_context(
                    self._session(target.scheme).request(
                        method, target, headers=headers, data=body, allow_redirects=False
                    )
                )
                if answer.status not in _REDIRECTS or body is not None:
                    break
                target = _follow(target, answer)
            check_status(answer, login=login)
            yield answer

    def _session(self, scheme: str) -> aiohttp.ClientSession:
        if scheme not in self._sessions:
            connector = aiohttp.TCPConnector(
                resolver=self._guards[scheme], use_dns_cache=False, force_close=True, limit=0, ssl=self._tls or True
            )
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=connector,
                timeout=TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"User-Agent": "mayfly", "Accept-Encoding": "identity"},
            )
        return self._sessions[scheme]

    def _parse(self, url: str) -> yarl.URL:
        """Return the URL that ``url`` is; the API server has checked its form, but not of what is older than its rules.

        Raises:
            SourceError: it is none, or none that may be called.
        """
        try:
            target = yarl.URL(url)
            rule = self._find_rule(target)
            if rule is None:
                self._guards[target.scheme].check_literal(target.raw_host or "")
        except (ValueError, guard.Refused) as error:
            raise errors.SourceError(f"{show(url)} may not be fetched: {error}") from error
        if rule is not None:
            raise errors.SourceError(f"{show(url)} may not be fetched: {rule}")
        return target

    def _find_rule(self, target: yarl.URL) -> str | None:
        """Return the rule that the text of a URL breaks, ``None`` when it breaks none."""
        if (
            target.scheme not in self._guards
            or not _HOST.fullmatch(target.raw_host or "")
            or target.raw_user is not None
        ):
            return "write https://HOST/PATH without user; a login belongs into a Secret"
        return _RULE if target.scheme == "http" and not self._networks else None


def show(url: str | yarl.URL) -> str:
    """Return what a message may say of ``url``: not its user, its query and its fragment, which may be secrets.

    >>> show("https://bob:secret@host/shop.tar.gz?token=x")
    'https://host/shop.tar.gz'
    """
    try:
        return str(yarl.URL(url).with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        return "the URL"


def check_status(answer: aiohttp.ClientResponse, *, login: str) -> None:
    """Refuse every answer but 200.

    Raises:
        SourceError: trying again does not help.
        SourceUnavailable: it may.
    """
    where, status = show(answer.url), answer.status
    if status == 200:  # noqa: PLR2004  (OK)
        return
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        tried = f"refuses the login of {login}" if login else "asks for a login"
        fix = f"correct {login}" if login else "name a Secret with username and password, or header"
        raise errors.SourceError(
            f"{where} {tried} (HTTP {status}): {fix} in the Function's namespace, then change the annotation"
            " mayfly.dev/rebuild"
        )
    if status in {_NOT_FOUND, _GONE}:
        private = "" if login else "; a private one needs a Secret with a login, which many hosts do not say"
        raise errors.SourceError(f"{where} does not exist (HTTP {status}): correct the URL{private}")
    if status in _PASSING:
        raise errors.SourceUnavailable(f"{where} answers HTTP {status}")
    raise errors.SourceError(f"{where} answers HTTP {status}, not 200: correct the URL")


def _follow(target: yarl.URL, answer: aiohttp.ClientResponse) -> yarl.URL:
    """Return where ``answer`` sends on to, within the same origin.

    Raises:
        SourceError: it leads elsewhere; credentials and the author's intent were for this host.
    """
    try:
        onward = target.join(yarl.URL(answer.headers.get("Location", "")))
        same = onward.origin() == target.origin() and onward.raw_user is None
        place = str(onward.origin())
    except ValueError:
        same, place = False, "an address that is none"
    if not same:
        raise errors.SourceError(
            f"{show(target)} sends on to {place}; redirects to another host, port or scheme are not followed: write"
            " the URL that it leads to"
        )
    return onward


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn what the HTTP library raises, while the answer is read too, into our errors."""
    try:
        yield
    except TimeoutError as error:
        raise errors.SourceUnavailable(f"{show(url)} did not answer in time") from error
    except UnicodeError as error:
        raise errors.SourceError(f"{show(url)} may not be fetched: its host is no name that DNS knows") from error
    except (aiohttp.ClientError, OSError) as error:
        refused = _find_refusal(error)
        if refused is not None:
            raise errors.SourceError(f"{show(url)} may not be fetched: {refused}") from error
        raise errors.SourceUnavailable(f"{show(url)} cannot be read: {_say(error)}") from error


def _find_refusal(error: BaseException | None) -> guard.Refused | None:
    """Return the guard's refusal that ``error`` comes from, ``None`` when it has another cause."""
    while error is not None and not isinstance(error, guard.Refused):
        error = error.__cause__
    return error


def _say(error: Exception) -> str:
    """Return what went wrong in words; aiohttp's own of a bad answer begin with the URL."""
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return said or type(error).__name__
