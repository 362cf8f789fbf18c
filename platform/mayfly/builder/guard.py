"""Who may ask: a caller that presents the platform's internal token."""

from __future__ import annotations

import hmac
from pathlib import Path

_SCHEME = "bearer"


def read_token(path: Path) -> bytes:
    """Return the token in ``path``, read anew so that it can be rotated; empty when there is none."""
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""


def admits(token: bytes, authorization: str | None) -> bool:
    """Tell whether the ``Authorization`` header presents ``token``, in time that does not depend on the guess.

    Without a token nobody is admitted.
    """
    scheme, _, presented = (authorization or "").partition(" ")
    matches = hmac.compare_digest(presented.strip().encode("utf-8", "replace"), token)
    return matches and bool(token) and scheme.lower() == _SCHEME
