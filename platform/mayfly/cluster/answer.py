"""What the API server's answer means, as our errors.

Pure. A refusal's body is a ``Status``:
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mayfly import errors

MAX_MESSAGE = 4096
"""Characters of a refusal that are kept: a condition's message may not be longer than 32 KiB, a log line should not."""

_PATCHED = re.compile(r"failed to create typed patch object \(([^;)]+); [^)]*Kind=(\w+)\): ")
"""Server-side apply answers 500 to a field that the schema lacks or that has the wrong type, which no time mends."""
_UNKNOWN_FIELD = re.compile(r"\.(\S+): field not declared in schema")
_NOISE = (
    re.compile(r"(?:, )?<nil>: Invalid value: null: some validation rules were not checked .*? complete validation"),
    re.compile(r'Invalid value: "(?:string|object|integer|number|boolean|array)": '),  # what a CEL rule looked at
    re.compile(r"<nil>: "),
)


class Expired(errors.ClusterError):
    """The asked resourceVersion or continue token is too old (410); list again."""

    reason = "Expired"
    temporary = True


_BY_STATUS: dict[int, type[errors.ClusterError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    410: Expired,
    413: errors.Invalid,
    422: errors.Invalid,
    500: errors.Unreachable,
    502: errors.Unreachable,
    503: errors.Unreachable,
    504: errors.Unreachable,
}


def failure(*, status: int, body: bytes | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Exception:
    """Return the error that an answer with ``status`` (>= 400) stands for; its text is the API server's, tidied.

    Pure. The server's text names the object, the field and the rule. 500 and the gateway codes count as
    unreachable, since only time can mend them; other codes are a plain ``errors.ClusterError``.
    """
    document = body if isinstance(body, Mapping) else _parse_status(body)
    message = str(document.get("message") or document.get("reason") or f"the Kubernetes API answered {status}")
    message = tidy(message[:MAX_MESSAGE])
    if status == 429:  # noqa: PLR2004  (Too Many Requests)
        return errors.Throttled(message, retry_after_seconds=_retry_after(document, headers or {}))
    if _PATCHED.match(str(document.get("message"))):
        return errors.Invalid(message)
    return _BY_STATUS.get(status, errors.ClusterError)(message)


def tidy(message: str) -> str:
    """Return a refusal without what tells its reader nothing. Pure.

    >>> tidy('Function "a" is invalid: spec.timeout: Invalid value: "string": timeout is from 1s to 10m')
    'Function "a" is invalid: spec.timeout: timeout is from 1s to 10m'
    """
    message = _PATCHED.sub(r"\2 \1 is invalid: ", message)
    message = _UNKNOWN_FIELD.sub(r"unknown field \1; `kubectl explain` lists the known ones", message)
    for noise in _NOISE:
        message = noise.sub("", message)
    return message


def _parse_status(body: bytes) -> Mapping[str, Any]:
    """Return the body as a ``Status``; a proxy's plain text becomes its message."""
    try:
        document = json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace").strip()}
    return document if isinstance(document, dict) else {}


def _retry_after(document: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return the wished pause in seconds: the header counts before ``details.retryAfterSeconds``."""
    details = document.get("details") or {}
    for value in (headers.get("Retry-After"), details.get("retryAfterSeconds")):
        try:
            return max(0.0, float(value))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
    return None
