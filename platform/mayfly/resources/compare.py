"""Is a live object what it should be?

Server-side apply answers that only by a write. Instead, the object's digest travels in an annotation, and what we
want is compared with what is there: a different digest means that we want something else now (a removed field is not
visible otherwise), a different field means that someone changed it. What others added to maps is not looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mayfly.model import labels


def stamp(made: dict[str, Any]) -> dict[str, Any]:
    """Return ``made`` with the digest of itself as annotation ``mayfly.dev/applied``."""
    text = json.dumps(made, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    metadata = made["metadata"]
    return made | {"metadata": metadata | {"annotations": metadata["annotations"] | {labels.APPLIED: digest}}}


def find_drift(live: Any, desired: Any, path: str = "") -> str | None:
    """Return the path of the first field of ``desired`` that ``live`` has otherwise, ``None`` when all agree.

    Maps may hold more in ``live``; lists agree element by element and in length.

    >>> find_drift({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]})
    >>> find_drift({"a": [{"b": 1}, {}]}, {"a": [{"b": 1}]})
    '.a'
    """
    if isinstance(desired, Mapping):
        if not isinstance(live, Mapping):
            return path or "."
        drifts = (find_drift(live.get(key), value, f"{path}.{key}") for key, value in desired.items())
        return next((drift for drift in drifts if drift is not None), None)
    if isinstance(desired, list):
        if not isinstance(live, list) or len(live) != len(desired):
            return path or "."
        drifts = (
            find_drift(here, there, f"{path}[{index}]")
            for index, (here, there) in enumerate(zip(live, desired, strict=True))
        )
        return next((drift for drift in drifts if drift is not None), None)
    return None if live == desired else (path or ".")
