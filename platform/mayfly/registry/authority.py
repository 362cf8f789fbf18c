"""Who we are, for one registry: a login, or tokens that its token service gives for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import yarl

from mayfly import errors
from mayfly.registry import challenge as challenges
from mayfly.registry import credentials

Fetch = Callable[[yarl.URL, dict[str, str]], Awaitable[bytes]]
"""GET a URL with headers, without redirects, and return the body; raises ``errors.RegistryError``."""

_DEFAULT_LIFE_SECONDS = 60.0
"""Life of a token that does not say its own (token specification, "expires_in")."""
_USED_LIFE = 0.9
"""Part of a token's life during which it is used; the rest covers clocks and long uploads' start."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    expires: float


class Authority:
    """Give the ``Authorization`` header for requests to one host."""

    def __init__(self, *, host: str, insecure: bool, known: credentials.Credentials, fetch: Fetch) -> None:
        self._host = host
        self._insecure = insecure
        self._known = known
        self._fetch = fetch
        self._basic = False
        self._tokens: dict[tuple[str, ...], _Token] = {}
        self._lock = asyncio.Lock()

    def make_header(self, scopes: tuple[str, ...]) -> str | None:
        """Return the header as far as it is known without asking, ``None`` before the first challenge."""
        if self._basic:
            login = self._known.find(self._host)
            return login.header if login else None
        token = self._tokens.get(scopes)
        return f"Bearer {token.text}" if token and token.expires > time.monotonic() else None

    async def answer(
        self, challenge: challenges.Challenge | None, scopes: tuple[str, ...], *, refused: str | None
    ) -> str | None:
        """Return a header that answers ``challenge``; ``refused`` is the one that did not do.

        ``None`` means that there is nothing (else) to present.
        """
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            self._basic = True
            header = self.make_header(scopes)
            return None if header == refused else header
        async with self._lock:
            known = self.make_header(scopes)
            if known is None or known == refused:
                self._remember(scopes, await self._fetch_token(challenge, scopes))
        return self.make_header(scopes)

    def _remember(self, scopes: tuple[str, ...], token: _Token) -> None:
        now = time.monotonic()
        self._tokens = {key: item for key, item in self._tokens.items() if item.expires > now}
        self._tokens[scopes] = token

    async def _fetch_token(self, challenge: challenges.Challenge, scopes: tuple[str, ...]) -> _Token:
        url = self._check_realm(challenge.realm)
        query = [("service", challenge.service)] if challenge.service else []
        query += [("scope", scope) for scope in scopes or (challenge.scope,) if scope]
        login = self._known.find(self._host)
        headers = {"Authorization": login.header} if login else {}
        return self._parse_token(await self._fetch(url.extend_query(query), headers), started=time.monotonic())

    def _check_realm(self, realm: str) -> yarl.URL:
        """Return the token service's URL; a password for an HTTPS registry must not leave in clear text."""
        try:
            url = yarl.URL(realm)
        except ValueError:
            url = yarl.URL()
        if not url.host or url.scheme not in ({"http", "https"} if self._insecure else {"https"}):
            raise errors.RegistryError(
                f"registry {self._host} names the token service {realm!r}, which must be an https URL;"
                " correct the registry's auth.token.realm",
                status=401,
            )
        return url

    def _parse_token(self, body: bytes, *, started: float) -> _Token:
        try:
            found = json.loads(body)
            text = found.get("token") or found["access_token"]
            life = float(found.get("expires_in") or _DEFAULT_LIFE_SECONDS)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            raise errors.RegistryError(
                f"the token service of registry {self._host} gave no token; see its log", status=401
            ) from problem
        return _Token(str(text), started + max(life, _DEFAULT_LIFE_SECONDS) * _USED_LIFE)
