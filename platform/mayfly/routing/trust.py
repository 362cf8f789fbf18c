"""Say what a Function's authentication depends on, and read it. Pure.

Either a Secret of the Function's namespace or the URL of an issuer's keys. While it is not there, or cannot be used,
nobody is let in.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from mayfly import errors
from mayfly.model import exposure
from mayfly.routing import ingress, policy

SHORTEST_KEY = 16
"""Characters of an API key; a shorter one can be guessed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Url:
    """Where an issuer publishes its keys (JWKS, https://www.rfc-editor.org/rfc/rfc7517#section-5)."""

    text: str

    def __str__(self) -> str:
        return self.text


Source = ingress.SecretName | Url
Content = Mapping[str, str] | str
"""What a source holds: the entries of a Secret, or the text behind a URL."""


def find_source(subject: ingress.Ingress) -> Source | None:
    """Return what the authentication of an ingress depends on, ``None`` when it asks for none."""
    auth = subject.exposure.http.auth
    if auth is None:
        return None
    if auth.api_key is not None:
        return ingress.SecretName(subject.key.namespace, auth.api_key.secret)
    if auth.jwt is None:
        return None
    if auth.jwt.jwks_secret is not None:
        return ingress.SecretName(subject.key.namespace, auth.jwt.jwks_secret.name)
    return Url(auth.jwt.jwks_url or "")


def make_credentials(subject: ingress.Ingress, content: Content) -> policy.Credentials:
    """Return what callers of an ingress are checked against.

    Raises:
        errors.InvalidRoute: ``content`` cannot be used; names the source, never a key.
    """
    auth = subject.exposure.http.auth
    if auth is None:
        return policy.Credentials()
    if isinstance(content, str):
        return _check_jwks(content, str(find_source(subject)))
    if auth.api_key is not None:
        return policy.Credentials(api_keys=_read_keys(content, str(find_source(subject))))
    reference = auth.jwt.jwks_secret if auth.jwt else None
    return _read_jwks(content, str(find_source(subject)), reference)


def _read_jwks(content: Mapping[str, str], secret: str, reference: exposure.KeyOfSecret | None) -> policy.Credentials:
    if reference is None or reference.key not in content:
        key = reference.key if reference else ""
        raise errors.InvalidRoute(f"Secret {secret} has no key {key!r}; put the issuer's JWKS there")
    return _check_jwks(content[reference.key], f"Secret {secret}, key {reference.key}")


def _check_jwks(text: str, source: str) -> policy.Credentials:
    try:
        policy.check_jwks(text)
    except errors.InvalidRoute as error:
        raise errors.InvalidRoute(f"{source}: {error}") from error
    return policy.Credentials(jwks=text)


def _read_keys(content: Mapping[str, str], secret: str) -> tuple[tuple[str, str], ...]:
    keys = {client: key.strip() for client, key in content.items()}
    if not keys:
        raise errors.InvalidRoute(f"Secret {secret} has no API keys; add one entry for each client: name -> key")
    for client, key in sorted(keys.items()):
        if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
            raise errors.InvalidRoute(
                f"Secret {secret}: the key of client {client!r} must have at least {SHORTEST_KEY} printable ASCII "
                "characters; make one with: openssl rand -hex 24"
            )
    if len(set(keys.values())) < len(keys):
        raise errors.InvalidRoute(f"Secret {secret} gives two clients the same key; every client needs its own")
    return tuple(sorted(keys.items()))


def parse_secret(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries of a Secret that are text."""
    found = {}
    for name, value in (obj.get("data") or {}).items():
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            found[name] = base64.b64decode(value, validate=True).decode()
    return found
