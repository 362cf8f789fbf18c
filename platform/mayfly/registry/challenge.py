"""What a registry asks for in ``WWW-Authenticate`` (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PARAMETER = re.compile(r'(?P<name>[A-Za-z]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """``scheme`` is ``bearer`` or ``basic``; ``realm`` of a bearer is the URL that gives tokens for ``service``."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(headers: Iterable[str]) -> Challenge | None:
    """Return the strongest challenge we can answer, bearer before basic; ``None`` if there is none.

    >>> parse_challenges(['Bearer realm="https://auth.example/token",service="r"']).service
    'r'
    """
    found = [_parse(header) for header in headers]
    return next((item for scheme in ("bearer", "basic") for item in found if item.scheme == scheme), None)


def _parse(header: str) -> Challenge:
    scheme, _, rest = header.strip().partition(" ")
    values = {
        match["name"].lower(): re.sub(r"\\(.)", r"\1", match["quoted"])
        if match["quoted"] is not None
        else match["plain"]
        for match in _PARAMETER.finditer(rest)
    }
    return Challenge(scheme.lower(), *(values.get(name, "") for name in ("realm", "service", "scope")))
