"""Which values look like secrets. What is taken for one by mistake is only moved into a Secret, never lost."""

from __future__ import annotations

import itertools
import re

_WORDS = frozenset({
    "APIKEY", "CREDENTIAL", "CREDENTIALS", "DSN", "PASS", "PASSPHRASE", "PASSWD", "PASSWORD", "PWD", "SECRET",
    "SECRETS", "TOKEN",
})  # fmt: skip
_KEYS = frozenset({
    "ACCESS", "ACCOUNT", "API", "AUTH", "CLIENT", "ENCRYPTION", "HMAC", "MASTER", "PRIVATE", "SECRET", "SERVICE",
    "SHARED", "SIGNING", "SSH", "STORAGE",
})  # fmt: skip
_HARMLESS = frozenset({
    "ARN", "COUNT", "DIR", "ENDPOINT", "EXPIRY", "FILE", "HEADER", "HOST", "ID", "LENGTH", "LIMIT", "NAME", "NAMESPACE",
    "PATH", "PORT", "REGION", "SIZE", "TIMEOUT", "TTL", "TYPE", "URI", "URL", "USER", "VERSION",
})  # fmt: skip
"""Last words after which a name speaks about a secret and does not hold it."""
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AccountKey=|SharedAccessKey=|(?i:password|pwd)=[^;\s]|://[^/\s:@]{0,200}:[^/\s@]{1,200}@"
    r"|^(AKIA|ASIA)[0-9A-Z]{16}$|^gh[pousr]_[A-Za-z0-9]{20}|^xox[abprs]-|^sk-[A-Za-z0-9_-]{16}|^glpat-"
    r"|^eyJ[A-Za-z0-9_-]{8,4000}\.eyJ|[?&]sig=[A-Za-z0-9%]{16}"
)
"""Private keys, connection strings, addresses with a password, and tokens whose makers gave them a prefix."""


def looks_secret(name: str, value: str) -> bool:
    """Tell whether a variable holds a secret, from the words of its name and the shape of its value.

    >>> looks_secret("DB_PASSWORD", "x"), looks_secret("MAX_TOKENS", "5"), looks_secret("TOKEN_URL", "https://id")
    (True, False, False)
    """
    if not value:
        return False
    if _SHAPES.search(value[:8192]):
        return True
    words = [word.upper() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]
    if not words or words[-1] in _HARMLESS:
        return False
    pairs = itertools.pairwise(words)
    return not _WORDS.isdisjoint(words) or any(
        (second == "KEY" and first in _KEYS) or (first, second) == ("CONNECTION", "STRING") for first, second in pairs
    )
