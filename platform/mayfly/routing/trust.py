"""Say what a Function's authentication depends on, and read it. Pure.

Either a Secret of the Function's namespace or the URL of an issuer's keys. While it is not there, or cannot be used,
nobody is let in.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
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
    with _name(source):
        policy.check_jwks(text)
    return policy.Credentials(jwks=text)


def _read_keys(content: Mapping[str, str], secret: str) -> tuple[tuple[str, str], ...]:
    keys = tuple(sorted((client, key.strip()) for client, key in content.items()))
    with _name(f"Secret {secret}"):
        policy.check_api_keys(keys)
        for client, key in keys:
            if len(key) < SHORTEST_KEY:
                raise errors.InvalidRoute(
                    f"the API key of client {client!r} has {len(key)} characters and needs {SHORTEST_KEY}; make one "
                    "with: openssl rand -hex 24"
                )
    return keys


@contextlib.contextmanager
def _name(source: str) -> Iterator[None]:
    """Say of an error what it was found in."""
    try:
        yield
    except errors.InvalidRoute as error:
        raise errors.InvalidRoute(f"{source}: {error}") from error


def parse_secret(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries of a Secret as text; what is none becomes what no check lets pass."""
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in (obj.get("data") or {}).items()}
