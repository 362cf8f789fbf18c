"""Names that a Function, a trigger, a label or a Secret can have, from names that others had."""

from __future__ import annotations

import hashlib
import re

from mayfly.model import names

_HASH_BYTES = 3
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def make_name(original: str, limit: int = names.MAX_FUNCTION_NAME) -> str:
    """Return a DNS label with a letter first: words apart by ``-``; what is too long ends with a number made of it.

    >>> make_name("ResizeImage"), make_name("2nd_try"), len(make_name("x" * 80))
    ('resize-image', 'fn-2nd-try', 52)
    """
    apart = _WORD.sub("-", original) if not original.isupper() else original
    label = re.sub(r"[^a-z0-9]+", "-", apart.lower()).strip("-") or "fn"
    label = label if label[0].isalpha() else f"fn-{label}"
    return label if len(label) <= limit else _shorten(label, original, limit)


def _shorten(label: str, original: str, limit: int) -> str:
    digest = hashlib.blake2b(original.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
    return f"{label[: limit - len(digest) - 1].rstrip('-')}-{digest}"


def make_unique(name: str, taken: set[str], limit: int = names.MAX_FUNCTION_NAME) -> str:
    """Return ``name``, with a number behind it when it is ``taken``.

    >>> make_unique("a", {"a", "a-2"})
    'a-3'
    """
    number, found = 2, name
    while found in taken:
        suffix = f"-{number}"
        found = f"{name[: limit - len(suffix)].rstrip('-')}{suffix}"
        number += 1
    return found
