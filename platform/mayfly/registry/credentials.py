"""Passwords for registries, from Docker's ``config.json`` (the content of a Kubernetes pull Secret)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mayfly import errors

_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
"""Names of Docker Hub; its login is filed under ``https://index.docker.io/v1/``."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password, which is kept out of ``repr``."""

    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of an ``Authorization`` header with this login (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Logins by host; ``helpers`` are hosts whose login only an external program knows (``*``: all others)."""

    logins: Mapping[str, Login] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)

    def find(self, host: str) -> Login | None:
        """Return the login for ``host``, ``None`` if there is none to present.

        Raises:
            errors.InvalidCredentials: the login is kept by a credential helper.
        """
        host = _normalise(host)
        if (login := self.logins.get(host)) is not None:
            return login
        if helper := self.helpers.get(host, self.helpers.get("*")):
            raise errors.InvalidCredentials(
                f"registry {host}: its login is kept by the credential helper {helper!r}, which cannot run here;"
                f' put user and password into "auths" of the Docker config (kubectl create secret docker-registry)'
            )
        return None


def load_credentials(path: Path | None) -> Credentials:
    """Return the credentials in the Docker config at ``path``; none if ``path`` is ``None``.

    Raises:
        errors.InvalidCredentials: the file cannot be read or is not a Docker config.
    """
    if path is None:
        return Credentials()
    try:
        return parse_credentials(path.read_text())
    except (OSError, ValueError) as problem:
        raise errors.InvalidCredentials(
            f"Docker config {path} cannot be read: {problem}; check the mounted Secret"
        ) from problem


def parse_credentials(text: str) -> Credentials:
    """Return the credentials in the text of a Docker ``config.json``.

    Keys of ``auths`` may be hosts or the URLs ``https://HOST/v1/`` and ``/v2/``. Keys with another path are ignored.

    Raises:
        errors.InvalidCredentials: the text has not the form of a Docker config; it is not repeated in the message.
    """
    try:
        config = json.loads(text)
        logins = {_normalise(key): _parse_login(key, entry) for key, entry in (config.get("auths") or {}).items()}
        helpers = {_normalise(key): str(name) for key, name in (config.get("credHelpers") or {}).items()}
        store = config.get("credsStore")
    except (ValueError, AttributeError, RecursionError) as problem:
        raise errors.InvalidCredentials(
            'Docker config is not valid: it must be JSON like {"auths": {"HOST": {"auth": "BASE64"}}}; write it anew'
        ) from problem
    return Credentials(
        {host: login for host, login in logins.items() if login}, helpers | ({"*": str(store)} if store else {})
    )


def _parse_login(host: str, entry: Mapping[str, Any]) -> Login | None:
    """Return the login in one entry of ``auths``, ``None`` for an empty entry (a helper has it)."""
    if entry.get("identitytoken") or entry.get("registrytoken"):
        raise errors.InvalidCredentials(
            f"registry {host}: identity tokens are not supported; use a user name and password"
        )
    if "username" in entry and "password" in entry:
        return Login(str(entry["username"]), str(entry["password"]))
    if not entry.get("auth"):
        return None
    try:
        username, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        colon = ""
    if not colon:
        raise errors.InvalidCredentials(
            f'registry {host}: its "auth" is not the base64 form of USER:PASSWORD; write it anew'
        )
    return Login(username, password.rstrip("\0"))


def _normalise(key: str) -> str:
    host = key.removeprefix("https://").removeprefix("http://").removesuffix("/")
    host = host.removesuffix("/v1").removesuffix("/v2")
    return "docker.io" if host in _HUB else host
